"""Retention on a whole pipeline: the schedule's function drops what is old, and the books balance."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from etl.aws.target import Target
from etl.cli.main import app
from etl.operations.publishing import publish_file
from infrastructure.core.maintenance import EVENT
from tests.end_to_end.conftest import account, pipeline_by_queue

pytestmark = pytest.mark.timeout(900)

EXAMPLE = Path("contracts/examples/greenhouse.toml")
MESSAGES = Path("contracts/examples/greenhouse.ndjson")
STACK = "aging"


def deploy(state: Path, table_keys: str) -> Target:
    """The greenhouse's pipeline, with these keys of ``[table]``."""
    contract = state.parent / "aging.toml"
    text = EXAMPLE.read_text(encoding="utf-8")
    contract.write_text(text.replace("[table]\n", f"[table]\n{table_keys}\n"), encoding="utf-8")
    return pipeline_by_queue(state, STACK, contract)


def command(state: Path) -> Callable[..., Result]:
    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["--state", str(state), "--stack", STACK, *words])

    return run


def answer(result: Result) -> Any:
    """What a command with ``--json`` printed."""
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def test_old_readings_leave_the_table_and_are_accounted_for(state: Path) -> None:
    etl = command(state)
    target = deploy(state, 'partition = "month"')
    receipt = publish_file(target, target.contract, MESSAGES)
    loaded = account(target)
    assert loaded.problems() == []
    assert loaded.rows > 0
    done = answer(etl("table", "maintain", "--json"))
    assert any("greenhouse_2026_03" in statement for statement in done["made"])

    target = deploy(state, 'partition = "month"\nretention = "36500d"')
    schedules = target.client("scheduler").list_schedules()["Schedules"]
    (name,) = [one["Name"] for one in schedules if "MaintenanceSchedule" in one["Name"]]
    scheduled = target.client("scheduler").get_schedule(Name=name)["Target"]
    assert json.loads(scheduled["Input"]) == EVENT
    assert scheduled["Arn"].endswith(target.outputs["MigrateFunctionName"])
    shown = answer(etl("table", "show", "--json"))
    assert shown["retention_days"] == 36500
    assert etl("table", "maintain").exit_code == 0
    assert account(target).rows == loaded.rows

    target = deploy(state, 'partition = "month"\nretention = "30d"')
    raw = target.client("s3").list_objects_v2(Bucket=target.bucket, Prefix="raw/")["Contents"]
    clean = target.client("s3").list_objects_v2(Bucket=target.bucket, Prefix="clean/")["Contents"]
    bodies = {
        one["Key"]: target.client("s3").get_object(Bucket=target.bucket, Key=one["Key"])
        for one in (*raw, *clean)
    }
    stored = {key: answer["Body"].read() for key, answer in bodies.items()}
    for key in stored:
        target.client("s3").delete_object(Bucket=target.bucket, Key=key)
    refused = etl("table", "maintain")
    assert refused.exit_code == 1
    assert "greenhouse_2026_03 is kept" in refused.output
    assert "not in S3" in etl("status").output
    for key, body in stored.items():
        target.client("s3").put_object(Bucket=target.bucket, Key=key, Body=body)

    done = answer(etl("table", "maintain", "--json"))
    assert done["kept"] == []
    assert sum(one["rows"] for one in done["dropped"]) == loaded.rows
    found = account(target)
    assert found.problems() == []
    assert (found.rows, found.ledger.dropped) == (0, loaded.rows)
    deep = etl("reconcile", "--deep")
    assert deep.exit_code == 0, deep.output
    assert f"{loaded.rows} rows dropped by retention" in deep.output

    # What comes again late is a row until the next maintenance, and counts again.
    publish_file(target, target.contract, MESSAGES)
    again = account(target)
    assert again.problems() == []
    assert again.rows == loaded.rows
    assert etl("table", "maintain").exit_code == 0
    found = account(target)
    assert found.problems() == []
    assert (found.rows, found.ledger.dropped) == (0, 2 * loaded.rows)
    assert receipt.readings == found.ledger.read / 2
