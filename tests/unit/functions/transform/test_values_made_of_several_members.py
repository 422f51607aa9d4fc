"""Times of several members, parts of texts and units beside values: read many at a time or not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from etl.authoring.units import resolve_units
from functions.transform.bulk import BulkDecoder
from functions.transform.clean import clean
from functions.transform.extraction_plan import make_plan
from tests.unit.functions.transform.envelopes_for import contract_of, lines


def outcome(column: str, reading: str) -> Any:
    """The clean value, or the reason why the reading was rejected; the same either way of reading."""
    contract = resolve_units(contract_of(column))
    raw = lines(b'{"id":1,' + reading.encode() + b"}")
    results = []
    for bulk in (True, False):
        batch = clean(raw, contract, bulk=bulk)
        results.append(batch.rejects[0].reasons[0] if batch.rejects else batch.rows["v"][0])
    assert repr(results[0]) == repr(results[1])
    return results[0]


DATE = """
[columns.v]
type = "timestamp"
from = "{d} {t}"
formats = "%Y-%m-%d %H:%M"
missing = ["", "1970-01-01 00:00"]
"""


@pytest.mark.parametrize(
    ("reading", "value"),
    [
        ('"d":"2026-03-01","t":"12:05"', datetime(2026, 3, 1, 12, 5, tzinfo=UTC)),
        ('"d":" 2026-03-01 ","t":"7:05 "', datetime(2026, 3, 1, 7, 5, tzinfo=UTC)),
        ('"d":"2026-03-01","t":"24:00"', datetime(2026, 3, 2, tzinfo=UTC)),
        ('"d":"2026-03-01"', None), ('"d":"2026-03-01","t":" "', None), ('"t":"12:05"', None),
        ('"d":null,"t":{}', None), ('"d":"1970-01-01","t":"00:00"', None),
        ('"d":"2026-03-01","t":{}', "invalid:v"), ('"d":"2026-02-29","t":"12:05"', "invalid:v"),
        ('"d":"2026-03-01","t":1205', "invalid:v"),
    ],
)  # fmt: skip
def test_a_date_and_a_time_of_day(reading: str, value: Any) -> None:
    assert outcome(DATE, reading) == value


def test_numbers_in_a_text_keep_their_spelling() -> None:
    column = '[columns.v]\ntype = "text"\nfrom = "{a}/{b}"'
    assert outcome(column, '"a":1.50,"b":-0') == "1.50/-0"
    assert outcome(column, '"a":7,"b":true') == "7/true"
    assert outcome(column, '"a":12345678901234567890,"b":1e3') == "12345678901234567890/1e3"
    assert outcome(column, '"a":" x ","b":"é"') == " x /é"


def test_whole_numbers_in_a_time_are_read_many_at_a_time() -> None:
    column = '[columns.v]\ntype = "timestamp"\nfrom = "{y}-{m}-{d}"\nformats = "%Y-%m-%d"'
    plan = make_plan(contract_of(column))
    texts = ['{"id":1,"y":2026,"m":3,"d":1}', '{"id":2,"y":2026,"m":3,"d":1.0}']
    messages = pl.DataFrame({"m": pl.Series([0, 1], dtype=pl.UInt32), "text": texts})
    left = [BulkDecoder(plan, way).decode(messages).left.to_list() for way in plan.decode_plans]
    assert left[-1] == [1]


PLUS = '[columns.v]\ntype = "timestamp"\nfrom = "t"\nformats = ["iso8601", "epoch_s"]\nplus = '
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("plus", "reading", "value"),
    [
        ('{from="o",unit="ms"}', '"o":250', NOON.replace(microsecond=250_000)),
        ('{from="o",unit="us"}', '"o":"7"', NOON.replace(microsecond=7)),
        ('{from="o",unit="ns"}', '"o":1999', NOON.replace(microsecond=1)),
        ('{from="o",unit="min",every=-1}', '"o":30', datetime(2026, 3, 1, 11, 30, tzinfo=UTC)),
        ('{from="o",unit="d"}', '"o":1.5', datetime(2026, 3, 3, tzinfo=UTC)),
        ('{from="o",every="e",unit="s"}', '"o":3,"e":20', NOON.replace(minute=1)),
        ('{from="o",every=0.1,unit="s"}', '"o":3', NOON.replace(microsecond=300_000)),
        ('{from=["p","o"],unit="h"}', '"o":1,"p":""', NOON.replace(hour=13)),
        ('{from="o",unit="ms"}', '"o":null', None), ('{from="o",unit="ms"}', '"x":1', None),
        ('{from="o",every="e",unit="s"}', '"o":3', None),
        ('{from="o",unit="ms"}', '"o":"soon"', "invalid:v"),
        ('{from="o",unit="ms"}', '"o":[]', "invalid:v"),
        ('{from="o",unit="d"}', '"o":4e6', "invalid:v"),
        ('{from="o",every="e",unit="d"}', '"o":9223372036854775807,"e":9e300', "invalid:v"),
    ],
)  # fmt: skip
def test_a_time_counted_from_another(plus: str, reading: str, value: Any) -> None:
    assert outcome(PLUS + plus, f'"t":1772366400,{reading}') == value


def test_a_time_counted_from_none_is_missing_and_from_a_wrong_one_is_invalid() -> None:
    assert outcome(PLUS + '{from="o",unit="s"}', '"o":1') is None
    assert outcome(PLUS + '{from="o",unit="s"}', '"t":"x","o":1') == "invalid:v"


@pytest.mark.parametrize(
    ("parts", "source", "sent", "value"),
    [
        ("split=';'", "$parts.p[1]", '"d0;20;50"', 20.0), ("split=';'", "$parts.p[-1]", '"a;5"', 5.0),
        ("split=';'", "$parts.p[2]", '"a;5"', None), ("split=';'", "$parts.p[1]", '"a;;1"', None),
        ("split=';'", "$parts.p[1]", '""', None), ("split=';'", "$parts.p[1]", '"a;b"', "invalid:v"),
        ("split=';'", "$parts.p[9]", "{}", "invalid:v"), ("split=';'", "$parts.p[0]", "7", 7.0),
        ("pattern='(?P<x>[0-9]+)V?(?P<y>,.*)?'", "$parts.p.x", '"7V"', 7.0),
        ("pattern='(?P<x>[0-9]+)V?(?P<y>,.*)?'", "$parts.p.x", '"7A"', "invalid:v"),
        ("pattern='(?P<x>[0-9]+)V?(?P<y>,.*)?'", "$parts.p.x", "[7]", "invalid:v"),
        ("pattern='(?P<x>[0-9]+)V?(?P<y>,.*)?'", "$parts.p.y", '"7V"', None),
        ("pattern='(?P<x>.+)'\\nmissing=['n/a']", "$parts.p.x", '" n/a "', None),
        ("pattern='(a|a)*(?P<x>b)?'", "$parts.p.x", '"' + "a" * 5000 + 'c"', "invalid:v"),
    ],
)  # fmt: skip
def test_parts_of_texts(parts: str, source: str, sent: str, value: Any) -> None:
    parts = parts.replace("\\n", "\n")
    column = f'[parts.p]\nfrom="w"\n{parts}\n[columns.v]\ntype="float"\nfrom="{source}"'
    assert outcome(column, f'"w":{sent}') == value


UNITS = """
[columns.v]
type = "float"
from = "w"
unit = "degC"
unit_from = {from = "u", units = {degC = ["C"], degF = ["F", "f"]}%s}
round = 1
range = [-40, 60]
"""


@pytest.mark.parametrize(
    ("more", "reading", "value"),
    [
        ("", '"w":67.1,"u":"F"', 19.5), ("", '"w":"68","u":" f "', 20.0), ("", '"w":20,"u":"degC"', 20.0),
        ("", '"w":20,"u":"K"', "unknown_unit:v"), ("", '"w":20', "unknown_unit:v"),
        ("", '"w":20,"u":{}', "unknown_unit:v"), ("", '"w":20,"u":"c"', "unknown_unit:v"),
        (', constant = "F"', '"w":68', 20.0), (', constant = "F"', '"w":20,"u":"K"', "unknown_unit:v"),
        ("", '"w":"x","u":"K"', "invalid:v"), ("", '"w":null,"u":"K"', None),
        ("", '"w":451,"u":"F"', "out_of_range:v"),
    ],
)  # fmt: skip
def test_units_beside_values(more: str, reading: str, value: Any) -> None:
    assert outcome(UNITS % more, reading) == value
