"""The places of rows behind the lines of a COPY object: what is written comes back."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.transform.clean import clean
from functions.transform.copy import copy_csv
from functions.transform.places import copy_tail
from telemetry.checksums import Checksum
from telemetry.contract import parse_contract
from telemetry.places import Footer, before_all, parse_footer, parse_places, place_at
from tests.unit.functions.transform.envelopes_for import line

CONTRACT = b"""
name = "lab"
topic = "lab/+"
message = {readings = "r"}
[table]
name = "lab"
key = ["id"]
on_conflict = "fill_missing"
[columns.id]
type = "integer"
required = true
[columns.a]
type = "integer"
[columns.b]
type = "integer"
"""
LAB = parse_contract(CONTRACT, "lab.toml")
READINGS = st.lists(
    st.fixed_dictionaries(
        {"id": st.integers(0, 9)},
        optional={"a": st.integers(0, 9), "b": st.integers(0, 9)},
    ),
    max_size=6,
)
MESSAGES = st.lists(
    st.tuples(
        READINGS,
        st.integers(-(2**63), 2**63 - 1),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4),
    ),
    max_size=5,
    unique_by=lambda message: message[1:],
)


@given(MESSAGES)
def test_each_value_has_the_place_of_the_reading_that_it_came_from(sent):
    lines = [
        line({"r": readings}, message_id=name, received_at=arrival)
        for readings, arrival, name in sent
    ]
    batch = clean(b"\n".join(lines), LAB)
    csv = copy_csv(batch.rows)
    tail = copy_tail(batch, Checksum.of(csv), LAB)
    if not batch.rows.height:
        assert tail == b""
        return
    footer = parse_footer((csv + tail)[-400:])
    assert isinstance(footer, Footer)
    assert (footer.columns, footer.key, footer.rows) == (("id", "a", "b"), ("id",), len(batch.rows))
    places = parse_places(tail[: footer.rest.size], footer)
    expected = places_of(sent)
    for row, values in enumerate(batch.rows.rows(named=True)):
        first, by_column = expected[values["id"]]
        assert places.place(row) == first
        later = {
            n: by_column[c]
            for n, c in enumerate(["id", "a", "b"])
            if by_column.get(c, first) != first
        }
        assert places.later(row) == later


def places_of(sent):
    """By key: the place of its first reading, and of the first value of each column."""
    found = {}
    for readings, arrival, name in sorted(
        sent, key=lambda message: (message[1], message[2].encode())
    ):
        for index, reading in enumerate(readings, 1):
            place = place_at(arrival) + name.encode() + b"\0" + index.to_bytes(4, "big")
            _, columns = found.setdefault(reading["id"], (place, {}))
            for column in ("a", "b"):
                if column in reading:
                    columns.setdefault(column, place)
    return found


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=2))
def test_places_sort_in_the_order_of_arrival(arrivals):
    one, other = arrivals
    assert (place_at(one) < place_at(other)) == (one < other)
    assert before_all() < place_at(one)


@pytest.mark.parametrize("content", [b"", b"1,2\n", b"1,2\nplaces-"])
def test_an_object_of_before_has_no_footer(content):
    assert parse_footer(content) is None


def test_a_footer_says_how_many_bytes_it_needs():
    batch = clean(line({"r": [{"id": 1}]}), LAB)
    whole = copy_tail(batch, Checksum.of(b""), LAB)
    needed = parse_footer(whole[-20:])
    assert isinstance(needed, int)
    assert isinstance(parse_footer(whole[-needed:]), Footer)


def test_a_message_that_is_one_reading_has_the_index_0():
    batch = clean(line({"id": 1}), LAB)
    assert batch.places.rows() == [(0, 0)]
    assert batch.places.schema == {"message": pl.UInt32, "index": pl.UInt32}
