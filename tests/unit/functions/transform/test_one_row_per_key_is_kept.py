"""Duplicates within a batch: which one stays follows the contract, not the order of delivery."""

from __future__ import annotations

import itertools

import pytest

from functions.transform.clean import clean
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
        assert batch.duplicates == 2


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
