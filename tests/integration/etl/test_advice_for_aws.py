"""No message and no page for a stack in AWS names a command of the laptop, nor does any `etl down`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError
from typer.main import get_command
from typer.testing import CliRunner

from dashboard.app import application
from dashboard.app_state import ControlRoom
from dashboard.errors import page_error
from etl.aws.target import NoStackError, Target
from etl.cli.main import app
from tests.fixtures.asgi import request
from tests.fixtures.local import EmulatorStack

LAPTOP = re.compile(r"etl (?:up|down|demo|pgadmin)\b")
MESSAGES = "contracts/examples/greenhouse.ndjson"
CONTRACT = "contracts/examples/greenhouse.toml"
OWN = {"up", "down", "demo"}
"""Commands that act on this machine, whatever else is named."""
ARGUMENTS: dict[str, list[str]] = {
    "batch": ["raw/2026/01/01/b.ndjson.gz"],
    "contract": CONTRACT.split(),
    "execution": ["x"],
    "file": [MESSAGES],
    "files": [MESSAGES],
    "function": ["load"],
    "name": ["x"],
    "new": [CONTRACT],
    "old": [CONTRACT],
}
PAGES = (
    "/", "/executions", "/executions/x", "/fleet", "/device?id=x", "/quality", "/rejects",
    "/quarantine", "/dead-letters", "/batches/b", "/playground", "/actions/replay",
    "/actions/release", "/actions/discard",
)  # fmt: skip


def commands(command: Any = None, words: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """Every command with an argument for each one that it needs."""
    command = command or get_command(app)
    if hasattr(command, "commands"):
        for name, one in command.commands.items():
            yield from commands(one, (*words, name))
        return
    required = [p for p in command.params if p.required and p.param_type_name == "argument"]
    yield [*words, *(word for p in required for word in ARGUMENTS.get(p.name or "", ["x"]))]


@pytest.fixture
def empty_account(emulator: EmulatorStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of someone with a login to an account without any stack."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", emulator.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", emulator.secret_access_key)
    monkeypatch.setenv("AWS_SESSION_TOKEN", emulator.session_token)


@pytest.mark.parametrize(
    "words",
    [one for one in commands() if one[0] not in OWN],
    ids=" ".join,
)
@pytest.mark.usefixtures("empty_account")
def test_no_message_about_a_stack_in_aws_names_a_command_of_the_laptop(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path.cwd()
    words = [str(root / word) if (root / word).is_file() else word for word in words]
    monkeypatch.chdir(tmp_path)
    options = ["--state", str(tmp_path), "--region", "us-east-1", "--stack", "nowhere"]
    result = CliRunner().invoke(app, [*options, *words], input="n\n")
    assert result.output
    assert not LAPTOP.search(result.output), result.output


def test_the_next_step_after_a_draft_is_a_deployment(tmp_path: Path) -> None:
    draft = tmp_path / "draft.toml"
    words = ["contract", "infer", MESSAGES, "--out", str(draft)]
    aws = CliRunner().invoke(app, ["--region", "us-east-1", *words])
    assert "etl deploy --contract" in aws.output
    assert not LAPTOP.search(aws.output)
    assert "etl up --contract" in CliRunner().invoke(app, [*words, "--force"]).output


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ControlRoom]:
    """The control room of a stack in AWS, of which nothing answers."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    made = ControlRoom(Target("telemetry", "eu-central-1", None, tmp_path))
    yield made
    made.close()


@pytest.mark.parametrize("page", PAGES)
def test_no_page_about_a_stack_in_aws_names_a_command_of_the_laptop(
    room: ControlRoom, page: str
) -> None:
    headers = {"host": "127.0.0.1:8710", "cookie": f"control-room-8710={room.keys.session}"}
    reply = request(application(room, 8710), "GET", page, headers=headers)
    assert "AWS eu-central-1" in reply.text, reply.text
    assert not LAPTOP.search(reply.text)


@pytest.mark.parametrize(
    "error",
    [
        psycopg2.OperationalError("could not connect"),
        psycopg2.errors.UndefinedTable("no table"),
        psycopg2.errors.QueryCanceled("too slow"),
        psycopg2.DataError("other"),
        NoStackError("There is no stack 'telemetry' yet: `etl deploy`."),
        EndpointConnectionError(endpoint_url="https://sqs"),
        NoCredentialsError(),
        ValueError("a bug"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_on_a_page_advises_what_suits_its_place(error: Exception) -> None:
    shown = page_error(error)
    assert not LAPTOP.search(shown.advice(on_laptop=False))
    assert "etl down" not in shown.advice(on_laptop=True)


def test_nothing_advises_to_bring_the_stack_down() -> None:
    """`etl down --delete` deletes: no text of the product may lead there in an emergency."""
    texts = [*Path("etl").rglob("*.py"), *Path("dashboard").rglob("*.py")]
    texts += [*Path("dashboard").rglob("*.html"), *Path("functions").rglob("*.py")]
    found = [str(file) for file in texts if "etl down" in file.read_text(encoding="utf-8")]
    assert found == ["etl/cli/stack.py"]
