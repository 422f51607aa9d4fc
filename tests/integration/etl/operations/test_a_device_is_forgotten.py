"""A forgotten device is nowhere, and all else is as if it had never sent."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from etl.operations.erased_objects import ErasureError
from etl.operations.erasure import erase_device, plan_erasure
from functions.migrate.analytics import bring_up_to_date
from functions.transform.handler import transform
from telemetry.contract.model import Source
from telemetry.manifest import ExecutionInput, Item, manifest_body
from tests.fixtures.telemetry_database import TelemetryDatabase
from tests.integration.etl.operations import erasable_pipeline
from tests.integration.etl.operations.erasable_pipeline import (
    FLEET,
    ErasablePipeline,
    Message,
    payload_of,
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
    with closing(pipeline.database.connect_owner()) as connection:
        bring_up_to_date(connection, pipeline.contract, 60.0)
    assert b"secret" in pipeline.s3.everything()
    assert len(pipeline.tables_with("secret")) > 2  # the table, its rollups
    record = pipeline.forget("secret")
    assert b"secret" not in pipeline.s3.everything()
    assert pipeline.tables_with("secret") == []
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


def test_what_can_not_be_shortened_stops_it_before_it_begins(pipeline: ErasablePipeline):
    by_place = replace(FLEET.columns[2], sources=(Source("index", ()),))
    pipeline.contract = replace(FLEET, columns=(*FLEET.columns[:2], by_place, FLEET.columns[3]))
    filled(pipeline, [[("gw", [("secret", 1, 1.0), ("b", 1, 2.0)])]])
    before = dict(pipeline.s3.objects), pipeline.rows()
    with pytest.raises(ErasureError, match=r"1 message can't be shortened.*1 reading of other"):
        pipeline.forget("secret")
    assert (pipeline.s3.objects, pipeline.rows()) == before
    record = pipeline.forget("secret", whole=True)
    assert (record.readings, record.rows) == (2, 1)
    assert [row[0] for row in pipeline.rows()] == ["b"]
    assert pipeline.reconcile().problems() == []


def test_an_execution_that_has_read_a_batch_before_is_waited_for(pipeline: ErasablePipeline):
    filled(pipeline, MIXED)
    [key, _] = pipeline.keys
    old = pipeline.s3.objects[key]
    items = [Item(key, len(old), "repair")]
    given = ExecutionInput.of("data", "repairing", items, concurrency=1)
    pipeline.s3.objects[given.manifest] = manifest_body(items)
    pipeline.states.started["repairing"] = given.as_dict()

    def end_execution(doing: str, _done: int, _of: int) -> None:
        if doing.startswith("waiting") and "repairing" not in pipeline.states.ended:
            new, pipeline.s3.objects[key] = pipeline.s3.objects[key], old
            pipeline.load(key, "repair")
            pipeline.s3.objects[key] = new
            pipeline.states.ended["repairing"] = datetime.now(UTC)

    plan = plan_erasure(pipeline.target, "secret")
    erase_device(pipeline.target, plan, notify=end_execution)
    assert "repairing" in pipeline.states.ended
    assert pipeline.tables_with("secret") == []
    assert b"secret" not in pipeline.s3.everything()
    assert pipeline.reconcile().problems() == []


def test_two_at_once_do_not_undo_each_other(
    pipeline: ErasablePipeline, monkeypatch: pytest.MonkeyPatch
):
    filled(pipeline, MIXED)
    put, begun = pipeline.s3.put_object, []

    def put_object(*, Key: str, **members: Any) -> dict[str, Any]:
        if Key in pipeline.keys and not begun:
            begun.append(Key)
            pipeline.forget("c")
            pipeline.forget("b")
        return put(Key=Key, **members)

    monkeypatch.setattr(pipeline.s3, "put_object", put_object)
    pipeline.forget("secret")
    assert begun
    assert pipeline.rows() == []
    assert not any(pipeline.clean().values())
    assert pipeline.reconcile().problems() == []


def test_dead_letters_of_others_stay(pipeline: ErasablePipeline):
    own = pipeline.line("m1", "secret", payload_of([("secret", 1, 1.0)])).decode()
    others = [
        pipeline.line("m2", "b", payload_of([("b", 1, 1.0)])).decode(),
        pipeline.line("m3", "gw", payload_of([("secret", 1, 1.0), ("b", 2, 1.0)])).decode(),
    ]
    pipeline.sqs.send(own, *others)
    assert pipeline.forget("secret").dead_letters == 1
    assert sorted(body for _, body in pipeline.sqs.visible) == sorted(others)


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


def test_a_batch_without_an_object_in_the_clean_zone_gets_none(
    pipeline: ErasablePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``storage.clean = false``: all else is made of the raw object."""
    without_clean_zone(pipeline, monkeypatch)
    pipeline.forget("secret")
    assert b"secret" not in pipeline.s3.everything()
    assert not [key for key in pipeline.s3.objects if key.startswith("clean/")]
    assert pipeline.reconcile().problems() == []


def test_without_that_object_a_batch_of_an_older_contract_has_to_be_replayed_first(
    pipeline: ErasablePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_clean_zone(pipeline, monkeypatch)
    pipeline.contract = replace(FLEET, digest="fedcba9876543210")
    with pytest.raises(ErasureError, match=r"storage\.clean.*replay the batch"):
        pipeline.forget("secret")
    for key in pipeline.keys:
        pipeline.load(key, "replay")
    pipeline.forget("secret")
    assert b"secret" not in pipeline.s3.everything()


def without_clean_zone(pipeline: ErasablePipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fills the pipeline as Transform does it with that setting."""

    def written(*given: Any) -> Any:
        objects, report = transform(*given, clean=False)
        return [one for one in objects if not one.only_over], report

    monkeypatch.setattr(erasable_pipeline, "transform", written)
    filled(pipeline, MIXED)
