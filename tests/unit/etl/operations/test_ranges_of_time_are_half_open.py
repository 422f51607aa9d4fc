from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from etl.operations.time_range import ALWAYS, TimeRange, TimeRangeError


def test_the_start_is_in_it_and_the_end_is_not():
    span = TimeRange.of("2026-11-23", "2026-11-24T06:30")
    assert datetime(2026, 11, 23, tzinfo=UTC) in span
    assert datetime(2026, 11, 24, 6, 29, 59, 999999, tzinfo=UTC) in span
    assert datetime(2026, 11, 24, 6, 30, tzinfo=UTC) not in span
    assert str(span) == "2026-11-23 to 2026-11-24 06:30:00 UTC"


def test_a_time_of_another_zone_is_converted():
    assert TimeRange.of("2026-11-23T02:00+02:00", None).start == datetime(2026, 11, 23, tzinfo=UTC)


def test_an_open_side_reaches_to_the_end_of_time():
    assert TimeRange.of(None, None) == ALWAYS
    assert ALWAYS.is_open
    assert ALWAYS.first_key_day == date.min
    assert ALWAYS.last_key_day == date.max


def test_keys_may_bear_a_day_long_before_that_of_their_staging():
    span = TimeRange.of("2026-11-23", "2026-11-24")
    assert (span.first_key_day, span.last_key_day) == (date(2026, 11, 8), date(2026, 11, 23))


@pytest.mark.parametrize(
    ("start", "end"), [("2026-11-23", "2026-11-23"), ("2026-11-24", "2026-11-23"), ("soon", None)]
)
def test_an_empty_range_and_what_is_no_time_are_refused(start, end):
    with pytest.raises(TimeRangeError):
        TimeRange.of(start, end)
