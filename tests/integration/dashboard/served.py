"""A control room over a real PostgreSQL, in a process without the rest of the pipeline."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
import uvicorn

from dashboard.app import application
from dashboard.app_state import ControlRoom
from dashboard.serving import listen
from dashboard.sources.pipeline import ShortTimeoutTarget
from etl.aws.target import Target
from local.database import Database
from local.stack import LocalStack
from telemetry.contract import Contract

NOWHERE = "http://127.0.0.1:9"


@contextmanager
def control_room(folder: Path, dsn: str, contract: Contract) -> Iterator[tuple[ControlRoom, int]]:
    """The control room and its port; the services of AWS don't answer, the contract is known."""
    password = folder / "owner"
    password.write_text("owners-password")
    stack = LocalStack(
        folder, NOWHERE, NOWHERE, "us-east-1", "test", "test", "", "127.0.0.1", 9, folder,
        Database("127.0.0.1", 9, "telemetry", "owner", password), {}, {},
    )  # fmt: skip
    room = ControlRoom(Target("telemetry", "us-east-1", None, folder, stack), dsn=dsn)
    listening = listen(None)
    port = listening.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(application(room, port), log_level="error"))
    thread = Thread(target=server.run, args=([listening],))
    thread.start()
    patch = pytest.MonkeyPatch()
    patch.setattr(ShortTimeoutTarget, "contract", contract)
    patch.setattr("dashboard.sources.pipeline.CONNECT_SECONDS", 120)
    try:
        while not server.started:
            time.sleep(0.01)
        yield room, port
    finally:
        server.should_exit = True
        thread.join()
        patch.undo()
