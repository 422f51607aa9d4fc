"""Which spellings each type takes, and what it makes of them: the tables of docs/contract-types.md."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from functions.transform.clean import clean
from tests.unit.functions.transform.envelopes_for import contract_of, lines

INVALID = "invalid:v"
BEYOND = "out_of_range:v"


def outcome(column: str, json_text: str) -> Any:
    """The clean value, or the reason why the reading was rejected; the same either way of reading."""
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
        ("21.40", 21.4), ('"21.40"', 21.4), ('" 21.4 "', 21.4), ("-0", 0.0), ("-0.0", 0.0),
        ("1e3", 1000.0), ('"+7"', 7.0), ('".5"', 0.5), ('"5."', 5.0), ("4.9e-324", 5e-324),
        ("0.1000000000000000055", 0.1), ("123456789012345678901234567890", 1.2345678901234568e29),
        ('""', None), ('" "', None), ("null", None),
        ("true", INVALID), ('"NaN"', INVALID), ('"inf"', INVALID), ("1e999", INVALID),
        ('"1,5"', INVALID), ('"0x10"', INVALID), ('"1_000"', INVALID), ('"٣"', INVALID),
        ("{}", INVALID), ("[21.4]", INVALID), ('"21.4 C"', INVALID), (r'"\ud800"', INVALID),
    ],
)  # fmt: skip
def test_floats(text: str, value: Any) -> None:
    found = outcome('type = "float"', text)
    assert found == value
    assert str(found) == str(value)  # tells -0.0 from 0.0


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "7", 7), ("integer", '"007"', 7), ("integer", "7.0", 7), ("integer", "7e2", 700),
        ("integer", "-0", 0), ("integer", "7.5", INVALID), ("integer", '"seven"', INVALID),
        ("integer", "true", INVALID), ("integer", "1e999", INVALID),
        ("smallint", "32767", 32767), ("smallint", "32768", BEYOND), ("smallint", "-32769", BEYOND),
        ("integer", "2147483647", 2147483647), ("integer", "2147483648", BEYOND),
        ("integer", "1e10", BEYOND), ("integer", "99999999999999999999", BEYOND),
        ("bigint", "9223372036854775807", 9223372036854775807),
        ("bigint", "9223372036854775808", BEYOND), ("bigint", "-9223372036854775808", -(2**63)),
        ("bigint", "9007199254740993", 9007199254740993), ("bigint", "1e18", 10**18),
        ("bigint", "-9223372036854775809", BEYOND), ("bigint", "-9223372036854775808.0", -(2**63)),
        ("bigint", "9223372036854775807.0", 2**63 - 1), ("bigint", "9223372036854775808.0", BEYOND),
        ("bigint", "-9223372036854775809.0", BEYOND), ("bigint", "9007199254740993.0", 2**53 + 1),
        ("bigint", "-9.223372036854775809e18", BEYOND), ("bigint", "1e300", BEYOND),
        ("bigint", "-9.223372036854775808e18", -(2**63)), ("bigint", "9007199254740992.5", INVALID),
        ("bigint", "4503599627370497.25", INVALID), ("bigint", '"+9007199254740993."', 2**53 + 1),
        ("bigint", "-99999999999999999999", BEYOND), ("bigint", "123456789012345678901.5", BEYOND),
        ("integer", "-2147483648", -(2**31)), ("integer", "-2147483649", BEYOND),
        ("integer", "-2147483649.0", BEYOND), ("integer", "-9223372036854775809", BEYOND),
        ("smallint", "-32768", -(2**15)), ("smallint", "-9223372036854775809", BEYOND),
        ("smallint", "9007199254740993.0", BEYOND),
    ],
)  # fmt: skip
def test_whole_numbers(kind: str, text: str, value: Any) -> None:
    assert outcome(f'type = "{kind}"', text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("false", False), ("1", True), ("0", False), ("1.0", True), ("0e5", False),
        ('"TRUE"', True), ('"Yes"', True), ('"on"', True), ('"t"', True), ('"y"', True),
        ('"no"', False), ('"OFF"', False), ('"f"', False), ('"n"', False), ('" 0 "', False),
        ("2", INVALID), ('"ja"', INVALID), ("[]", INVALID), ('""', None),
    ],
)  # fmt: skip
def test_booleans(text: str, value: Any) -> None:
    assert outcome('type = "boolean"', text) is value or value == INVALID


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"ok"', "ok"), ('" ok "', " ok "), ("21.40", "21.40"), ("1e5", "1e5"), ("-0", "-0"),
        ("true", "true"), ('"é𝄞"', "é𝄞"), (r'"\ud834\udd1e"', "𝄞"), (r'"a\/b"', "a/b"),
        (r'"a\nb"', "a\nb"), ('""', None), ('" "', " "),
        (r'"a\u0000b"', INVALID), (r'"\ud834"', INVALID), ("{}", INVALID), ('["ok"]', INVALID),
    ],
)  # fmt: skip
def test_texts(text: str, value: Any) -> None:
    assert outcome('type = "text"', text) == value


def test_a_text_that_is_too_long_is_reported_so() -> None:
    assert outcome('type = "text"\nmax_length = 2', '"éé"') == "éé"
    assert outcome('type = "text"\nmax_length = 2', '"ééé"') == "too_long:v"


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-03-01T12:00:00", utc(2026, 3, 1, 12)),
        ("2026-03-01 12:00:00Z", utc(2026, 3, 1, 12)),
        ("2026-03-01T12:00:00.5Z", utc(2026, 3, 1, 12, 0, 0, 500_000)),
        ("2026-03-01T12:00:00.123456789Z", utc(2026, 3, 1, 12, 0, 0, 123_456)),
        ("2026-03-01T12:00:00+05:30", utc(2026, 3, 1, 6, 30)),
        ("2026-03-01T12:00:00-0530", utc(2026, 3, 1, 17, 30)),
        ("2026-03-01T12:00:00+01", utc(2026, 3, 1, 11)),
        ("2024-02-29T00:00:00Z", utc(2024, 2, 29)),
        ("0001-01-01T00:00:00Z", utc(1, 1, 1)),
        ("9999-12-31T23:59:59.999999Z", utc(9999, 12, 31, 23, 59, 59, 999_999)),
        ("2026-02-29T00:00:00Z", INVALID),
        ("2026-03-01T24:00:00Z", datetime(2026, 3, 2, tzinfo=UTC)),
        ("2026-02-28 24:00:00.000+01:00", datetime(2026, 2, 28, 23, tzinfo=UTC)),
        ("2026-12-31T24:00:00", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-03-01T24:00:00.001Z", INVALID),
        ("2026-03-01T24:01:00Z", INVALID),
        ("2026-02-29T24:00:00Z", INVALID),
        ("9999-12-31T24:00:00Z", INVALID),
        ("2026-03-01T12:00:60Z", INVALID),
        ("2026-03-01T12:00Z", INVALID),
        ("2026-03-01", INVALID),
        ("2026-3-1T12:00:00Z", INVALID),
        ("2026-03-01T12:00:00.Z", INVALID),
        ("2026-03-01T12:00:00.1234567890Z", INVALID),
        ("2026-03-01T12:00:00+24:00", INVALID),
        ("2026-03-01T12:00:00+01:60", INVALID),
        ("0000-12-31T23:59:59Z", INVALID),
        ("0001-01-01T00:00:00+01:00", INVALID),
        ("1772366400", INVALID),
        ("yesterday", INVALID),
    ],
)
def test_iso_timestamps(text: str, value: Any) -> None:
    assert outcome('type = "timestamp"', json.dumps(text)) == value


@pytest.mark.parametrize(
    ("form", "text", "value"),
    [
        ("epoch_s", "1772366400", utc(2026, 3, 1, 12)),
        ("epoch_s", "1772366400.25", utc(2026, 3, 1, 12, 0, 0, 250_000)),
        ("epoch_s", "1.7723664e9", utc(2026, 3, 1, 12)),
        ("epoch_ms", "1772366400001", utc(2026, 3, 1, 12, 0, 0, 1000)),
        ("epoch_ms", '"1772366400001"', utc(2026, 3, 1, 12, 0, 0, 1000)),
        ("epoch_us", "1772366400000001", utc(2026, 3, 1, 12, 0, 0, 1)),
        ("epoch_ns", "1772366400000001999", utc(2026, 3, 1, 12, 0, 0, 1)),
        ("epoch_s", "-1", utc(1969, 12, 31, 23, 59, 59)),
        ("epoch_auto", "1772366400", utc(2026, 3, 1, 12)),
        ("epoch_auto", '"1772366400.25"', utc(2026, 3, 1, 12, 0, 0, 250_000)),
        ("epoch_auto", "1772366400001", utc(2026, 3, 1, 12, 0, 0, 1000)),
        ("epoch_auto", "1772366400000001", utc(2026, 3, 1, 12, 0, 0, 1)),
        ("epoch_auto", "1772366400000001999", utc(2026, 3, 1, 12, 0, 0, 1)),
        ("epoch_auto", "99999999999", utc(5138, 11, 16, 9, 46, 39)),
        ("epoch_auto", "100000000000", utc(1973, 3, 3, 9, 46, 40)),
        ("epoch_auto", "99999999999999", utc(5138, 11, 16, 9, 46, 39, 999_000)),
        ("epoch_auto", "1e14", utc(1973, 3, 3, 9, 46, 40)),
        ("epoch_auto", "100000000000000000", utc(1973, 3, 3, 9, 46, 40)),
        ("epoch_auto", "-1", utc(1969, 12, 31, 23, 59, 59)),
        ("epoch_auto", "-9223372036854775808", utc(1677, 9, 21, 0, 12, 43, 145_224)),
        ("epoch_auto", "1e300", INVALID),
        ("epoch_auto", "true", INVALID),
        ("epoch_ms", "253402300800000", INVALID),
        ("epoch_s", "-9223372036854775808", INVALID),
        ("epoch_s", "1e300", INVALID),
        ("epoch_s", '"2026-03-01T12:00:00Z"', INVALID),
        ("epoch_s", "true", INVALID),
    ],
)
def test_epochs(form: str, text: str, value: Any) -> None:
    assert outcome(f'type = "timestamp"\nformats = ["{form}"]', text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-01-15T12:00:00", utc(2026, 1, 15, 12)),
        ("2026-07-15T12:00:00", utc(2026, 7, 15, 11)),
        ("2026-07-15T12:00:00Z", utc(2026, 7, 15, 12)),
        ("2026-03-29T01:30:00", "nonexistent_time:v"),
    ],
)
def test_a_time_without_offset_is_of_the_columns_zone(text: str, value: Any) -> None:
    assert outcome('type = "timestamp"\ntimezone = "Europe/London"', json.dumps(text)) == value


@pytest.mark.parametrize(
    ("missing", "text", "value"),
    [
        ('["", -127]', "-127", None), ('["", -127]', "-127.0", None), ('["", -127]', '"-127"', None),
        ('["-999"]', "-999.0", None), ('["n/a"]', '" n/a "', None), ('["n/a"]', '""', INVALID),
        ("[true]", "true", None), ("[]", '""', INVALID), ('["", 0]', "-0.0", None),
    ],
)  # fmt: skip
def test_markers_of_no_value_are_compared_as_numbers_where_both_are(
    missing: str, text: str, value: Any
) -> None:
    assert outcome(f'type = "float"\nmissing = {missing}', text) == value


def test_in_a_text_column_a_text_marker_is_that_text_exactly() -> None:
    column = 'type = "text"\nmissing = ["-1", 7]'
    assert outcome(column, '"-1"') is None
    assert outcome(column, '"-1.0"') == "-1.0"
    assert outcome(column, '"7.0"') is None
    assert outcome(column, '""') == ""
