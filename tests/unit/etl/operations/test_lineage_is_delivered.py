"""Events go to a file that is whole, or to a server, which may fail for a moment."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from etl.operations.lineage_delivery import (
    LineageDeliveryError,
    is_address,
    place_name,
    post_events,
    write_events,
)

EVENTS: list[dict[str, Any]] = [{"eventType": "START"}, {"eventType": "COMPLETE", "name": "\u00e9"}]


class Server:
    """Answers with the planned status codes, then with 201; keeps what it got."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: list[tuple[dict[str, str], Any]] = []
        here = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = here.statuses.pop(0) if here.statuses else 201
                if status == 201:
                    here.got.append((dict(self.headers), json.loads(body)))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b"no \x1b[31m such" if status >= 400 else b"")

            def log_message(self, *_: Any) -> None: ...

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}/api/v1/lineage?key=secret"


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    thread = threading.Thread(target=found.http.serve_forever, args=(0.01,))
    thread.start()
    yield found
    found.http.shutdown()
    thread.join()
    found.http.server_close()


def test_each_event_is_posted_with_the_key(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "k")
    assert post_events(EVENTS, server.address) == 2
    assert [event for _, event in server.got] == EVENTS
    assert {headers["Authorization"] for headers, _ in server.got} == {"Bearer k"}


def test_a_server_that_is_busy_is_asked_again(server: Server) -> None:
    server.statuses = [503, 429]
    assert post_events(EVENTS, server.address) == 2
    assert [event for _, event in server.got] == EVENTS


@pytest.mark.parametrize("status", [301, 400, 500])
def test_a_refusal_says_how_many_were_taken_and_not_the_key(server: Server, status: int) -> None:
    server.statuses = [201, status]
    with pytest.raises(LineageDeliveryError) as found:
        post_events(EVENTS, server.address)
    text = str(found.value)
    assert text.startswith(f"http://127.0.0.1 did not take event 2: status {status}")
    assert "1 were taken" in text
    assert "secret" not in text
    assert "\x1b" not in text


def test_a_server_that_is_not_there(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl.operations.lineage_delivery.ATTEMPTS", 1)
    with pytest.raises(LineageDeliveryError, match="did not take event 1"):
        post_events(EVENTS, "http://127.0.0.1:9/lineage")


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"

    def broken() -> Iterator[dict[str, Any]]:
        yield EVENTS[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_events(broken(), str(file), overwrite=False)
    assert list(tmp_path.iterdir()) == []
    assert write_events(EVENTS, str(file), overwrite=False) == 2
    assert [json.loads(line) for line in file.read_text().splitlines()] == EVENTS
    with pytest.raises(LineageDeliveryError, match="--overwrite"):
        write_events([], str(file), overwrite=False)
    assert write_events([], str(file), overwrite=True) == 0
    with pytest.raises(LineageDeliveryError, match="can't be written"):
        write_events([], str(tmp_path / "none" / "x"), overwrite=False)


def test_standard_output_has_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert write_events(EVENTS, "-", overwrite=False) == 2
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == EVENTS


def test_an_address_is_one_with_a_scheme() -> None:
    assert is_address("https://x/y")
    assert not is_address("x.ndjson")
    assert place_name("https://u:p@x/y?key=z") == "https://x"
    assert (place_name("-"), place_name("x.ndjson")) == ("standard output", "x.ndjson")
