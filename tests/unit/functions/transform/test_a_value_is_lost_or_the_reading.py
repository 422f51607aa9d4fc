"""``on_invalid``, ``required`` and what the report counts of each column."""

from __future__ import annotations

from typing import Any

from functions.transform.clean import clean
from functions.transform.report import describe
from tests.unit.functions.transform.envelopes_for import contract_of, line

COLUMNS = """
[columns.hard]
type = "smallint"
range = [0, 10]
[columns.soft]
type = "smallint"
range = [0, 10]
on_invalid = "null"
[columns.needed]
type = "text"
required = true
max_length = 3
"""


def report(*readings: dict[str, Any]) -> dict[str, Any]:
    contract = contract_of(COLUMNS, message="r")
    sent = [{"id": n, "needed": "x", **reading} for n, reading in enumerate(readings)]
    return describe(clean(line({"r": sent}), contract), contract)


def test_an_unreadable_value_costs_the_reading_or_becomes_null() -> None:
    told = report({"hard": "x"}, {"soft": "x"})
    assert told["rejected_by"] == {"invalid:hard": 1}
    assert told["columns"]["soft"] == {"nulls": 1, "invalid": 1, "out_of_range": 0, "too_long": 0}


def test_so_does_one_out_of_range_or_beyond_the_type() -> None:
    told = report({"hard": 11}, {"hard": 99999}, {"soft": 11}, {"soft": 99999})
    assert told["rejected_by"] == {"out_of_range:hard": 2}
    assert told["columns"]["soft"]["out_of_range"] == 2
    assert told["columns"]["hard"]["out_of_range"] == 2


def test_a_required_value_that_is_absent_null_or_a_marker_is_missing() -> None:
    told = report({"needed": None}, {"needed": ""}, {"needed": "long"})
    assert told["rejected_by"] == {"missing:needed": 2, "too_long:needed": 1}


def test_a_reject_is_counted_under_its_first_reason() -> None:
    told = report({"hard": -1, "soft": "x", "needed": None})
    assert told["rejected_by"] == {"out_of_range:hard": 1}
    assert told["rejected"] == 1


def test_nulls_are_counted_in_the_rows_that_stay() -> None:
    told = report({}, {"hard": 5}, {"hard": "x"})
    assert told["accepted"] == 2
    assert told["columns"]["hard"]["nulls"] == 1


def test_the_span_of_time_is_that_of_the_rows() -> None:
    contract = contract_of(
        '[columns.ts]\ntype = "timestamp"\nrequired = true', table='key = ["id", "ts"]', message="r"
    )
    times = ["2026-01-02T00:00:00Z", "2026-01-01T00:00:00+01:00", "broken"]
    raw = line({"r": [{"id": 1, "ts": time} for time in times]})
    told = describe(clean(raw, contract), contract)
    assert told["min_time"] == "2025-12-31T23:00:00.000000+00:00"
    assert told["max_time"] == "2026-01-02T00:00:00.000000+00:00"
    assert describe(clean(b"", contract), contract)["min_time"] is None
