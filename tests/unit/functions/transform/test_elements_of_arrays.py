"""Elements of arrays by their place: the same in bulk and one by one, and nothing else passes."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from functions.transform.clean import clean
from functions.transform.rejects import rejected_lines
from telemetry.contract import Contract
from tests.unit.functions.transform.envelopes_for import line, lines
from tests.unit.functions.transform.test_messages_of_every_shape import (
    ID,
    both_ways,
    contract,
    reasons,
)


def column(path: str, kind: str = "float", name: str = "v") -> str:
    return f'[columns.{name}]\ntype = "{kind}"\nfrom = \'{path}\'\non_invalid = "null"\n'


def about(path: str, kind: str = "float", message: str = "") -> Contract:
    return contract(message, ID + column(path, kind))


@pytest.mark.parametrize(
    ("path", "found"),
    [("r[0]", 1.5), ("r[2]", None), ("r[3]", None), ("r[-1]", None), ("r[-2]", 2.25), ("r[-4]", None)],
)  # fmt: skip
def test_places_count_from_either_end(path: str, found: float | None) -> None:
    batch = both_ways(lines({"id": 1, "r": [1.5, 2.25, None]}), about(path))
    assert batch.rows.rows() == [(1, found)]


@pytest.mark.parametrize("value", [[], None, [None]])
def test_an_element_that_is_not_there_is_no_value(value: Any) -> None:
    batch = both_ways(lines({"id": 1, "r": value}, {"id": 2}), about("r[0]"))
    assert batch.rows.rows() == [(1, None), (2, None)]


@pytest.mark.parametrize("kind", ["float", "text", "bigint", "boolean", "decimal", "jsonb"])
@pytest.mark.parametrize("value", [5, "5", True, {"0": 5}, {}])
def test_what_is_no_array_has_no_elements(value: Any, kind: str) -> None:
    more = "precision = 9\n" if kind == "decimal" else ""
    batch = both_ways(
        lines({"id": 1, "r": value}), contract("", ID + column("r[0]", kind) + more), careful=True
    )
    assert batch.rows.rows() == [(1, None)]


@pytest.mark.parametrize("spelled", ["21.40", "1e2", "0.10000000000000001", "-0.0", "1.0"])
def test_a_text_keeps_the_spelling_of_a_number(spelled: str) -> None:
    raw = line(f'{{"id": 1, "r": ["a", {spelled}]}}'.encode(), 1)
    assert both_ways(raw, about("r[1]", "text"), careful=True).rows.rows() == [(1, spelled)]


@pytest.mark.parametrize("kind", ["bigint", "decimal"])
def test_no_digit_of_a_large_number_is_lost(kind: str) -> None:
    more = "precision = 38\n" if kind == "decimal" else ""
    raw = line(b'{"id": 1, "r": [1, 9007199254740993]}', 1)
    batch = both_ways(raw, contract("", ID + column("r[1]", kind) + more), careful=True)
    assert [int(value) for value in batch.rows.row(0)] == [1, 9007199254740993]


def test_members_of_elements_are_taken() -> None:
    wanted = contract("", ID + column("rx[0].rssi") + column("rx[-1].at.lat", name="lat"))
    batch = both_ways(
        lines(
            {"id": 1, "rx": [{"rssi": -57}, {"rssi": -90, "at": {"lat": 52.5}}]},
            {"id": 2, "rx": [None, {"at": None}]},
            {"id": 3, "rx": []},
        ),
        wanted,
    )
    assert batch.rows.rows() == [(1, -57.0, 52.5), (2, None, None), (3, None, None)]


@pytest.mark.parametrize("value", [{"rssi": 5}, 5, [[{"rssi": 5}]], "x"])
def test_members_are_of_objects_in_an_array(value: Any) -> None:
    batch = both_ways(lines({"id": 1, "rx": value}), about("rx[0].rssi"), careful=True)
    assert batch.rows.rows() == [(1, None)]


def test_arrays_within_arrays_are_read_one_by_one() -> None:
    batch = both_ways(lines({"id": 1, "c": [[4.5, 52], 7]}), about("c[0][1]"), careful=True)
    assert batch.rows.rows() == [(1, 52.0)]
    batch = both_ways(lines({"id": 1, "c": [4.5, 52]}), about("c[0][0]"), careful=True)
    assert batch.rows.rows() == [(1, None)]


def test_elements_are_taken_of_readings_and_of_the_message_around_them() -> None:
    wanted = contract(
        'readings = "d"', ID + column("r[1]") + column("$message.gw[0].rssi", name="rssi")
    )
    message = {"gw": [{"rssi": -5}], "d": [{"id": 1, "r": [1, 2]}, {"id": 2}]}
    assert both_ways(lines(message), wanted).rows.rows() == [(1, 2.0, -5.0), (2, None, -5.0)]


def test_a_condition_and_a_metric_may_be_an_element() -> None:
    only = contract('only = { "r[0]" = 7 }', ID)
    batch = both_ways(lines({"id": 1, "r": [7.0]}, {"id": 2, "r": [8]}), only)
    assert (batch.rows.rows(), batch.set_aside) == ([(1,)], 1)
    narrow = '[columns.value]\ntype = "float"\nfrom = "$value"\n'
    metric = '[columns.m]\ntype = "text"\nfrom = "$metric"\nrequired = true\nmax_length = 9\n'
    melted = contract('melt = ["r[0]", "r[1]"]', ID + metric + narrow, '["id", "m"]')
    batch = both_ways(lines({"id": 1, "r": [3, 4]}), melted)
    assert batch.rows.rows() == [(1, "r[0]", 3.0), (1, "r[1]", 4.0)]


def test_readings_may_be_inside_an_element() -> None:
    wanted = contract('readings = "frames[0].d"', ID)
    batch = both_ways(lines({"frames": [{"d": [{"id": 1}, {"id": "x"}]}]}), wanted, careful=True)
    assert batch.rows.rows() == [(1,)]
    assert reasons(batch) == [(1, "invalid:id")]
    reject = json.loads(gzip_lines(batch, wanted)[0])
    assert json.loads(reject["reading"]) == {"id": "x"}


def gzip_lines(batch: Any, about: Contract) -> list[bytes]:
    return gzip.decompress(rejected_lines(batch, about)).splitlines()


def test_the_rest_keeps_an_array_whole() -> None:
    rest = '[columns.rest]\ntype = "jsonb"\nfrom = "$rest"\n'
    wanted = contract("", ID + column("r[0]") + rest)
    batch = clean(lines({"id": 1, "r": [1, 2], "x": 3}), wanted)
    assert batch.rows.rows() == [(1, 1.0, '{"r":[1,2],"x":3}')]


def test_an_object_and_an_array_may_be_at_one_place() -> None:
    wanted = contract("", ID + column("r[0]") + column("r.a", name="a"))
    batch = both_ways(lines({"id": 1, "r": [1]}, {"id": 2, "r": {"a": 2}}), wanted, careful=True)
    assert batch.rows.rows() == [(1, 1.0, None), (2, None, 2.0)]
