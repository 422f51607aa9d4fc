"""Another user of the machine reaches every port of the laptop's servers, and gets nothing."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import stat
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg2
import pytest

from etl.aws.target import Target
from etl.operations.publishing import FleetPlan, simulate
from tests.browser.control_room import control_room
from tests.end_to_end.conftest import account

pytestmark = [pytest.mark.slow]

CONTRACT = "contracts/fleet.toml"
NOBODY = 65534
FUNCTIONS = "/2015-03-31/functions"
CODE = b'{"FunctionName": "mine", "Role": "r", "Code": {"ZipFile": "UEsFBgAAAAAAAAAAAAA="}}'
CONNECT = bytes([0x10, 16, 0, 4, *b"MQTT", 4, 2, 0, 60, 0, 4, *b"mine"])


def as_another_user(work: Callable[[], Any]) -> Any:
    """The result of the work, done by a child process that belongs to another user.

    A fork, since another user may not reach this interpreter's files.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can become another user: run this test as root, as CI does")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        answer: Any = {"failed": "before it became another user"}
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            answer = {"result": work()}
        except BaseException as error:
            answer = {"failed": repr(error)}
        finally:
            with os.fdopen(writing, "w") as out:
                json.dump(answer, out)
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as into:
        answer = json.load(into)
    os.waitpid(child, 0)
    assert "failed" not in answer, answer["failed"]
    return answer["result"]


def ask(url: str, method: str, path: str, body: bytes = b"", **headers: str) -> int:
    """Status of the answer."""
    address = urlsplit(url).netloc
    with closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status


@pytest.fixture(scope="module")
def used(pipeline: Target) -> Target:
    """With a fleet that has published."""
    simulate(pipeline, pipeline.contract, FleetPlan(name="fleet", devices=3, duration=1.0))
    assert account(pipeline).verdict.status == "balanced"
    return pipeline


def secrets_of(target: Target) -> dict[str, bytes]:
    """Every secret of the laptop that is known by its content."""
    local = target.local
    assert local is not None
    found = {"session token": local.session_token}
    for file in ("owner_password", "superuser_password"):
        found[file] = (local.state / "postgres" / file).read_text().strip()
    listed = target.client("secretsmanager").list_secrets()["SecretList"]
    for one in listed:
        value = target.client("secretsmanager").get_secret_value(SecretId=one["ARN"])
        found[one["Name"]] = json.loads(value["SecretString"])["password"]
    assert len(found) >= 5
    return {name: value.encode() for name, value in found.items()}


def files_of(target: Target) -> list[Path]:
    assert target.local is not None
    # Not rglob: the servers run, and folders of theirs may vanish on the way.
    walked = (
        Path(folder, name) for folder, _, names in os.walk(target.local.state) for name in names
    )
    return [path for path in walked if path.is_file() and not path.is_symlink()]


def test_no_file_with_a_secret_is_open_to_others(used: Target) -> None:
    secrets = {**secrets_of(used), "private key": b"PRIVATE KEY-----\n"}
    seen, open_to_others = set(), []
    for path in files_of(used):
        with suppress(FileNotFoundError):  # a server has deleted it meanwhile
            content = path.read_bytes()
            held = {name for name, secret in secrets.items() if secret in content}
            seen |= held
            if held and stat.S_IMODE(path.stat().st_mode) & 0o077:
                open_to_others.append((str(path), sorted(held)))
    assert {"private key", "session token", "owner_password"} <= seen
    assert open_to_others == []


def test_another_user_reads_no_file_with_content(used: Target) -> None:
    files = []
    for path in files_of(used):
        with suppress(FileNotFoundError):  # a server has deleted it meanwhile
            files.append((str(path), path.stat().st_size))
    assert len(files) > 50

    def readable() -> list[str]:
        return [path for path, size in files if size and os.access(path, os.R_OK)]

    found = as_another_user(readable)
    assert found == []


def test_no_command_line_has_a_secret(used: Target) -> None:
    """Every user sees the command lines of all processes."""
    assert used.local is not None
    supervisor = psutil.Process(used.local.processes["supervisor"].pid)
    lines = []
    for one in supervisor.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # PostgreSQL's workers come and go
            lines.append(" ".join(one.cmdline()))
    assert any("start.py" in line for line in lines)
    for name, secret in secrets_of(used).items():
        assert not any(secret.decode() in line for line in lines), name


def test_the_emulator_creates_nothing_for_another_user(used: Target) -> None:
    assert used.local is not None
    url = used.local.endpoint_url
    service = "AWS4-HMAC-SHA256 Credential=test/20260301/us-east-1/lambda/aws4_request"

    def attempts() -> list[int]:
        return [
            ask(url, "GET", "/"),
            ask(url, "POST", FUNCTIONS, CODE),
            ask(url, "POST", FUNCTIONS, CODE, Authorization=service),
            ask(url, "PUT", "/mine"),
            ask(url, "POST", "/_ministack/reset"),
        ]

    assert as_another_user(attempts) == [403] * 5
    names = [one["FunctionName"] for one in used.client("lambda").list_functions()["Functions"]]
    assert names
    assert "mine" not in names


def test_the_trace_store_answers_no_other_user(used: Target) -> None:
    assert used.local is not None
    url = used.local.xray_endpoint_url
    body = b'{"StartTime": 0, "EndTime": 1}'
    assert as_another_user(lambda: ask(url, "POST", "/TraceSummaries", body)) == 403


def test_the_control_room_answers_no_other_user(used: Target) -> None:
    with control_room(used.state, used.stack) as room:

        def attempts() -> list[int]:
            return [
                ask(room.base, "GET", "/"),
                ask(room.base, "GET", "/?key=guessed"),
                ask(room.base, "POST", "/actions/replay"),
                ask(room.base, "POST", "/playground/infer", b"x"),
            ]

        assert as_another_user(attempts) == [401] * 4
        key = room.address.partition("key=")[2]
        lines = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
        assert not any(key in line for line in lines)


@pytest.mark.parametrize("user", ["postgres", "telemetry_owner", "loader", "analyst"])
def test_postgresql_wants_a_password(used: Target, user: str) -> None:
    assert used.local is not None
    database = used.local.database
    if user in ("loader", "analyst"):
        [arn] = [
            one["ARN"]
            for one in used.client("secretsmanager").list_secrets()["SecretList"]
            if user in one["Name"].lower()
        ]
        value = used.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
        user = json.loads(value)["username"]

    def attempts() -> list[str]:
        found = []
        for password in ("", "test", user):
            try:
                psycopg2.connect(
                    host=database.host, port=database.port, dbname=database.name, user=user,
                    password=password,
                ).close()  # fmt: skip
                found.append("connected")
            except psycopg2.OperationalError as error:
                found.append(str(error))
        return found

    answers = as_another_user(attempts)
    assert all("password" in answer for answer in answers), answers


def test_the_mqtt_broker_wants_a_certificate(used: Target) -> None:
    assert used.local is not None
    host, port = used.local.mqtt_host, used.local.mqtt_port

    def attempt() -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with socket.create_connection((host, port), 60) as plain:
                with context.wrap_socket(plain) as tls:
                    tls.sendall(CONNECT)
                    return tls.recv(100).hex()
        except OSError as error:
            return type(error).__name__

    assert as_another_user(attempt) in ("", "SSLError", "ConnectionResetError", "BrokenPipeError")
