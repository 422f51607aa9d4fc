"""Readings of one key in a batch: which one stays follows the contract, not the order of delivery.

The others are repeats where they equal it, and conflicts, kept verbatim, where they don't.
"""

from __future__ import annotations

import base64
import gzip
import itertools
import json

import pytest

from functions.transform import clean_batch
from functions.transform.clean import clean
from functions.transform.clean_batch import Reject
from functions.transform.rejects import rejected_lines
from tests.unit.functions.transform.envelopes_for import contract_of, line

VALUE = '[columns.v]\ntype = "text"'


@pytest.mark.parametrize(("policy", "kept"), [("keep_first", "early"), ("keep_last", "late")])
def test_arrival_decides_and_not_the_place_in_the_object(policy: str, kept: str) -> None:
    contract = contract_of(VALUE, table=f'key = ["id"]\non_conflict = "{policy}"')
    sent = [
        line({"id": 1, "v": "early"}, 9, received_at=1),
        line({"id": 1, "v": "middle"}, 1, received_at=2),
        line({"id": 1, "v": "late"}, 5, received_at=3),
    ]
    for order in itertools.permutations(sent):
        batch = clean(b"\n".join(order), contract)
        assert batch.rows.rows() == [(1, kept)]
        assert (batch.duplicates, batch.conflicting) == (0, 2)


@pytest.mark.parametrize(("policy", "kept"), [("keep_first", "a"), ("keep_last", "c")])
def test_within_a_message_the_place_in_the_array_decides(policy: str, kept: str) -> None:
    contract = contract_of(VALUE, f'key = ["id"]\non_conflict = "{policy}"', message="r")
    raw = line({"r": [{"id": 1, "v": v} for v in "abc"]})
    assert clean(raw, contract).rows.rows() == [(1, kept)]


def test_the_same_message_twice_is_all_duplicates_the_second_time() -> None:
    contract = contract_of(VALUE, message="r")
    sent = line({"r": [{"id": 1}, {"id": 2}, {"id": "x"}]})
    batch = clean(sent + b"\n" + sent, contract)
    assert (batch.read, batch.rows.height, batch.duplicates, len(batch.rejects)) == (6, 2, 2, 2)


def test_a_rejected_reading_does_not_stand_in_the_way_of_a_good_one_of_its_key() -> None:
    contract = contract_of('[columns.v]\ntype = "float"', message="r")
    batch = clean(line({"r": [{"id": 1, "v": "x"}, {"id": 1, "v": 2}]}), contract)
    assert batch.rows.rows() == [(1, 2.0)]
    assert batch.duplicates == 0


def test_two_spellings_of_a_key_are_one_key() -> None:
    contract = contract_of(VALUE, message="r")
    batch = clean(line({"r": [{"id": 1}, {"id": "01"}, {"id": 1.0}, {"id": "1e0"}]}), contract)
    assert (batch.rows.height, batch.duplicates) == (1, 3)


def test_rows_are_in_key_order() -> None:
    contract = contract_of(
        '[columns.dev]\ntype = "text"\nmax_length = 9\nrequired = true',
        table='key = ["dev", "id"]',
        message="r",
    )
    rows = [{"dev": d, "id": i} for d in ("b", "B", "é", "a") for i in (10, 9, -1)]
    found = clean(line({"r": rows}), contract).rows.select("dev", "id").rows()
    assert found == sorted(found, key=lambda row: (row[0].encode(), row[1]))


POLICIES = ("keep_first", "keep_last", "keep_greatest", "fill_missing")
CONFLICT = ("conflict",)


def of_policy(policy: str, columns: str = "", message: str | None = None):
    greatest = '\ngreatest = "n"' if policy == "keep_greatest" else ""
    number = '[columns.n]\ntype = "integer"\n'
    table = f'key = ["id"]\non_conflict = "{policy}"{greatest}'
    return contract_of(number + VALUE + "\n" + columns, table, message=message)


