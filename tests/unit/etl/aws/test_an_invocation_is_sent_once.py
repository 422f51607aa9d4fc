"""A long invocation is waited for, and one without an answer is not sent again."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from botocore.exceptions import ConnectionClosedError, HTTPClientError

from etl.aws.target import LONGEST_FUNCTION_SECONDS, Target


@pytest.fixture
def silent():
    """A server that takes each request and closes the connection without an answer."""
    taken = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            taken.append(self.path)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", taken
    server.shutdown()
    server.server_close()
    thread.join()


def target_at(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    return Target("telemetry", "us-east-1", None, tmp_path)


def test_an_invocation_without_an_answer_is_not_sent_again(silent, tmp_path, monkeypatch):
    endpoint, taken = silent
    client = target_at(endpoint, tmp_path, monkeypatch).invoking_client()
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        client.invoke(FunctionName="telemetry-migrate", Payload=b"{}")
    assert len(taken) == 1


def test_it_is_waited_for_as_long_as_a_function_may_run(tmp_path, monkeypatch):
    client = target_at("http://127.0.0.1:1", tmp_path, monkeypatch).invoking_client()
    assert client.meta.config.read_timeout > LONGEST_FUNCTION_SECONDS
