"""Lists of objects with a name and a value: one reading, or one for each time."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from etl.authoring.check import check
from etl.authoring.samples import Message, Sample
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

AT = '[columns.at]\ntype = "integer"\nfrom = "ts"\nrequired = true\n'
ONE = contract('readings = "d"\nshape = "pairs"\npairs = { name = "n", value = "v" }')
TIMED = contract(
    'readings = "d"\nshape = "pairs"\npairs = { name = "n", value = "v", by = ["ts"] }',
    AT + V,
    '["at"]',
)


def pair(name: Any, value: Any, **more: Any) -> dict[str, Any]:
    return {"n": name, "v": value, **more}


def readings(batch: CleanBatch, about: Contract) -> list[Any]:
    found = gzip.decompress(rejected_lines(batch, about)).splitlines()
    return [json.loads(json.loads(line)["reading"]) for line in found]


def test_all_objects_of_a_list_are_one_reading() -> None:
    raw = lines({"d": [pair("v", 2.5), pair("id", 1), pair("other", 3)]}, {"d": []}, {"id": 7})
    batch = both_ways(raw, ONE, careful=True)
    assert batch.rows.rows() == [(1, 2.5), (7, None)]
    assert batch.empty_messages == 1


def test_objects_of_one_time_are_one_reading_wherever_they_stand() -> None:
    raw = lines({"d": [pair("v", 1, ts=5), pair("v", 2, ts=6), pair("x", 3, ts=5), pair("x", 4)]})
    batch = both_ways(raw, TIMED, careful=True)
    assert batch.rows.rows() == [(5, 1.0), (6, 2.0)]
    assert batch.places["index"].to_list() == [1, 2]
    assert reasons(batch) == [(2, "missing:at")]
    assert readings(batch, TIMED) == [[pair("x", 4)]]


def test_times_are_compared_as_they_are_spelled() -> None:
    raw = lines({"d": [pair("v", 1, ts=5), pair("x", 1, ts="5"), pair("x", 2, ts="5.0")]})
    batch = both_ways(raw, TIMED, careful=True)
    assert (batch.read, batch.rows.rows()) == (2, [(5, 1.0)])
    assert len(batch.conflicts) == 1


@pytest.mark.parametrize("other", [pair(None, 1), pair(5, 1), pair([], 1), {"v": 1}])
def test_an_object_without_a_name_costs_its_reading(other: dict[str, Any]) -> None:
    batch = both_ways(lines({"d": [pair("id", 1), other]}), ONE, careful=True)
    assert reasons(batch) == [(None, "not_pairs")]
    timed = [pair("v", 1, ts=5), other | {"ts": 5}, pair("v", 2, ts=6)]
    batch = both_ways(lines({"d": timed}), TIMED, careful=True)
    assert (reasons(batch), batch.rows.rows()) == ([(0, "not_pairs")], [(6, 2.0)])
    assert readings(batch, TIMED) == [timed[:2]]


@pytest.mark.parametrize("other", [5, None, [], "x", pair("v", 1, ts=[5]), pair("v", 1, ts={})])
def test_what_belongs_to_no_reading_is_rejected_by_itself(other: Any) -> None:
    batch = both_ways(lines({"d": [other, pair("v", 1, ts=5), other]}), TIMED, careful=True)
    assert reasons(batch) == [(0, "not_pairs"), (2, "not_pairs")]
    assert batch.rows.rows() == [(5, 1.0)]


def test_of_two_values_for_one_name_neither_is_chosen() -> None:
    twice = [pair("v", 1, ts=5), pair("v", 1, ts=5), pair("x", 1, ts=6), pair("x", 2, ts=6)]
    batch = both_ways(lines({"d": [*twice, pair("ts", 9, ts=7)]}), TIMED, careful=True)
    assert reasons(batch) == [(0, "repeated_name"), (2, "repeated_name")]
    assert batch.rows.rows() == [(6, None)]


def test_without_a_value_the_object_is_the_value() -> None:
    unit = (
        '[columns.unit]\ntype = "text"\nfrom = "v.u"\n[columns.name]\ntype = "text"\nfrom = "v.n"\n'
    )
    columns = ID.replace("true", 'true\nfrom = "id.x"') + V.replace(
        '"float"', '"float"\nfrom = "v.x"'
    )
    about = contract(
        'readings = "$message"\nshape = "pairs"\npairs = { name = "n" }', columns + unit
    )
    raw = lines([{"n": "id", "x": 1}, {"n": "v", "x": 2, "u": "V"}])
    assert both_ways(raw, about, careful=True).rows.rows() == [(1, 2.0, "V", None)]


def test_pairs_in_each_of_several_objects_count_on() -> None:
    about = contract(
        'readings = "nodes[].d"\nshape = "pairs"\npairs = { name = "n", value = "v", by = ["ts"] }',
        AT + V + '[columns.node]\ntype = "text"\nfrom = "$parent.id"\n',
        '["at"]',
    )
    nodes = [
        {"id": "a", "d": [pair("v", 1, ts=5), pair("v", 2, ts=6), pair("x", 2, ts=6)]},
        {"id": "b", "d": [pair("v", 3, ts=7), 5]},
    ]
    batch = both_ways(lines({"nodes": nodes}), about, careful=True)
    assert batch.rows.rows() == [(5, 1.0, "a"), (6, 2.0, "a"), (7, 3.0, "b")]
    assert (reasons(batch), readings(batch, about)) == ([(3, "not_pairs")], [[5]])


def test_check_lists_names_and_members_that_nothing_reads() -> None:
    message = {"d": [pair("v", 1, ts=5, unit="V"), pair("rssi", -57, ts=5), pair("v", 2, ts=6)]}
    found = check(TIMED, Sample((Message(json.dumps(message).encode()),), 1))
    assert {(one.name, one.example) for one in found.unread} == {
        ("rssi", "-57"),
        ("$message.d[0].unit", '"V"'),
    }
