"""Influx line protocol: its grammar, and what a line that breaks it costs."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from functions.transform.formats import influx
from tests.unit.functions.transform.formats.payloads import (
    contract_in,
    read_both_ways,
    reasons,
    rejected,
)

CONTRACT = contract_in(
    'format = "influx"',
    '[columns.id]\ntype = "bigint"\nfrom = "fields.id"\nrequired = true\n'
    '[columns.s]\ntype = "text"\nfrom = "tags.s"\nmax_length = 20\n'
    '[columns.ok]\ntype = "boolean"\nfrom = "fields.ok"\n',
)


def point(line: str) -> Any:
    (found,) = json.loads(influx.decode(line).text)
    return found


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("m a=1", {"name": "m", "fields": {"a": 1}}),
        ("m,t=x a=1.5 12", {"name": "m", "tags": {"t": "x"}, "fields": {"a": 1.5}, "timestamp": 12}),
        (r"m\,x\ y,t\=\ =v\,w a\,b=1i", {"name": "m,x y", "tags": {"t= ": "v,w"}, "fields": {"a,b": 1}}),
        (r'm a="x \"y\" \\ , = z",b=t -5', {"name": "m", "fields": {"a": 'x "y" \\ , = z', "b": True}, "timestamp": -5}),
        ('m a="two\nlines",b=2u', {"name": "m", "fields": {"a": "two\nlines", "b": 2}}),
        ("m a=T,b=False,c=f", {"name": "m", "fields": {"a": True, "b": False, "c": False}}),
        ("m a=+1.,b=.5,c=007,d=-00.50e+3,e=0i", {"name": "m", "fields": {"a": 1, "b": 0.5, "c": 7, "d": -500, "e": 0}}),
        ("  m  a=1  7  ", {"name": "m", "fields": {"a": 1}, "timestamp": 7}),
        (r"C:\dir a=1", {"name": "C:\\dir", "fields": {"a": 1}}),
        ("m a=1 007", {"name": "m", "fields": {"a": 1}, "timestamp": 7}),
    ],
)  # fmt: skip
def test_a_line_is_read_by_the_grammar(line: str, wanted: Any) -> None:
    assert point(line) == wanted


@pytest.mark.parametrize(
    "line",
    ["m", "m ", "m a", "m a=", "m a=x", "m a=NaN", "m a=inf", "m,t a=1", "m,t= a=1", ",t=x a=1",
     "m a=1,", "m a=1 x", "m a=1 1.5", "m a=1 1 1", 'm a="x', 'm a="x"y', "m a=1e", "m a=.",
     "m a=1i5", "m =1", "m a=1 99999999999999999999", '{"a":1}', "m a=0x1F", "m a= 1"],
)  # fmt: skip
def test_a_line_that_breaks_it_costs_itself_alone(line: str) -> None:
    batch = read_both_ways(CONTRACT, f"m id=1i\n{line}\nm id=2i\n".encode(), b"m id=3i")
    assert batch.rows["id"].to_list() == [1, 2, 3]
    assert reasons(batch) == [(0, 1, "format:influx")]
    assert json.loads(rejected(batch, CONTRACT)[0]["reading"]) == line.strip()


def test_comments_and_blank_lines_are_skipped() -> None:
    batch = read_both_ways(CONTRACT, b"# of a box\r\n\r\nm,s=x id=1i,ok=true\r\nm id=2i,ok=F 5\n")
    assert batch.rows.rows() == [(1, "x", True), (2, None, False)]


def test_a_last_line_may_end_with_a_carriage_return_alone_but_not_with_two() -> None:
    batch = read_both_ways(CONTRACT, b"m id=1i\r", b"m id=2i\r\r", b"m id=3i\r\r\nm id=4i")
    assert batch.rows["id"].to_list() == [1, 4]
    assert reasons(batch) == [(1, 0, "format:influx"), (2, 0, "format:influx")]


@pytest.mark.parametrize("payload", [b"", b"\n", b"# nothing", b"#m a=1"])
def test_a_payload_without_a_line_is_a_reject(payload: bytes) -> None:
    assert reasons(read_both_ways(CONTRACT, payload)) == [(0, None, "format:influx")]


def test_plain_lines_are_read_in_bulk_as_the_definition_says() -> None:
    texts = [
        'm,s=x,u=y id=1i,a=-1.5e-3,b="ok",c=true 17\nm id=2u\r\nm a="",b=false -1\n',
        'm a="x y"',
        "m a=1\n\nm a=2",
        "m a=01",
        "m,t=é a=1",
    ]
    found = influx.decode_in_bulk(pl.Series(texts)).to_list()
    assert found == [influx.decode(texts[0]).text, None, None, None, influx.decode(texts[4]).text]


def test_many_open_strings_take_no_longer_than_their_length() -> None:
    payload = b'm a="\\"\n' * 20_000
    assert len(reasons(read_both_ways(CONTRACT, payload))) == 20_000
