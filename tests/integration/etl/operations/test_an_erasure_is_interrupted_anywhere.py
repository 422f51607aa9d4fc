"""An erasure that dies before or after any write is finished by the same command."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.operations.erasure import erasure_records
from tests.fixtures.telemetry_database import TelemetryDatabase
from tests.integration.etl.operations.erasable_pipeline import ErasablePipeline, Message

MESSAGES: list[Message] = [
    ("gw", [("secret", 1, 1.0), ("b", 1, 2.0), ("secret", None, 3.0)]),
    ("secret", [("secret", 2, 4.0)]),
]
WRITES = ("put_object", "delete_object", "invoke")


class Died(BaseException):
    """The process ended here."""


def filled(database: TelemetryDatabase, state: Path) -> ErasablePipeline:
    database.query("TRUNCATE telemetry.readings, etl.ledger, etl.conflicts, etl.erasures")
    pipeline = ErasablePipeline(database, state)
    pipeline.load(pipeline.stage("batch", MESSAGES))
    pipeline.publish(MESSAGES)
    pipeline.s3.calls.clear()
    return pipeline


def result(pipeline: ErasablePipeline) -> tuple[object, ...]:
    found = pipeline.reconcile()
    assert found.problems() == []
    return (
        pipeline.rows(), pipeline.clean(), pipeline.rejects(), pipeline.ledger(),
        found.ledger.forgotten, found.ledger.rows_forgotten, found.published_messages,
    )  # fmt: skip


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", WRITES)
def test_the_same_command_finishes_it(
    database: TelemetryDatabase, tmp_path: Path, write: str, after: bool
):
    whole = filled(database, tmp_path / "whole")
    whole.forget("secret")
    expected, number = result(whole), whole.s3.calls.count(write)
    assert number > 1
    for skip in range(number):
        pipeline = filled(database, tmp_path / str(skip))
        pipeline.s3.fail(write, Died(), skip=skip, after=after)
        with pytest.raises(Died):
            pipeline.forget("secret")
        pipeline.forget("secret")
        assert result(pipeline) == expected, skip
        assert b"secret" not in pipeline.s3.everything(), skip
        records = list(erasure_records(pipeline.target))
        assert all(record.finished_at for record in records), skip
        assert sum(record.rows for record in records) == 2, skip
