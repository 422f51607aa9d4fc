"""A forgotten device is nowhere, and all else is as if it had never sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fixtures.telemetry_database import TelemetryDatabase
from tests.integration.etl.operations.erasable_pipeline import (
    FLEET,
    ErasablePipeline,
    Message,
)

MIXED: list[list[Message]] = [
    [
        ("gw", [("secret", 1, 1.0), ("b", 1, 2.0), ("secret", None, 3.0)]),
        ("secret", [("secret", 2, 4.0)]),
        ("b", [("b", 3, 5.0), ("b", None, 6.0)]),
        ("secret", [("secret", 2, 4.0), ("secret", 2, 7.0)]),
        ("secret", []),
    ],
    [("gw", [("b", 1, 9.0), ("secret", 1, 8.0)]), ("c", [("c", 5, 1.0)])],
]


@pytest.fixture
def pipeline(database: TelemetryDatabase, tmp_path: Path) -> ErasablePipeline:
    return ErasablePipeline(database, tmp_path)


def filled(pipeline: ErasablePipeline, batches: list[list[Message]]) -> None:
    for number, messages in enumerate(batches):
        pipeline.load(pipeline.stage(f"batch{number}", messages))


def without(batches: list[list[Message]], device: str) -> list[list[Message]]:
    """The same messages as if the device had sent none. A reading without a device is its client's."""
    return [
        [
            (client, left)
            for client, elements in messages
            if (left := [e for e in elements if (e[0] or client) != device])
            or (not elements and client != device)
        ]
        for messages in batches
    ]


def test_it_is_in_no_object_no_row_and_no_conflict(pipeline: ErasablePipeline):
    filled(pipeline, MIXED)
    pipeline.publish([message for messages in MIXED for message in messages])
    pipeline.sqs.send(
        pipeline.line("dead", "secret", b'{"readings":[{"device_id":"secret"}]}').decode()
    )
    assert b"secret" in pipeline.s3.everything()
    record = pipeline.forget("secret")
    assert b"secret" not in pipeline.s3.everything()
    assert "secret" not in str(pipeline.rows()) + str(pipeline.conflicts())
    assert (record.rows, record.readings, record.messages) == (2, 6, 5)
    assert record.finished_at is not None


def test_the_reconciliation_balances_and_says_how_many(pipeline: ErasablePipeline):
    filled(pipeline, MIXED)
    pipeline.publish([message for messages in MIXED for message in messages])
    assert pipeline.reconcile().problems() == []
    pipeline.forget("secret")
    found = pipeline.reconcile()
    assert found.problems() == []
    assert (found.ledger.forgotten, found.ledger.rows_forgotten) == (6, 2)
    assert found.without_receipt == 0


@pytest.mark.parametrize("purpose", ["replay", "repair"])
def test_loading_the_batches_again_brings_nothing_back(pipeline: ErasablePipeline, purpose: str):
    filled(pipeline, MIXED)
    pipeline.forget("secret")
    before = pipeline.rows(), pipeline.clean(), pipeline.rejects()
    for key in pipeline.keys:
        pipeline.load(key, purpose)
    assert (pipeline.rows(), pipeline.clean(), pipeline.rejects()) == before
    assert pipeline.reconcile().problems() == []
    assert pipeline.reconcile().ledger.forgotten == 6


def test_another_contract_loads_the_batches_again_without_it(pipeline: ErasablePipeline):
    filled(pipeline, MIXED)
    pipeline.contract = replace(FLEET, digest="fedcba9876543210")
    pipeline.forget("secret")
    assert b"secret" not in pipeline.s3.everything()
    assert "secret" not in str(pipeline.rows())
    assert pipeline.reconcile().problems() == []
    for key in pipeline.keys:
        pipeline.load(key, "replay")
    assert "secret" not in str(pipeline.rows())
    assert pipeline.reconcile().problems() == []


elements = st.tuples(
    st.sampled_from(["secret", "secret", "b", "c", None]),
    st.none() | st.integers(0, 6),
    st.sampled_from([1.0, 2.0, None, "x"]),
)
messages = st.tuples(st.sampled_from(["gw", "secret", "b"]), st.lists(elements, max_size=4))
several_batches = st.lists(st.lists(messages, min_size=1, max_size=5), min_size=1, max_size=3)


@settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batches=several_batches, policy=st.sampled_from(["keep_first", "keep_last", "fill_missing"]))
def test_all_else_is_as_if_it_had_never_sent(
    database: TelemetryDatabase, tmp_path: Path, batches: list[list[Message]], policy: str
):
    contract = replace(FLEET, on_conflict=policy)

    def emptied() -> ErasablePipeline:
        database.query("TRUNCATE telemetry.readings, etl.ledger, etl.conflicts, etl.erasures")
        return ErasablePipeline(database, tmp_path / str(len(list(tmp_path.iterdir()))), contract)

    other = emptied()
    filled(other, without(batches, "secret"))
    expected = other.rows(), other.conflicts(), other.rejects()
    clean = {key: rows for key, rows in other.clean().items() if rows}

    pipeline = emptied()
    filled(pipeline, batches)
    pipeline.publish([message for messages in batches for message in messages])
    pipeline.forget("secret")
    assert (pipeline.rows(), pipeline.conflicts(), pipeline.rejects()) == expected
    assert {key: rows for key, rows in pipeline.clean().items() if rows} == clean
    if not any(client == "secret" for m in without(batches, "secret") for client, _ in m):
        # What it passed on for other devices stays, with its client id.
        assert b"secret" not in pipeline.s3.everything()
    found = pipeline.reconcile()
    assert found.problems() == []
    sent = [(e[0] or client) for m in batches for client, es in m for e in es]
    assert found.ledger.forgotten == sent.count("secret")
    assert pipeline.forget("secret").messages == 0
