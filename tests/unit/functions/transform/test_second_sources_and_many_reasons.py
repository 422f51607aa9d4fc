"""Second sources, attached units, values with a fault, and readings with many reasons."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from functions.transform.clean import clean
from functions.transform.rejects import rejected_lines
from functions.transform.report import describe
from tests.unit.functions.transform.envelopes_for import contract_of, line

COLUMNS = 70


def rows(columns: str, *readings: dict[str, Any]) -> Any:
    contract = contract_of(columns, message="r")
    return clean(line({"r": [{"id": n, **one} for n, one in enumerate(readings)]}), contract).rows


def test_a_marker_in_the_second_source_is_no_value_either() -> None:
    columns = """
    [columns.t]
    type = "smallint"
    from = ["t", "temp"]
    missing = [-99]
    """
    found = rows(columns, {"t": 1}, {"temp": -99}, {"t": -99, "temp": 3}, {"t": -99, "temp": -99})
    assert found["t"].to_list() == [1, None, 3, None]


def test_a_unit_is_taken_off_the_end_alone() -> None:
    columns = """
    [columns.v]
    type = "float"
    attached = ["C", "kWh", "$"]
    on_invalid = "null"
    """
    found = rows(columns, *({"v": text} for text in ("5 C", "5\u202fkWh", "5 $", "5C3", "5 C 3")))
    assert found["v"].to_list() == [5.0, 5.0, 5.0, None, None]


def test_a_text_of_just_the_length_that_is_allowed_is_not_counted_as_cut() -> None:
    columns = """
    [columns.word]
    type = "text"
    max_length = 3
    on_too_long = "truncate"
    """
    contract = contract_of(columns, message="r")
    sent = [{"id": n, "word": word} for n, word in enumerate(("abc", "abcd", "ab"))]
    told = describe(clean(line({"r": sent}), contract), contract)
    assert told["columns"]["word"]["truncated"] == 1


def test_a_value_with_a_fault_that_costs_no_reading_is_not_kept() -> None:
    columns = """
    [columns.n]
    type = "smallint"
    range = [0, 10]
    on_invalid = "null"
    [columns.word]
    type = "text"
    max_length = 3
    on_invalid = "null"
    """
    found = rows(columns, {"n": 11, "word": "long"}, {"n": 10, "word": "abc"}, {"n": -1})
    assert found["n"].to_list() == [None, 10, None]
    assert found["word"].to_list() == [None, "abc", None]


@pytest.mark.parametrize("kind", ["float", "smallint"])
def test_a_reading_without_a_value_stays_beside_one_that_is_out_of_range(kind: str) -> None:
    columns = f"""
    [columns.n]
    type = "{kind}"
    range = [0, 10]
    """
    assert rows(columns, {}, {"n": 11}, {"n": 5})["n"].to_list() == [None, 5]


def test_each_of_several_markers_is_no_value() -> None:
    columns = """
    [columns.n]
    type = "float"
    missing = [-99, -98]
    """
    found = rows(columns, *({"n": value} for value in (-99, -98, 5, -98.0)))
    assert found["n"].to_list() == [None, None, 5.0, None]


def test_each_of_many_reasons_is_reported_in_the_order_of_the_columns() -> None:
    columns = "\n".join(
        f'[columns.c{n:02}]\ntype = "smallint"\nrequired = true' for n in range(COLUMNS)
    )
    whole = {f"c{n:02}": n for n in range(COLUMNS)}
    late = {name: value for name, value in whole.items() if name < "c65"}
    contract = contract_of(columns, message="r")
    sent = [{"id": n, **one} for n, one in enumerate(({}, whole, late))]
    body = rejected_lines(clean(line({"r": sent}), contract), contract)
    first, second = (json.loads(text) for text in gzip.decompress(body).splitlines())
    names = [f"missing:c{n:02}" for n in range(COLUMNS)]
    assert (first["index"], first["reasons"]) == (0, names)
    assert (second["index"], second["reasons"]) == (2, names[65:])
