"""The shell completes names of the stack that the line names, and stays silent where it can't."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.cli import completion
from etl.cli.main import app
from etl.operations import alarms, executions, metrics

COLUMNS = [SimpleNamespace(name=name) for name in ("ts", "temperature_c")]
STACK = SimpleNamespace(
    outputs={"ContractName": "fleet", "QueueUrl": "url"},
    contracts=[SimpleNamespace(columns=COLUMNS)],
    bucket="data",
    client=lambda _: None,
)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> None:
    def entries(_s3: Any, _bucket: str, prefix: str) -> list[dict[str, str]]:
        return [{"Key": f"{prefix}kiln/kiln.n4.ndjson.gz"}, {"Key": f"{prefix}README"}]

    monkeypatch.setattr(completion.Stack, "target", STACK)
    monkeypatch.setattr("etl.aws.s3.listed", entries)
    for module, name, made in (
        (executions, "latest", ["load-b", "load-a", "esm-1"]),
        (metrics, "all_signals", ["StageSeconds/load", "ReadingsRead"]),
    ):
        named = [SimpleNamespace(name=one) for one in made]
        monkeypatch.setattr(module, name, lambda *_, named=named: named)
    monkeypatch.setattr(alarms, "alarms", lambda _: [SimpleNamespace(short="queue-age")])


def completed(line: str) -> list[str]:
    words = line.split(" ")
    environment = {
        "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_ETL_COMPLETE": "complete_bash",
    }  # fmt: skip
    result = CliRunner().invoke(app, [], prog_name="etl", env=environment)
    assert result.stderr == ""
    return result.stdout.split()


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("etl trace load", ["load-b", "load-a"]),
        ("etl replay --execution esm", ["esm-1"]),
        ("etl diagram --execution load-a", ["load-a"]),
        ("etl replay --batch ", ["kiln"]),
        ("etl quarantine show k", ["kiln"]),
        ("etl rejects list --reason missing:t", ["missing:ts", "missing:temperature_c"]),
        ("etl metrics Stage", ["StageSeconds/load"]),
        ("etl alarms test q", ["queue-age"]),
        ("etl executions --contract ", ["fleet"]),
        ("etl rejects list --reason no_", ["no_contract"]),
        ("etl executions --status f", ["failed"]),
        ("etl outputs Q", ["QueueUrl"]),
        ("etl logs swe", ["sweep"]),
    ],
)
def test_names_that_begin_so_are_offered(line: str, names: list[str]) -> None:
    assert completed(line) == names


def test_without_a_stack_nothing_is_offered_and_nothing_is_printed(tmp_path: Path) -> None:
    assert completed(f"etl --state {tmp_path} trace l") == []