@pytest.mark.parametrize("policy", POLICIES)
def test_equal_in_all_columns_is_a_repeat_and_anything_else_a_conflict(policy: str) -> None:
    readings = [
        {"id": 1, "n": 1, "v": "a"},
        {"id": 1, "n": 1, "v": "a"},
        {"id": 1, "n": 1, "v": "b"},
        {"id": 1, "n": 1, "v": "a"},
        {"id": 2, "n": 1},
        {"id": 2, "n": 1},
    ]
    batch = clean(line({"r": readings}), of_policy(policy, message="r"))
    assert batch.rows.rows() == [(1, 1, "a"), (2, 1, None)]
    assert batch.duplicates == 3
    assert batch.conflicts == [Reject(0, 2, CONFLICT)]
    assert batch.read == 6


@pytest.mark.parametrize(
    ("policy", "kept", "lost"),
    [
        ("keep_first", (1, 1, "a"), [1, 2]),
        ("keep_last", (1, 2, None), [0, 1]),
        ("keep_greatest", (1, 3, "b"), [0, 2]),
    ],
)
def test_the_readings_that_lost_are_kept_whatever_the_policy(policy, kept, lost) -> None:
    readings = [{"id": 1, "n": 1, "v": "a"}, {"id": 1, "n": 3, "v": "b"}, {"id": 1, "n": 2}]
    batch = clean(line({"r": readings}), of_policy(policy, message="r"))
    assert batch.rows.rows() == [kept]
    assert [conflict.index for conflict in batch.conflicts] == lost


def test_a_reading_that_only_fills_what_is_missing_is_a_repeat() -> None:
    readings = [{"id": 1, "n": 1}, {"id": 1, "v": "a"}, {"id": 1, "n": 2}, {"id": 1}]
    batch = clean(line({"r": readings}), of_policy("fill_missing", message="r"))
    assert batch.rows.rows() == [(1, 1, "a")]
    assert (batch.duplicates, batch.conflicts) == (2, [Reject(0, 2, CONFLICT)])


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_stamped_at_arrival_makes_no_conflict(policy: str) -> None:
    stamps = (
        '[columns.at]\ntype = "timestamp"\nfrom = "$received_at"\n'
        '[columns.message]\ntype = "text"\nfrom = "$message_id"'
    )
    sent = [line({"id": 1, "n": 1, "v": "a"}, m, received_at=m) for m in (1, 2)]
    batch = clean(b"\n".join(sent), of_policy(policy, stamps))
    assert (batch.rows.height, batch.duplicates, batch.conflicts) == (1, 1, [])


def test_conflicts_stand_verbatim_beside_the_rejects_and_are_not_counted_as_such() -> None:
    payload = {"r": [{"id": 1, "v": "a"}, {"id": 1, "v": "b"}, {"id": "x"}, {"id": 1, "v": "c"}]}
    contract = contract_of(VALUE, message="r")
    batch = clean(line(payload), contract)
    lines = [
        json.loads(text)
        for text in gzip.decompress(rejected_lines(batch, contract)).split(b"\n")[:-1]
    ]
    assert [(entry["index"], entry["reasons"]) for entry in lines] == [
        (1, ["conflict"]),
        (2, ["invalid:id"]),
        (3, ["conflict"]),
    ]
    assert [json.loads(entry["reading"]) for entry in lines] == payload["r"][1:]
    assert json.loads(base64.b64decode(lines[0]["payload"])) == payload
    assert (batch.rejected, batch.conflicting, batch.read) == (1, 2, 4)


def test_beyond_a_limit_the_conflicts_of_a_message_are_listed_together(monkeypatch) -> None:
    monkeypatch.setattr(clean_batch, "LISTED_REJECTS", 2)
    sent = [line({"r": [{"id": 1, "v": v} for v in "abcd"]}, m) for m in (1, 2)]
    batch = clean(b"\n".join(sent), contract_of(VALUE, message="r"))
    assert batch.conflicts == [Reject(0, None, CONFLICT, 3), Reject(1, None, CONFLICT, 3)]
    assert (batch.rows.height, batch.duplicates, batch.conflicting, batch.read) == (1, 1, 6, 8)
