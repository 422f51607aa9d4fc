"""``python room_without_a_stack.py [--read-only]``: the control room where nothing runs.

The playground needs no pipeline, so its tests need not start one.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import cast

from dashboard.app_state import ControlRoom
from dashboard.serving import listen, serve
from etl.aws.target import Target
from local.postgres import Database
from local.stack import LocalStack

NOWHERE = "http://127.0.0.1:9"
"""The port of the discard service, on which nothing listens."""


def main() -> None:
    state = Path("no-state")
    stopped = LocalStack(
        state, NOWHERE, NOWHERE, "eu-central-1", "test", "test", "127.0.0.1", 9, Path("ca.pem"),
        cast(Database, None), {}, {},
    )  # fmt: skip
    target = Target("telemetry", "eu-central-1", None, state, stopped)
    room = ControlRoom(target, read_only="--read-only" in sys.argv)
    with suppress(KeyboardInterrupt):
        serve(room, listen(None), open_browser=False, notify=lambda text: print(text, flush=True))


if __name__ == "__main__":
    main()
