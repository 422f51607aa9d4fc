"""Readings in arrays side by side, of which one may be shorter than the others."""

from __future__ import annotations

import json

import pytest

from etl.authoring.check import check
from etl.authoring.samples import Message, Sample
from tests.unit.functions.transform.envelopes_for import lines
from tests.unit.functions.transform.test_arrays_on_two_levels import OUTER, spelled
from tests.unit.functions.transform.test_messages_of_every_shape import (
    ID,
    NARROW,
    V,
    both_ways,
    contract,
    reasons,
)

GATEWAY = '[columns.gw]\ntype = "text"\nfrom = "$message.gw"\n'
SIDES = contract('readings = "$message"\nshape = "parallel"', ID + V + GATEWAY)


def test_elements_of_one_place_are_one_reading() -> None:
    batch = both_ways(
        lines({"gw": "g", "id": [1, 2], "v": [1.5, None]}, {"id": [3]}, {"id": [], "v": None}),
        SIDES,
    )
    assert batch.rows.rows() == [(1, 1.5, "g"), (2, None, "g"), (3, None, None)]
    assert (batch.empty_messages, batch.rejects) == (1, [])


def test_they_are_read_in_bulk_wherever_they_are_and_whatever_is_in_them() -> None:
    columns = (
        ID
        + V.replace('"float"', '"float"\nfrom = "e.v"')
        + (
            '[columns.gw]\ntype = "text"\nfrom = "$message.data.gw"\n'
            '[columns.s]\ntype = "text"\n[columns.at]\ntype = "bigint"\nfrom = "$index"\n'
        )
    )
    about = contract('readings = "data"\nshape = "parallel"', columns)
    data = {"gw": "g", "id": [1, 2], "e": [{"v": 1.5}, None], "s": ["a", True], "h": 7}
    batch = both_ways(lines({"data": data}, {"data": {"id": ["3"], "s": None}}), about)
    assert batch.rows.rows() == [
        (1, 1.5, "g", "a", 0),
        (2, None, "g", "true", 1),
        (3, None, None, None, 0),
    ]


def test_metrics_side_by_side_are_read_in_bulk() -> None:
    narrow = contract(
        'readings = "$message"\nshape = "parallel"\nmelt = ["t", "h"]', NARROW, '["id", "metric"]'
    )
    batch = both_ways(lines({"id": [1, 2], "t": [1.5, 2], "h": [None, 48]}), narrow)
    assert batch.rows.rows() == [(1, "t", 1.5), (2, "h", 48.0), (2, "t", 2.0)]


@pytest.mark.parametrize(
    "spelled",
    [
        '{"id":[1,2],"v":5}', '{"id":1,"v":[2]}', '{"id":[1],"v":[[2]]}', '{"id":[[1]],"v":[2]}',
        '{"id":[1],"v":[2],"id":[3]}', '{"id":[1],"v":{}}', '{"id":[{}],"v":[2]}', '{"id":[1.0,2]}',
        '{"id":[1],"v":[2],"gw":[3]}', '{"id":[1],"v":[1e400]}', '{"id":["1"],"v":[]}', '[[1],[2]]',
    ],
)  # fmt: skip
def test_odd_arrays_are_read_in_bulk_as_one_by_one(spelled: str) -> None:
    both_ways(lines(spelled.encode(), {"id": [9], "v": [9]}), SIDES, careful=True)


def test_a_reading_that_is_not_in_all_arrays_is_rejected() -> None:
    batch = both_ways(lines({"id": [1, 2, 3], "v": [1.5]}), SIDES, careful=True)
    assert batch.rows.rows() == [(1, 1.5, None)]
    assert reasons(batch) == [(1, "unequal_arrays"), (2, "unequal_arrays")]
    assert spelled(batch, SIDES) == ['{"id":2}', '{"id":3}']


@pytest.mark.parametrize("message", [{}, {"gw": "g"}, {"id": 1, "v": [2]}, {"id": [1], "v": {}}])
def test_what_is_no_array_costs_the_message(message: object) -> None:
    batch = both_ways(lines(message), SIDES, careful=True)
    assert reasons(batch) == [(None, "not_an_array")]


def test_they_may_be_in_an_object_or_in_each_of_several() -> None:
    inside = contract('readings = "data"\nshape = "parallel"', ID + V)
    batch = both_ways(lines({"data": {"id": [1], "v": [2]}}, {"data": [1]}), inside, careful=True)
    assert batch.rows.rows() == [(1, 2.0)]
    assert reasons(batch) == [(None, "not_an_object")]
    nodes = contract('readings = "nodes[].data"\nshape = "parallel"', ID + OUTER)
    parents = [{"name": "a", "data": {"id": [1, "x"]}}, {"data": {"id": 5}}, {"data": {"id": [2]}}]
    batch = both_ways(lines({"nodes": parents}), nodes, careful=True)
    assert batch.rows.rows() == [(1, "a"), (2, None)]
    assert reasons(batch) == [(1, "invalid:id"), (2, "not_an_array")]
    assert spelled(batch, nodes) == ['{"id":"x"}', '{"data": {"id": 5}}']


def test_check_lists_arrays_and_members_beside_that_nothing_reads() -> None:
    message = {"gw": "g", "id": [1, 2], "v": [1, 2], "h": [48, 49], "fw": "2.1", "e": {"s": 3}}
    found = check(SIDES, Sample((Message(json.dumps(message).encode()),), 1))
    assert {(one.name, one.example) for one in found.unread} == {
        ("h", "[48,49]"),
        ("$message.fw", '"2.1"'),
        ("$message.e.s", "3"),
    }
