"""Units, commas, spellings, rounding and patterns: what each key makes of what is sent."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from functions.transform.clean import clean
from functions.transform.report import describe
from tests.unit.functions.transform.envelopes_for import contract_of, line, lines

INVALID = "invalid:v"
BEYOND = "out_of_range:v"


def outcome(column: str, json_text: str) -> Any:
    """The clean value, or the reason; the same either way of reading."""
    contract = contract_of(f"[columns.v]\n{column}")
    raw = lines(b'{"id":1,"v":' + json_text.encode() + b"}")
    results = []
    for bulk in (True, False):
        batch = clean(raw, contract, bulk=bulk)
        results.append(batch.rejects[0].reasons[0] if batch.rejects else batch.rows["v"][0])
    assert repr(results[0]) == repr(results[1])
    return results[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.005", "1.01"), ("-1.005", "-1.01"), ("1.0049999999999999999999", "1.00"),
        ('"1e2"', "100.00"), ("-0.001", "0.00"), ("0.005", "0.01"), ("999.994", "999.99"),
        ("999.995", BEYOND), ("1e3", BEYOND), ("1e999999999999999999999", BEYOND),
        ("1e-999999999999999999999", "0.00"), ('"+.5"', "0.50"), ('"1."', "1.00"), ('"1,5"', INVALID),
        ("true", INVALID), ('"NaN"', INVALID), ('"٣"', INVALID), ("{}", INVALID),
    ],
)  # fmt: skip
def test_decimals(text: str, value: str) -> None:
    found = outcome("type = 'decimal'\nprecision = 5\nscale = 2", text)
    assert str(found) == value


def test_a_decimal_has_digits_that_no_double_has() -> None:
    column = "type = 'decimal'\nprecision = 38\nscale = 19"
    digits = "1234567890123456789.0123456789012345678"
    assert outcome(column, digits) == Decimal(digits)


@pytest.mark.parametrize(
    ("limits", "text", "value"),
    [
        ("[0.105, 5]", "0.10", BEYOND), ("[0.105, 5]", "0.11", "0.11"), ("[0, 5.005]", "5.01", BEYOND),
        ("[-1e300, 1e300]", "99", "99.00"),
    ],
)  # fmt: skip
def test_limits_of_a_decimal_are_exact(limits: str, text: str, value: str) -> None:
    found = outcome(f"type = 'decimal'\nprecision = 5\nscale = 2\nrange = {limits}", text)
    assert str(found) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.1", 0.1), ("1e39", BEYOND), ("3.4028236e38", BEYOND), ("1e-50", 0.0), ('"x"', INVALID)],
)
def test_a_real_is_a_single(text: str, value: Any) -> None:
    found = outcome("type = 'real'", text)
    narrow = isinstance(value, float)
    assert found == (pl.Series([value], dtype=pl.Float32)[0] if narrow else value)


def test_a_limit_is_not_held_against_the_nearest_single() -> None:
    assert outcome("type = 'real'\nrange = [0, 0.1]", "0.1") != BEYOND


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("attached = ['V', 'mV']", '"2.8V"', 2.8), ("attached = ['V']", '"2.8 \\u00a0V "', 2.8),
        ("attached = ['V']", '"2.8mV"', INVALID), ("attached = ['V']", '"2.8v"', INVALID),
        ("attached = ['V']", '"V"', INVALID), ("attached = ['V']", '"2.8VV"', INVALID),
        ("decimal_comma = true", '"21,4"', 21.4), ("decimal_comma = true", '"21.4"', 21.4),
        ("decimal_comma = true", '"1.021,4"', INVALID), ("decimal_comma = true", '"1,021,4"', INVALID),
        ("attached = ['°C']\ndecimal_comma = true", '"-21,4 °C"', -21.4),
        ("attached = ['V']\nmissing = [-200]", '"-200.0 V"', None),
        ("round = 1", "0.25", 0.3), ("round = 1", "-0.25", -0.3), ("round = 0", "2.5", 3.0),
        ("round = 2", "1e300", 1e300), ("round = 2", "33.984999", 33.98), ("round = 1", "-0.04", 0.0),
    ],
)  # fmt: skip
def test_numbers_as_they_are_spelled(column: str, text: str, value: Any) -> None:
    found = outcome(f"type = 'float'\n{column}", text)
    assert repr(found) == repr(value)


@pytest.mark.parametrize(
    ("text", "value"), [("7.5", 8), ("-7.5", -8), ("7.4", 7), ("2147483647.5", BEYOND)]
)
def test_a_whole_number_is_rounded_where_that_is_asked_for(text: str, value: Any) -> None:
    assert outcome("type = 'integer'\nround = 0", text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"on"', "on"), ('"ON "', "on"), ("1", "on"), ("1.0", "on"), ('"1"', "on"), ("true", "on"),
        ('"Aus"', "off"), ("0", "off"), ("-0.0", "off"), ("2", INVALID), ('"o"', INVALID),
        ("{}", INVALID), ('""', None), ("null", None),
    ],
)  # fmt: skip
def test_enums(text: str, value: Any) -> None:
    column = "type = 'enum'\nvalues = {on = [1, true], off = ['aus', '0']}"
    assert outcome(column, text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [('"AB-1"', "AB-1"), ('"xAB-1"', INVALID), ('"AB-1\\n"', INVALID), ('"AB-12"', "AB-1")],
)
def test_a_text_is_held_to_its_pattern_and_then_cut(text: str, value: Any) -> None:
    column = "type = 'text'\npattern = '[A-Z]+-[0-9]+'\nmax_length = 4\non_too_long = 'truncate'"
    assert outcome(column, text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[ 1.50 , {} ]", "[1.50,{}]"), ('"a"', '"a"'), ("1E2", "1E2"), ('""', '""'), ("null", None),
        ('{"b":1,"a":2,"b":3}', '{"b":1,"a":2}'), (r'"\u00e9\n"', '"é\\n"'),
        (r'["\u0000"]', INVALID), (r'{"\ud800":1}', INVALID), ("[1e1000]", INVALID), ("[1e99999999999999999999]", INVALID),
        ("[" * 400 + "]" * 400, "[" * 400 + "]" * 400),
    ],
)  # fmt: skip
def test_json_is_kept_as_its_text(text: str, value: Any) -> None:
    assert outcome("type = 'jsonb'", text) == value


@pytest.mark.parametrize(
    ("pattern", "text", "value"),
    [
        ("%d/%m/%y", "1/3/26", datetime(2026, 3, 1)), ("%d/%m/%y", "01/03/69", datetime(1969, 3, 1)),
        ("%Y%m%d%H%M%S", "20260301120005", datetime(2026, 3, 1, 12, 0, 5)),
        ("%Y%m%d%H%M%S", "2026031120005", INVALID), ("%Y-%m-%d", "2026-02-29", INVALID),
        ("%b %d %Y %I%p", "Dec 31 2026 12AM", datetime(2026, 12, 31)),
        ("%b %d %Y %I%p", "dec 31 2026 12pm", datetime(2026, 12, 31, 12)),
        ("%b %d %Y %I%p", "Dec 31 2026 13PM", INVALID),
        ("%Y-%j", "2026-333", datetime(2026, 11, 29)), ("%Y-%j", "2026-60", datetime(2026, 3, 1)),
        ("%Y%j", "2026060", datetime(2026, 3, 1)), ("%Y%j", "202660", INVALID),
        ("%G-W%V-%u", "2026-W48-7", datetime(2026, 11, 29)),
        ("%G-W%V-%u", "2020-W53-5", datetime(2021, 1, 1)),
        ("%G-W%V-%u", "2026-W53-7", datetime(2027, 1, 3)),
        ("%G-W%V-%u", "2027-W53-1", INVALID), ("%G-W%V-%u", "2026-W00-1", INVALID),
        ("%GW%V%u %H:%M", "2026W487 24:00", datetime(2026, 11, 30)),
        ("%a, %d %b %Y %H:%M:%S %Z", "Sun, 29 Nov 2026 11:00:00 GMT", datetime(2026, 11, 29, 11)),
        ("%a, %d %b %Y %H:%M:%S %Z", "sun, 1 nov 2026 24:00:00 utc", datetime(2026, 11, 2)),
        ("%a, %d %b %Y %H:%M:%S %Z", "Mon, 29 Nov 2026 11:00:00 GMT", INVALID),
        ("%a, %d %b %Y %H:%M:%S %Z", "Sun, 29 Nov 2026 11:00:00 EST", INVALID),
        ("%Y %j", "2024 366", datetime(2024, 12, 31)), ("%Y %j", "2026 366", INVALID),
        ("%Y-%m-%d %H:%M%z", "2026-03-01 12:00+0130", datetime(2026, 3, 1, 10, 30)),
        ("%Y-%m-%d %H:%M:%S.%f", "2026-03-01 12:00:00.1234567", datetime(2026, 3, 1, 12, 0, 0, 123456)),
        ("%%%Y.%m.%d(x)", "%2026.03.01(x)", datetime(2026, 3, 1)),
        ("%Y.%m.%d", "2026-03-01", INVALID), ("%Y-%m-%d", "2026-03-01 ", datetime(2026, 3, 1)),
    ],
)  # fmt: skip
def test_times_by_pattern(pattern: str, text: str, value: Any) -> None:
    found = outcome(f"type = 'timestamp'\nformats = '{pattern}'", json.dumps(text))
    assert found == (value.replace(tzinfo=UTC) if isinstance(value, datetime) else value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-03-01T11:59:59.001Z", None), ("2026-03-01T11:59:59.000999Z", "too_old:v"),
        ("2026-03-01T12:00:02.001Z", None), ("2026-03-01T12:00:02.001001Z", "in_future:v"),
    ],
)  # fmt: skip
def test_a_time_is_judged_by_the_arrival_of_its_message(text: str, reason: str | None) -> None:
    found = outcome("type = 'timestamp'\nmax_age = '1s'\nmax_future = '2 s'", json.dumps(text))
    assert found == reason if reason else isinstance(found, datetime)


def test_without_an_arrival_no_time_is_too_late() -> None:
    contract = contract_of("[columns.v]\ntype = 'timestamp'\nmax_age = '1s'\nmax_future = '1s'")
    raw = line(b'{"id":1,"v":"1999-01-01T00:00:00Z"}', received_at=None)
    assert clean(raw, contract).rows.height == 1


def test_what_was_cut_or_came_late_is_counted() -> None:
    contract = contract_of(
        """
        [columns.v]
        type = "text"
        max_length = 2
        on_too_long = "truncate"
        [columns.t]
        type = "timestamp"
        max_age = "1h"
        on_invalid = "null"
        """
    )
    raw = lines(*(b'{"id":%d,"v":"abc","t":"2026-01-01T00:00:00Z"}' % n for n in range(3)))
    told = describe(clean(raw, contract), contract)["columns"]
    assert told["v"]["truncated"] == 3
    assert told["t"]["too_old"] == 3
    assert "too_old" not in told["v"]
