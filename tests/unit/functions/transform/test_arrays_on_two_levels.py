"""Readings in arrays within the elements of an array, and the members of each level."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from functions.transform.clean_batch import CleanBatch
from functions.transform.rejects import rejected_lines
from telemetry.contract import Contract
from tests.unit.functions.transform.envelopes_for import lines
from tests.unit.functions.transform.test_messages_of_every_shape import (
    ID,
    V,
    both_ways,
    contract,
    reasons,
)

OUTER = '[columns.node]\ntype = "text"\nfrom = "$parent.name"\n'
GATEWAY = '[columns.gw]\ntype = "text"\nfrom = "$message.gw"\n'
PLACE = '[columns.place]\ntype = "integer"\nfrom = "$index"\n'
NODES = contract('readings = "nodes[].sensors[]"', ID + V + OUTER + GATEWAY + PLACE)


def spelled(batch: CleanBatch, about: Contract) -> list[Any]:
    """The readings that the lines of the rejects have."""
    found = gzip.decompress(rejected_lines(batch, about)).splitlines()
    return [json.loads(line).get("reading") for line in found]


def test_members_of_each_level_are_reachable() -> None:
    message = {
        "gw": "g1",
        "nodes": [
            {"name": "a", "sensors": [{"id": 1, "v": 1.5}, {"id": 2, "v": 2.5}]},
            {"name": "b", "sensors": []},
            {"sensors": [{"id": 3}]},
        ],
    }
    batch = both_ways(lines(message), NODES)
    assert batch.rows.rows() == [
        (1, 1.5, "a", "g1", 0),
        (2, 2.5, "a", "g1", 1),
        (3, None, None, "g1", 2),
    ]


def test_an_object_without_its_array_is_one_reading_itself() -> None:
    nodes = [{"id": 7, "name": "a"}, {"id": 8, "sensors": None}, {"sensors": [{"id": 9}]}]
    batch = both_ways(lines({"nodes": nodes}, {"id": 10, "gw": "g"}), NODES)
    assert batch.rows.rows() == [
        (7, None, "a", None, 0),
        (8, None, None, None, 1),
        (9, None, None, None, 2),
        (10, None, None, "g", 0),
    ]


def test_messages_without_readings_are_counted() -> None:
    empty = [{"nodes": []}, {"nodes": [{"sensors": []}, {"sensors": []}]}]
    batch = both_ways(lines(*empty, {"nodes": [{"sensors": [{"id": 1}]}]}), NODES)
    assert (batch.rows.height, batch.empty_messages, batch.rejects) == (1, 2, [])


def test_what_is_no_reading_is_rejected_with_its_own_text() -> None:
    nodes = [None, {"sensors": [{"id": 1}, None, {"id": "x"}]}, {"id": "y"}]
    batch = both_ways(lines({"nodes": nodes}), NODES)
    assert reasons(batch) == [
        (0, "not_an_object"),
        (2, "not_an_object"),
        (3, "invalid:id"),
        (4, "invalid:id"),
    ]
    assert spelled(batch, NODES) == ["null", "null", '{"id": "x"}', '{"id": "y"}']


@pytest.mark.parametrize("wrong", [5, "x", True, {"id": 1}])
def test_what_is_no_array_is_rejected_at_either_level(wrong: Any) -> None:
    batch = both_ways(lines({"nodes": wrong}), NODES, careful=True)
    assert reasons(batch) == [(None, "not_an_array")]
    nodes = [{"sensors": [{"id": 2}]}, {"sensors": wrong}]
    batch = both_ways(lines({"nodes": nodes}), NODES, careful=True)
    assert reasons(batch) == [(1, "not_an_array")]
    assert spelled(batch, NODES) == [json.dumps(nodes[1])]
    assert batch.rows.height == 1


def test_the_outer_array_may_be_the_payload() -> None:
    top = contract('readings = "$message[].data.list"', ID + OUTER)
    payload = [{"name": "a", "data": {"list": [{"id": 1}]}}, {"data": {"list": [{"id": 2}]}}]
    assert both_ways(lines(payload), top).rows.rows() == [(1, "a"), (2, None)]


def test_other_shapes_are_read_one_by_one() -> None:
    keyed = contract(
        'readings = "Messages[].Payload"\nshape = "keyed"',
        '[columns.name]\ntype = "text"\nfrom = "$key"\nrequired = true\nmax_length = 9\n'
        '[columns.v]\ntype = "float"\nfrom = "Value"\n'
        '[columns.writer]\ntype = "integer"\nfrom = "$parent.DataSetWriterId"\n',
        '["name"]',
    )
    payload = {"p": {"Value": 1.5}, "q": 5}
    messages = [{"DataSetWriterId": 1, "Payload": payload}, {"Payload": {"r": {"Value": 2}}}]
    batch = both_ways(lines({"Messages": messages}), keyed, careful=True)
    assert batch.rows.rows() == [("p", 1.5, 1), ("r", 2.0, None)]
    assert reasons(batch) == [(1, "not_an_object")]
    assert spelled(batch, keyed) == ["5"]
    rows = contract('readings = "d[].r"\nshape = "rows"\nfields = ["id", "v"]', ID + V + OUTER)
    batch = both_ways(lines({"d": [{"name": "a", "r": [[1, 2], [3]]}]}), rows, careful=True)
    assert batch.rows.rows() == [(1, 2.0, "a"), (3, None, "a")]


def test_a_reading_in_pairs_is_rejected_whole() -> None:
    pairs = contract('readings = "d[].r"\nshape = "pairs"', ID + OUTER)
    parents = [{"r": [["id", 1]]}, {"r": [["id", "x"]]}, {"r": [[["id", "y"]]]}]
    batch = both_ways(lines({"d": parents}), pairs, careful=True)
    assert reasons(batch) == [(1, "invalid:id"), (2, "invalid:id")]
    assert spelled(batch, pairs) == ['{"r": [["id", "x"]]}', '[["id", "y"]]']


def test_members_of_the_parent_are_not_the_rest() -> None:
    rest = contract('readings = "d[].r"', ID + '[columns.rest]\ntype = "jsonb"\nfrom = "$rest"\n')
    batch = both_ways(lines({"d": [{"a": 1, "r": [{"id": 1, "b": 2}]}]}), rest, careful=True)
    assert batch.rows.rows() == [(1, '{"b":2}')]


def test_metrics_of_each_reading_are_melted() -> None:
    metric = '[columns.m]\ntype = "text"\nfrom = "$metric"\nrequired = true\nmax_length = 9\n'
    value = '[columns.v]\ntype = "float"\nfrom = "$value"\n'
    melted = contract(
        'readings = "d[].r"\nmelt = ["t", "h"]', ID + metric + value + OUTER, '["id", "m"]'
    )
    batch = both_ways(lines({"d": [{"name": "a", "r": [{"id": 1, "t": 2, "h": 3}]}]}), melted)
    assert batch.rows.rows() == [(1, "h", 3.0, "a"), (1, "t", 2.0, "a")]
