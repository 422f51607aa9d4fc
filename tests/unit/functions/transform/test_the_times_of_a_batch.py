"""The report's times: of the readings, by their own clock, and of the messages, by AWS IoT's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from functions.transform.report import _first_arrival, _times
from telemetry.contract import parse_contract

CONTRACT = parse_contract(
    b"""
name = "c"
topic = "t/+"
[table]
schema = "s"
name = "t"
key = ["id", "ts"]
[columns.id]
type = "integer"
required = true
[columns.ts]
type = "timestamp"
required = true
""",
    "test",
)
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def rows(seconds: list[int]) -> pl.DataFrame:
    moments = [BEGIN + timedelta(seconds=s) for s in seconds]
    return pl.DataFrame({"ts": pl.Series(moments, dtype=pl.Datetime("us", "UTC"))})


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=60))
def test_the_median_is_a_reading_with_as_many_before_as_after_it(seconds):
    least, middle, most = (datetime.fromisoformat(t) for t in _times(rows(seconds), CONTRACT))
    found = (middle - BEGIN).total_seconds()
    assert found in seconds
    assert (least, most) == (
        BEGIN + timedelta(seconds=min(seconds)),
        BEGIN + timedelta(seconds=max(seconds)),
    )
    half = len(seconds) / 2
    assert sum(s < found for s in seconds) <= half
    assert sum(s > found for s in seconds) <= half


def test_without_rows_there_are_no_times():
    assert _times(rows([]), CONTRACT) == (None, None, None)


def test_the_first_arrival_is_that_of_the_earliest_sane_message():
    moment = 1_772_323_200_000  # 2026-03-01T00:00:00Z
    messages = pl.DataFrame(
        {"received_at": [moment + 5, None, moment, -(2**62), 0, 2**62]},
        schema={"received_at": pl.Int64},
    )
    assert _first_arrival(messages) == "2026-03-01T00:00:00.000000+00:00"


def test_what_a_tool_wrote_to_the_queue_has_no_arrival():
    nothing = pl.DataFrame({"received_at": [None, -1]}, schema={"received_at": pl.Int64})
    assert _first_arrival(nothing) is None
