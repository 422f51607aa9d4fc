"""What holds for every raw object, whatever devices put into it."""

from __future__ import annotations

import gzip
import json
import struct
from collections import Counter
from datetime import datetime

from hypothesis import event, example, given
from hypothesis import strategies as st

from functions.transform.clean import clean
from functions.transform.clean_batch import CleanBatch
from functions.transform.copy import copy_csv, copy_groups
from functions.transform.handler import transform
from tests.property.mess import CONTRACTS, Batch, batches
from tests.property.postgres_csv import parse
from tests.property.reference import expect
from tests.unit.functions.transform.envelopes_for import line as envelope

KEY = "raw/2026/03/01/execution/batch.n1.ndjson.gz"


def told(batch: CleanBatch) -> list[tuple[str | None, int | None, tuple[str, ...]]]:
    ids = batch.messages["message_id"]
    return [(ids[r.message], r.index, r.reasons) for r in batch.rejects]


def spelled(row: tuple[object, ...]) -> list[str]:
    """A row to compare to the letter: types and the sign of zero count, names of zones don't."""
    return [v.isoformat() if isinstance(v, datetime) else repr(v) for v in row]


def in_order(rejects: list[tuple[str | None, int | None, tuple[str, ...]]]) -> list[str]:
    return sorted(map(repr, rejects))


@given(batches())
def test_the_transform_agrees_with_a_slow_and_plain_one(
    batch: Batch,
) -> None:
    contract, lines = CONTRACTS[batch[0]], batch[1]
    found, wanted = clean(b"\n".join(lines), contract), expect(b"\n".join(lines), contract)
    event(f"rows: {min(found.rows.height, 3)}, rejects: {min(len(found.rejects), 3)}")
    assert sorted(map(spelled, found.rows.rows())) == sorted(map(spelled, wanted.rows.values()))
    assert in_order(told(found)) == in_order(wanted.rejects)
    assert found.duplicates == wanted.duplicates
    ids = found.messages["message_id"]
    places = [(ids[conflict.message], conflict.index) for conflict in found.conflicts]
    assert sorted(map(repr, places)) == sorted(map(repr, wanted.conflicts))
    assert found.empty_messages == wanted.empty_messages
    assert found.set_aside == wanted.set_aside
    assert found.read == wanted.read


@given(batches())
def test_bulk_and_careful_reading_give_the_same(batch: Batch) -> None:
    contract, lines = CONTRACTS[batch[0]], batch[1]
    raw = b"\n".join(lines)
    fast, slow = clean(raw, contract), clean(raw, contract, bulk=False)
    assert fast.rows.equals(slow.rows)
    assert fast.rejects == slow.rejects
    assert fast.conflicts == slow.conflicts
    assert (fast.duplicates, fast.empty_messages) == (slow.duplicates, slow.empty_messages)
    assert fast.set_aside == slow.set_aside
    assert fast.faults == slow.faults


@given(batches())
def test_a_message_comes_to_the_same_alone_as_among_others(
    batch: Batch,
) -> None:
    contract, lines = CONTRACTS[batch[0]], batch[1]
    together = clean(b"\n".join(lines), contract)
    alone = [clean(line, contract) for line in lines]
    assert together.read == sum(part.read for part in alone)
    assert in_order(told(together)) == in_order([r for part in alone for r in told(part)])


@given(batches())
def test_every_reading_is_accounted_for_once(batch: Batch) -> None:
    contract, lines = CONTRACTS[batch[0]], batch[1]
    objects, report = transform(b"\n".join(lines), contract, KEY, "execution")
    ended = ("accepted", "duplicates", "conflicts", "rejected", "set_aside")
    assert report["read"] == sum(report[name] for name in ended)
    assert sum(report["rejected_by"].values()) == report["rejected"]
    bodies = {stored.key: stored.body for stored in objects}
    rejects = [
        json.loads(line) for line in gzip.decompress(bodies[report["rejected_key"]]).splitlines()
    ]
    reasons = Counter(reject["reasons"][0] for reject in rejects)
    assert reasons.pop("conflict", 0) == report["conflicts"]
    assert reasons == report["rejected_by"]
    lines = bodies[report["copy"]["key"]][: report["copy"]["bytes"]]
    assert len(parse(lines)) == report["accepted"] == report["copy"]["rows"]


