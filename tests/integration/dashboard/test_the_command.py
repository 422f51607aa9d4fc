"""``etl dashboard``, where nothing answers: it says so, and ends as it should."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import uvicorn
from typer.testing import CliRunner

from dashboard.app import application
from dashboard.app_state import ControlRoom
from dashboard.serving import PortTakenError, address, listen
from dashboard.sources.pipeline import Pipeline
from etl.aws.target import Target
from etl.cli.main import app
from local.database import Database
from local.stack import LocalStack

PAGES = ("/", "/executions", "/executions/x", "/rejects", "/quarantine", "/quality", "/fleet",
         "/device?id=x", "/batches/x", "/dead-letters", "/actions/replay?batch=x")  # fmt: skip


@pytest.fixture
def gone(tmp_path: Path) -> Target:
    """A stack on ports where nobody listens."""
    nowhere = "http://127.0.0.1:9"
    password = tmp_path / "owner"
    password.write_text("owners-password")
    local = LocalStack(
        tmp_path, nowhere, nowhere, "us-east-1", "test", "test", "", "127.0.0.1", 9, tmp_path,
        Database("127.0.0.1", 9, "telemetry", "owner", password), {}, {},
    )  # fmt: skip
    return Target("telemetry", "us-east-1", None, tmp_path, local)


@pytest.fixture
def served(gone: Target) -> Iterator[tuple[ControlRoom, int]]:
    room, listening = (
        ControlRoom(gone, dsn="host=127.0.0.1 port=9 user=x password=pencil"),
        listen(None),
    )
    port = listening.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(application(room, port), log_level="error"))
    thread = Thread(target=server.run, args=([listening],))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield room, port
    server.should_exit = True
    thread.join()


def get(room: ControlRoom, port: int, path: str, **headers: str) -> tuple[int, str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=240)
    cookie = {"Cookie": f"control-room-{port}={room.keys.session}"}
    connection.request("GET", path, headers=cookie | headers)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode(), answer.headers
    connection.close()
    return found


def test_every_page_is_drawn_and_says_what_could_not_be_had(
    served: tuple[ControlRoom, int],
) -> None:
    for path in PAGES:
        status, page, _ = get(*served, path)
        assert status in (200, 400, 404), path
        assert "<h1" in page, path
        assert "can&#39;t be reached" in page, path
        assert "pencil" not in page
        assert "Traceback" not in page


def test_a_page_that_is_as_it_was_is_not_sent_again(served: tuple[ControlRoom, int]) -> None:
    _, _, headers = get(*served, "/quarantine")
    assert get(*served, "/quarantine", **{"If-None-Match": headers["ETag"]})[0] == 304
    assert get(*served, "/quarantine", **{"If-None-Match": '"other"'})[0] == 200


def test_what_is_not_there_is_said(served: tuple[ControlRoom, int]) -> None:
    for path in (
        "/nothing",
        "/jobs/7",
        "/actions/destroy",
        "/letters",
        "/static/../app.py",
        "/static/nothing.js",
    ):
        assert get(*served, path)[0] == 404, path


def test_a_port_that_is_taken_is_reported_and_without_one_another_is_found() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"Port {port} is in use"):
            listen(port)
    with listen(None) as free, listen(None) as another:
        assert free.getsockname()[0] == "127.0.0.1"
        assert free.getsockname() != another.getsockname()


def test_the_address_has_the_key_and_nothing_else_secret(gone: Target) -> None:
    room = ControlRoom(gone)
    assert address(8710, room.keys.access) == f"http://127.0.0.1:8710/?key={room.keys.access}"
    room.close()


def test_where_nothing_runs_the_command_says_what_to_do(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["--state", str(tmp_path), "dashboard", "--no-open"])
    assert found.exit_code == 1
    assert "etl up" in found.output


def test_a_stack_elsewhere_is_not_taken_for_this_machine(gone: Target) -> None:
    aws = replace(gone, local=None)
    room = ControlRoom(aws)
    assert room.pages._environment.globals["location"] == "AWS us-east-1"
    room.close()


def test_a_stack_that_was_started_anew_is_found_on_its_new_ports(
    gone: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gone.local is not None
    anew = replace(gone.local, endpoint_url="http://127.0.0.1:10")
    monkeypatch.setattr("local.stack.read", lambda _: gone.local)
    pipeline = Pipeline(gone)
    before = pipeline.target.client("s3")
    pipeline.refresh()
    assert pipeline.target.client("s3") is before, "clients are kept as long as they are right"
    monkeypatch.setattr("local.stack.read", lambda _: anew)
    assert pipeline.target.client("s3") is before, "not asked with every question"
    pipeline.refresh()
    assert pipeline.target.client("s3").meta.endpoint_url == "http://127.0.0.1:10"
