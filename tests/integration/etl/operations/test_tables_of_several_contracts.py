"""Conflicts, partitions and lives of the tables of a pipeline with several contracts."""

from __future__ import annotations

import io
import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.cli.main import app
from etl.doctor.database import check_login
from etl.operations.athena import athena_statements
from etl.operations.conflicts import conflicting_batches, count_conflicts, read_conflicts
from etl.operations.pgadmin_queries import queries_of_all, saved_queries
from etl.operations.pipeline_status import PipelineStatus, _ledger_facts
from etl.operations.table_life import read_life
from telemetry.contract import ContractSet
from tests.fixtures.telemetry_database import CONTRACT, TelemetryDatabase
from tests.integration.etl.operations.erasable_pipeline import FLEET, ErasablePipeline, Message

STATUS = replace(FLEET, name="status", table="states", digest="a" * 16)
DAILY = replace(
    CONTRACT, name="daily", table="days", partition="day", retention_days=30, digest="d" * 16
)
MESSAGES: list[Message] = [("a", [("a", 1, 1.0)])]
LATER: list[Message] = [("a", [("a", 1, 9.0), ("a", 2, 2.0)])]


@pytest.fixture
def pipeline(database: TelemetryDatabase, tmp_path: Any) -> ErasablePipeline:
    database.migrate(STATUS)
    found = ErasablePipeline(database, tmp_path, FLEET, (STATUS,))
    for contract in (None, "status"):
        for name, messages in (("one", MESSAGES), ("two", LATER)):
            found.load(found.stage(f"{name}-{contract or 'fleet'}", messages, contract))
    return found


def test_conflicts_are_of_their_table(pipeline: ErasablePipeline) -> None:
    target = pipeline.target
    counts = {one.batch_id: (one.contract, one.readings) for one in count_conflicts(target)}
    assert counts == {"two-fleet": ("fleet", 1), "two-status": ("status", 1)}
    assert [one.batch_id for one in count_conflicts(target, contract="status")] == ["two-status"]
    found = [(one.batch_id, one.contract) for one in read_conflicts(target)]
    assert found == [("two-fleet", "fleet"), ("two-status", "status")]
    of_one = [one.batch_id for one in read_conflicts(target, contract="status")]
    assert of_one == ["two-status"]
    again = [one.raw.batch_id for one in conflicting_batches(target)]
    assert again == ["two-fleet", "two-status"]
    assert [b.raw.batch_id for b in conflicting_batches(target, "fleet")] == ["two-fleet"]


def test_former_values_are_searched_in_batches_of_the_same_contract(
    database: TelemetryDatabase, tmp_path: Any
) -> None:
    last = replace(FLEET, on_conflict="keep_last"), replace(STATUS, on_conflict="keep_last")
    database.migrate(STATUS)
    pipeline = ErasablePipeline(database, tmp_path, last[0], last[1:])
    for contract in (None, "status"):
        pipeline.load(pipeline.stage(f"one-{contract}", MESSAGES, contract))
    pipeline.load(pipeline.stage("two", LATER, "status"))
    keys = {one.raw.batch_id for one in conflicting_batches(pipeline.target)}
    assert keys == {"one-status", "two"}


@pytest.fixture
def lives(database: TelemetryDatabase, monkeypatch: pytest.MonkeyPatch) -> Any:
    database.migrate(DAILY)
    target: Any = SimpleNamespace(
        contract=CONTRACT, contracts=ContractSet.of([CONTRACT, DAILY]),
        connect=database.connect_loader, outputs={"MigrateFunctionName": "migrate"},
    )  # fmt: skip
    monkeypatch.setattr("etl.cli.table.target_of", lambda _: target)
    return target


def test_each_table_is_shown(lives: Any) -> None:
    assert read_life(lives, contract=DAILY).partition == "day"
    shown = CliRunner().invoke(app, ["table", "show"]).output
    assert '"telemetry"."readings" has no partitions' in shown
    assert "Rows stay for 30 days" in shown
    found = json.loads(CliRunner().invoke(app, ["table", "show", "--json"]).stdout)
    assert {name: one["partition"] for name, one in found.items()} == {
        "fleet": "none", "daily": "day",
    }  # fmt: skip
    one = CliRunner().invoke(app, ["table", "show", "--contract", "fleet"]).output
    assert "30 days" not in one


def test_the_maintenance_is_of_all_or_of_the_named_one(lives: Any) -> None:
    asked: list[dict[str, Any]] = []

    def invoke(*, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        asked.append(json.loads(Payload))
        answer = {"made": [], "dropped": [], "kept": [], "left": 0}
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}

    lives.invoking_client = lambda: SimpleNamespace(invoke=invoke)
    for options in ((), ("--contract", "daily")):
        assert CliRunner().invoke(app, ["table", "maintain", *options]).exit_code == 0
    assert asked == [
        {"partitions": "maintain"}, {"partitions": "maintain", "contract": "daily"},
    ]  # fmt: skip
    assert CliRunner().invoke(app, ["table", "maintain", "--contract", "x"]).exit_code == 1


def test_the_status_has_a_line_for_each_table_with_partitions(
    database: TelemetryDatabase, lives: Any
) -> None:
    with closing(database.connect_loader()) as connection:
        facts = _ledger_facts(connection, lives.contracts)
        alone = _ledger_facts(connection, ContractSet.of([DAILY]))
    status = PipelineStatus(
        at=datetime.now(UTC), queued=0, oldest_message_seconds=None, dead_lettered=0,
        rule_errors=0, executions={}, failed=0, unprocessed={}, ledger=facts,
    )  # fmt: skip
    lines = [one.sentence for one in status.checks if one.name == "partitions"]
    assert [one.partition(":")[0] for one in lines] == ["daily"]
    assert list(status.as_dict()["partitions_by_contract"]) == ["daily"]
    assert (alone.lives, alone.life is None) == ({}, False)
    assert "partitions_by_contract" not in replace(status, ledger=alone).as_dict()


def test_the_doctor_checks_each_table(database: TelemetryDatabase, lives: Any) -> None:
    examination: Any = SimpleNamespace(target=lives)
    [result] = check_login(examination)
    assert 'may insert into "telemetry"."readings", "telemetry"."days"' in result.finding
    database.query("DROP TABLE telemetry.days CASCADE")
    [result] = check_login(examination)
    assert '"telemetry"."days"' in result.finding
    assert "does not exist" in result.finding


def test_athena_reads_the_folder_of_the_contract() -> None:
    first, further = (
        athena_statements(CONTRACT, "data", key_name=name)[0] for name in (None, "daily")
    )
    assert "LOCATION 's3://data/clean/'" in first
    assert "LOCATION 's3://data/clean/daily/'" in further
    assert "'s3://data/clean/daily/staged_on=${staged_on}/'" in further


def test_pgadmin_has_the_queries_of_each_table_and_common_ones_once() -> None:
    one = saved_queries(CONTRACT)
    both = queries_of_all(ContractSet.of([CONTRACT, DAILY]))
    assert both[: len(one)] == one
    assert len({query.file_name for query in both}) == len(both)
    assert all(query.name.startswith("daily ") for query in both[len(one) :])
    assert len({query.sql for query in both}) == len(both)
