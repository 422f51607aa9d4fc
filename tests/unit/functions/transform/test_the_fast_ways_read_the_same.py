"""What is read in bulk, and as values at once, is what is read one by one and as texts."""

from __future__ import annotations

import json

import polars as pl
import pytest

from functions.transform.clean import clean
from functions.transform.envelopes import read_envelopes
from functions.transform.extraction_plan import make_plan
from tests.unit.functions.transform.envelopes_for import contract_of, line

COLUMNS = """
[columns.f]
type = "float"
from = ["f", "$message.x"]
missing = ["", "n/a", -127]
range = [-60, 1e6]
[columns.r]
type = "real"
round = 1
[columns.b]
type = "bigint"
missing = ["", 0, 2.5]
[columns.s]
type = "smallint"
on_invalid = "null"
[columns.t]
type = "boolean"
missing = ["", 0]
[columns.d]
type = "text"
[columns.at]
type = "timestamp"
from = "when"
formats = ["iso8601", "epoch_ms"]
[columns.came]
type = "timestamp"
from = "$received_at"
"""
SPELLED = """
null true false 0 -0 -0.0 1 -127 -127.0 2.5 21.40 0.1 1e3 1E400 -1e-400 32768 1.0 16777217
123456789012345 1234567890123456 9007199254740993 9223372036854775807 9223372036854775808
18446744073709551616 123456789012345678901234567890 0.12345678901234567890 1234567890123456.5
"" "n/a" "-127" "21.4" "yes" "true" "x" "\\u0031" {} [] [1] {"f":1}
"""
LITERALS = SPELLED.split()


def _compact(sent: bytes, number: int, **members: object) -> bytes:
    envelope = json.loads(line(sent, number, **members))
    return json.dumps(envelope, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize("member", ["f", "x", "r", "b", "s", "t", "d", "when"])
@pytest.mark.parametrize("array", [False, True])
def test_a_value_is_the_same_however_it_is_decoded(member: str, array: bool) -> None:
    contract = contract_of(COLUMNS, message="readings" if array else "")
    sound = '"f":1.5,"r":2.25,"b":7,"s":8,"t":true,"d":"ok","when":1772366400000'
    sent = []
    for number, literal in enumerate(LITERALS):
        first = sound if number % 2 else ""
        rest = f'"id":{number},"{member}":{literal}{"," if first else ""}{first}'
        inside = f'{{"readings":[{{{rest}}},{{"id":-1}}]}}' if array else f"{{{rest}}}"
        sent.append(_compact(inside.encode(), number))
    raw = b"\n".join(sent)
    quick, slow = clean(raw, contract), clean(raw, contract, bulk=False)
    assert quick.rows.equals(slow.rows)
    assert quick.rejects == slow.rejects
    assert quick.faults == slow.faults
    assert quick.duplicates == slow.duplicates


def test_numbers_and_booleans_are_decoded_to_just_those() -> None:
    typed, texts = make_plan(contract_of(COLUMNS)).decode_plans
    assert isinstance(typed.document, pl.Struct)
    assert isinstance(texts.document, pl.Struct)
    kinds = {field.name: field.dtype for field in typed.document.fields}
    floats = dict.fromkeys("fxr", pl.Float64)
    assert kinds == {
        **{"id": pl.Int64, "b": pl.Int64, "s": pl.Int64, "t": pl.Boolean},
        **{**floats, "d": pl.String, "when": pl.String},
    }
    assert {field.dtype for field in texts.document.fields} == {pl.String()}


def test_a_name_that_is_a_text_anywhere_is_decoded_as_text() -> None:
    columns = "[columns.a]\ntype = 'float'\nfrom = ['a', 'n.b']\n"
    columns += "[columns.c]\ntype = 'text'\nfrom = 'm.b'"
    typed, _ = make_plan(contract_of(columns)).decode_plans
    assert isinstance(typed.document, pl.Struct)
    kinds = {field.name: field.dtype for field in typed.document.fields}
    assert kinds["a"] == pl.String
    assert kinds["id"] == pl.Int64


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"{",
        b"\n",
        b" ",
        _compact(b"{}", 9)[:-3],
        _compact(b"{}", 9) + b'"x"',
        b" " + _compact(b"{}", 9),
        b"\xef\xbb\xbf" + _compact(b"{}", 9),
        _compact(b"{}", 9, topic="a\xff").replace(b"\xc3", b""),
        _compact(b"{}", 9, topic="a\x01"),
        _compact(b"{}", 9, topic='a"b'),
        _compact(b"{}", 9, topic=None),
        _compact(b"{}", 9, received_at=10**19),
        _compact(b"{}", 9, received_at=-1),
        _compact(b"{}", 9, payload="e3!="),
        _compact(b"{}", 9, more=1),
        line(b"{}", 9),
    ],
)
def test_one_odd_line_changes_nothing_for_the_others(odd: bytes) -> None:
    sound = [
        _compact(b"", 1),
        _compact(b"\xff", 2, topic=""),
        _compact(b"{}", 3, topic="a "),
        _compact(b"{}", 3, topic="a"),
        _compact(b"[]", 3, topic="a"),
        _compact(b"{}", 0, topic="\u00e4,#"),
    ]
    alone = read_envelopes(b"\n".join(sound))
    assert alone["topic"].to_list() == ["\u00e4,#", "lab/box", "", "a ", "a", "a"]
    assert alone["text"].to_list() == ["{}", "", None, "{}", "[]", "{}"]
    assert read_envelopes(b"\n".join(sound[::-1]) + b"\n").equals(alone)
    with_odd = read_envelopes(b"\n".join([odd, *sound]))
    others = with_odd.filter(with_odd["payload"].is_in(alone["payload"].implode()))
    if "m0009" in others["message_id"].to_list():
        others = others.filter(others["message_id"] != "m0009")
    assert others.equals(alone)
