"""Names and values from outside: no escape sequence, no reversed line, no line of their own.

All output goes through one console that writes such characters as numbers, or through a writer in
:data:`WRITERS`, each of which has a test here of what it writes.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.aws.sqs import QueueDepth
from etl.cli import conflicts, dlq, execution_list, executions, quarantine, rejects
from etl.cli.context import guard
from etl.cli.main import app
from etl.cli.terminal import SafeConsole
from etl.operations.batches import Batch
from etl.operations.conflicts import ConflictCount
from etl.operations.dead_letters import DeadLetter
from etl.operations.executions import Execution
from etl.operations.lineage_delivery import write_events
from etl.operations.quarantine import QuarantinedBatch
from etl.operations.rejects import Reject
from telemetry.contract import ContractSet, load_contract
from telemetry.errors import UserError
from telemetry.layout import RawKey

ROOT = Path(__file__).parents[4]
WRITERS = {
    "athena": "statements made of a contract, whose names are plain",
    "contract_describe": "a page with escapes",
    "contract": "the inferred contract: TOML with escapes",
    "context": "JSON of ASCII alone",
    "destroy": "one value of the stack",
    "diagram": "an SVG of the workflow",
    "export_destination": "rows, never to a terminal",
    "lineage_delivery": "JSON of ASCII alone",
    "main": "the version",
    "pgadmin": "file names of the user",
    "reject_export": "JSON of ASCII alone, or cells without unprintable characters",
}
"""Modules that write to standard output themselves, and what."""
RAW = {"typer.echo", "typer.secho", "click.echo", "sys.stdout", "sys.stderr", "rich.print"}
HOSTILE = (
    "\x1b[2J\x1b]0;title\x07\x9b31m\u202e\u2066\u200b\ufeff\x08\r\n verdict: pass \x85\u2028"
    "[/][bold red][link=http://x]\U000e0041 \x00\x7f é"
)
"""What terminals obey, hide or reorder by; a line of its own; markup of the library that prints."""
OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def clean_output(*arguments: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.output
    assert OBEYED.search(result.output.replace("\r\n", "\n")) is None
    assert not any(line.startswith(" verdict: pass") for line in result.output.splitlines())
    return result.stdout


def writers(package: str) -> Iterator[str]:
    """Modules that write to the terminal by other means than the console of all commands."""
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "Console"):
                yield file.stem
            if isinstance(node, ast.Attribute) and ast.unparse(node) in RAW:
                yield file.stem


def test_every_other_command_prints_by_the_console_that_escapes() -> None:
    assert {*writers("etl/cli"), *writers("etl/operations")} == set(WRITERS)


def test_the_console_escapes_what_a_terminal_obeys() -> None:
    file = io.StringIO()
    console = SafeConsole(file=file, width=300, force_terminal=False)
    console.print(HOSTILE, markup=False)
    assert OBEYED.search(file.getvalue()) is None
    assert "\\u001b[2J" in file.getvalue()


def test_an_error_message_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    @guard
    def command() -> None:
        raise UserError(HOSTILE)

    with pytest.raises(BaseException):  # noqa: B017, PT011 - typer's own way to end a command
        command()
    assert OBEYED.search(capsys.readouterr().err) is None


def test_events_are_of_ascii_alone(capsys: pytest.CaptureFixture[str]) -> None:
    write_events([{"description": HOSTILE}], "-", overwrite=False)
    written = capsys.readouterr().out
    assert OBEYED.search(written.rstrip("\n")) is None
    assert json.loads(written) == {"description": HOSTILE}


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """Devices, members, values and topics with hostile names; a value that is lost, a conflict."""
    path = tmp_path / "hostile.ndjson"
    hostile = HOSTILE.replace("\0", "")  # which no text in a key can have
    documents = [
        {
            "device_id": f"{hostile}{n % 3}",
            "ts": f"2026-03-01T12:00:{n:02}Z" if n != 8 else hostile,
            f"name {hostile}": n,
            "inside": {hostile: f"{hostile} {n}"},
            "temp": hostile if n == 7 else n + 0.5,
        }
        for n in range(20)
    ]
    documents.append(documents[3] | {"temp": -4.25})
    recorded = [{"topic": f"lab/{hostile}", "qos": 0, "payload": d} for d in documents]
    path.write_text("".join(f"{json.dumps(d)}\n" for d in recorded), encoding="utf-8")
    return path


def test_infer_and_check(sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "odd [red] name [bold].toml"
    clean_output("contract", "infer", sample, "--out", out, code=1)
    assert OBEYED.search(out.read_text(encoding="utf-8")) is None
    load_contract(out)
    clean_output("contract", "infer", sample, code=1)
    output = clean_output("contract", "check", out, sample)
    assert "\nverdict: pass" in output
    other = ROOT / "contracts" / "fleet.toml"
    output = clean_output("contract", "check", other, sample, code=1)
    assert "members that no column uses" in output
    clean_output("contract", "check", other, sample, "--json", code=1)
    clean_output("contract", "diff", other, out)


@pytest.mark.parametrize("text", [HOSTILE, f'name = "{HOSTILE}"', f"['{HOSTILE[:4]}']\na = 1"])
def test_a_contract_that_is_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(text, encoding="utf-8")
    clean_output("contract", "check", path, code=1)
    path.write_text(json.dumps(HOSTILE) + " = 1", encoding="utf-8")
    clean_output("contract", "check", path, code=1)


FLEET = load_contract(ROOT / "contracts" / "fleet.toml")
TARGET = SimpleNamespace(contract=FLEET, contracts=ContractSet.of([FLEET]))


@pytest.fixture(autouse=True)
def target(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (conflicts, dlq, execution_list, executions, quarantine, rejects):
        monkeypatch.setattr(module, "target_of", lambda _: TARGET)


REJECT = Reject(
    "2026-03-01", "batch", HOSTILE, HOSTILE, HOSTILE, 1, 0, (f"invalid:{HOSTILE}",), HOSTILE,
    HOSTILE.encode() + b"\xff\xfe",
)  # fmt: skip


@pytest.mark.parametrize("command", ["list", "show"])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_rejects(command: str, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejects, "read_rejects", lambda *_, **__: iter([REJECT]))
    assert "u001b[2J" in clean_output("rejects", command, *options).replace("x1b", "u001b")


@pytest.mark.parametrize("form", ["ndjson", "csv"])
@pytest.mark.parametrize("module", [rejects, conflicts])
def test_exports(module: Any, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = "read_rejects" if module is rejects else "read_conflicts"
    monkeypatch.setattr(module, read, lambda *_, **__: iter([REJECT]))
    name = module.__name__.rpartition(".")[2]
    output = clean_output(name, "export", "--format", form)
    if form == "csv":
        header, row, *_ = csv.reader(io.StringIO(output))
        assert len(header) == len(row)


def test_conflicts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        conflicts,
        "count_conflicts",
        lambda *_, **__: [ConflictCount(HOSTILE, HOSTILE, 1, 1, "fleet")],
    )
    clean_output("conflicts", "list")
    clean_output("conflicts", "list", "--json")


def test_dead_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    one = DeadLetter("id", None, 2, HOSTILE, HOSTILE, HOSTILE.encode() + b"\xff", HOSTILE)
    monkeypatch.setattr(dlq, "depth", lambda *_: QueueDepth(1, 0))
    monkeypatch.setattr(dlq, "peek", lambda *_: [one])
    clean_output("dlq", "list", "--look", "1")
    clean_output("dlq", "list", "--look", "1", "--json")


def test_executions_and_their_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    began = datetime(2026, 3, 1, tzinfo=UTC)
    failed = Execution(
        "arn", "name", "FAILED", began, began, {}, {"cause": HOSTILE}, HOSTILE, HOSTILE
    )
    monkeypatch.setattr(execution_list, "search", lambda *_: iter([failed]))
    clean_output("executions")
    clean_output("executions", "--json")
    monkeypatch.setattr(executions, "start", lambda *_: "arn")
    monkeypatch.setattr(executions, "follow", lambda *_: iter([(failed, [])]))
    clean_output("run", code=1)
    lines = [json.dumps({"level": HOSTILE, "message": HOSTILE, HOSTILE: HOSTILE}), HOSTILE]
    monkeypatch.setattr(executions, "log_groups", lambda _: {"extract": "group"})
    monkeypatch.setattr(
        executions, "_log_lines", lambda *_: [("12:00:00", "extract", line) for line in lines]
    )
    clean_output("logs")
    clean_output("logs", "--raw")


def test_quarantine(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = Batch(RawKey("2026-03-01", "execution", "batch", 1), "key", 1, datetime.now(UTC))
    report = {"accepted": 1, "findings": [{"level": "quarantine", "sentence": HOSTILE}]}
    monkeypatch.setattr(
        quarantine, "quarantined_batches", lambda *_: iter([QuarantinedBatch(batch, report)])
    )
    clean_output("quarantine", "list")