@given(batches(), st.randoms(use_true_random=False))
def test_the_order_of_the_lines_changes_no_byte(batch: Batch, rng: object) -> None:
    contract, lines = CONTRACTS[batch[0]], batch[1]
    shuffled = list(lines)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    first, _ = transform(b"\n".join(lines), contract, KEY, "execution")
    second, _ = transform(b"\n".join(shuffled), contract, KEY, "execution")
    assert first == second


@given(st.sampled_from(sorted(CONTRACTS)), st.binary(max_size=400))
def test_no_bytes_raise(contract: str, raw: bytes) -> None:
    batch = clean(raw, CONTRACTS[contract])
    assert batch.read == len([line for line in raw.split(b"\n") if line.strip()])


@given(batches())
def test_the_copy_object_reads_back_to_the_same_rows(batch: Batch) -> None:
    contract, lines = CONTRACTS[batch[0]], batch[1]
    rows = clean(b"\n".join(lines), contract).rows
    back = parse(copy_csv(rows))
    assert len(back) == rows.height
    for row, fields in zip(rows.rows(named=True), back, strict=True):
        for column, field in zip(contract.columns, fields, strict=True):
            assert_same(column.type, row[column.name], field)


def assert_same(kind: str, value: object, field: str | None) -> None:
    if value is None:
        assert field is None
    elif kind in ("real", "float"):
        assert field is not None
        width = "f" if kind == "real" else "d"  # the shortest text that is that single
        assert struct.pack(width, float(field)) == struct.pack(width, value)
    elif kind == "decimal":
        assert field == format(value, "f")
    elif kind == "boolean":
        assert field == str(value).lower()
    elif kind == "timestamp":
        assert field is not None
        assert field.endswith("+00:00")
        assert value.isoformat(timespec="microseconds") == field  # type: ignore[attr-defined]
    else:
        assert field == str(value)


A_GAP_AMONG_THE_ROWS_OF_A_KEY = [
    envelope({"device": "a", "log": {"2026-03-01T12:00:00Z": 0.0, "2026-03-01T12:00:00.5Z": 1.0}}),
    envelope({"device": "a", "log": {"2026-03-01T12:00:01Z": 2.0, "0.5e1": 3.0}}, 2),
]


@given(batches())
@example(("keyed", A_GAP_AMONG_THE_ROWS_OF_A_KEY))
def test_groups_tell_where_rows_lie(batch: Batch) -> None:
    contract, lines = CONTRACTS[batch[0]], batch[1]
    rows = clean(b"\n".join(lines), contract).rows
    csv = copy_csv(rows)
    groups = copy_groups(rows, csv, contract)
    if groups is None:
        return
    at = count = 0
    latest: dict[tuple[str, ...], str] = {}
    before: tuple[str, ...] | None = None
    for group in json.loads(groups)["groups"]:
        assert group["offset"] == at
        part = parse(csv[at : at + group["length"]])
        assert len(part) == group["rows"] > 0
        assert group["min_time"] <= group["max_time"]
        key = tuple(group["key"])
        # Rows of one key may be several groups, but side by side, each later than the last.
        assert key == before or key not in latest
        assert latest.get(key, "") < group["min_time"]
        before, latest[key] = key, group["max_time"]
        names = [column.name for column in contract.columns]
        for row in part:
            assert [row[names.index(name)] for name in contract.key[:-1]] == group["key"]
        at += group["length"]
        count += group["rows"]
    assert at == len(csv)
    assert count == rows.height
