"""A device is forgotten in each contract whose key names it; the others and the gone ones are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from etl.operations.device_messages import NoDeviceError
from etl.operations.erasure import erasure_records, plan_erasure
from telemetry.contract import Column
from telemetry.contract.model import Source
from tests.fixtures.telemetry_database import TelemetryDatabase, column
from tests.integration.etl.operations.erasable_pipeline import FLEET, ErasablePipeline, Message


class Died(BaseException):
    """The process ended here."""


STATUS = replace(FLEET, name="status", table="states", digest="aaaaaaaaaaaaaaaa")
GATES = replace(
    STATUS,
    name="gates",
    table="gates",
    columns=(
        Column("device_id", "text", (Source("envelope", ("client_id",)),), required=True),
        *FLEET.columns[1:],
    ),
    digest="bbbbbbbbbbbbbbbb",
)
"""Its devices are the clients that sent, whatever a reading says."""
CLOCKS = replace(
    FLEET, name="clocks", table="clocks", key=("ts",),
    columns=(column("ts", "timestamp", required=True),),
)  # fmt: skip
SHARED: list[Message] = [
    ("gw", [("secret", 1, 1.0), ("b", 1, 2.0)]),
    ("secret", [("secret", 2, 4.0)]),
    ("c", [("c", 3, 5.0)]),
]


@pytest.fixture
def pipeline(database: TelemetryDatabase, tmp_path: Path) -> ErasablePipeline:
    for contract in (STATUS, GATES):
        database.migrate(contract)
    return ErasablePipeline(database, tmp_path, FLEET, (STATUS, GATES))


def filled(pipeline: ErasablePipeline) -> None:
    for contract in (None, "status", "gates"):
        name = contract or "fleet"
        pipeline.load(pipeline.stage(f"of-{name}", SHARED, contract))
        pipeline.publish(SHARED, contract)


def test_it_is_nowhere_and_each_contract_balances(pipeline: ErasablePipeline) -> None:
    filled(pipeline)
    before = pipeline.reconcile()
    assert before.problems() == []
    assert before.published_messages == 9
    plan = plan_erasure(pipeline.target, "secret")
    parts = plan.as_dict()["contracts"]
    assert {name: (p["rows"], p["readings"], p["objects"]) for name, p in parts.items()} == {
        "fleet": (2, 2, 1), "status": (2, 2, 1), "gates": (1, 1, 1),
    }  # fmt: skip
    record = pipeline.forget("secret")
    assert (record.rows, record.readings, record.contract) == (5, 5, "fleet, status, gates")
    after = pipeline.reconcile()
    assert after.problems() == []
    assert {one.name: one.rows for one in after.contracts} == {"fleet": 2, "status": 2, "gates": 2}
    assert {one.name: one.ledger.rows_forgotten for one in after.contracts} == {
        "fleet": 2, "status": 2, "gates": 1,
    }  # fmt: skip
    for table in ("readings", "states"):
        names = pipeline.database.query(f"SELECT DISTINCT device_id FROM telemetry.{table}")
        assert sorted(names) == [("b",), ("c",)]
    again = pipeline.forget("secret")
    assert (again.readings, pipeline.reconcile().problems()) == (0, [])


def test_a_contract_without_devices_is_named(pipeline: ErasablePipeline) -> None:
    filled(pipeline)
    pipeline.further = (STATUS, GATES, CLOCKS)
    plan = plan_erasure(pipeline.target, "secret")
    assert plan.without_device == ["clocks"]
    assert plan.rows == 5
    pipeline.contract, pipeline.further = CLOCKS, (replace(CLOCKS, name="other", table="other"),)
    with pytest.raises(NoDeviceError):
        plan_erasure(pipeline.target, "secret")


def test_objects_of_a_contract_that_is_no_more_are_told(pipeline: ErasablePipeline) -> None:
    filled(pipeline)
    pipeline.further = (STATUS,)
    plan = plan_erasure(pipeline.target, "secret")
    assert [key.rpartition("/")[2] for key in plan.unknown] == ["of-gates.gates.n3.ndjson.gz"]
    assert plan.as_dict()["unknown"] == plan.unknown
    pipeline.forget("secret")
    assert b"secret" in pipeline.s3.everything()


def test_dead_letters_are_read_by_their_own_contract(pipeline: ErasablePipeline) -> None:
    """Of the gate that is named so, or with a reading of the device: as the contract says."""
    body = pipeline.line("m", "secret", b'{"readings":[{"device_id":"b"}]}').decode()
    as_gate = body.rstrip()[:-1] + ',"contract":"gates"}'
    gone = body.rstrip()[:-1] + ',"contract":"gone"}'
    pipeline.sqs.send(body)
    pipeline.sqs.send(as_gate)
    pipeline.sqs.send(gone)
    assert pipeline.forget("secret").dead_letters == 1


@pytest.mark.parametrize("write", ["put_object", "delete_object", "invoke"])
def test_the_same_command_finishes_what_died_in_any_contract(
    database: TelemetryDatabase, tmp_path: Path, write: str
) -> None:
    database.migrate(STATUS)

    def fresh(name: str) -> ErasablePipeline:
        tables = "telemetry.readings, telemetry.states, etl.ledger, etl.conflicts, etl.erasures"
        database.query(f"TRUNCATE {tables}")
        pipeline = ErasablePipeline(database, tmp_path / name, FLEET, (STATUS,))
        for contract in (None, "status"):
            pipeline.load(pipeline.stage(f"of-{contract}", SHARED, contract))
            pipeline.publish(SHARED, contract)
        pipeline.s3.calls.clear()
        return pipeline

    def result(pipeline: ErasablePipeline) -> tuple[object, ...]:
        found = pipeline.reconcile()
        assert found.problems() == []
        return (
            pipeline.clean(), pipeline.rejects(), pipeline.ledger(), found.published_messages,
            [(one.name, one.rows, one.ledger.rows_forgotten) for one in found.contracts],
        )  # fmt: skip

    whole = fresh("whole")
    assert whole.forget("secret").rows == 4
    expected, number = result(whole), whole.s3.calls.count(write)
    assert number > 2
    for skip in range(0, number, 1 if write == "invoke" else 3):
        pipeline = fresh(str(skip))
        pipeline.s3.fail(write, Died(), skip=skip, after=True)
        with pytest.raises(Died):
            pipeline.forget("secret")
        pipeline.forget("secret")
        assert result(pipeline) == expected, skip
        assert b"secret" not in pipeline.s3.everything(), skip
        records = list(erasure_records(pipeline.target))
        assert all(record.finished_at for record in records), skip
        assert sum(record.rows for record in records) == 4, skip
