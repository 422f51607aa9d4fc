"""Axes are round and hold what is drawn; a gap in the readings is a gap in the line."""

from __future__ import annotations

import json
import math
import operator
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dashboard.charts.scales import number_text, scale_of, time_ticks
from dashboard.charts.shapes import Bars, bars_chart, line_chart, sparkline

START = datetime(2026, 11, 23, 6, tzinfo=UTC)
numbers = st.floats(-1e12, 1e12, allow_nan=False).filter(lambda v: v == 0 or abs(v) > 1e-9)
extremes = st.sampled_from([5e-324, 2.12e-314, -0.0, 1e154, 1.7e308, sys.float_info.max])
doubles = extremes | extremes.map(operator.neg) | st.floats(allow_nan=False, allow_infinity=False)
moments = st.datetimes(timezones=st.just(UTC))


@given(numbers, numbers, st.booleans())
def test_a_scale_holds_both_values_in_a_few_equal_steps(a: float, b: float, zero: bool) -> None:
    least, most = min(a, b), max(a, b)
    scale = scale_of(least, most, zero=zero)
    slack = scale.step * 1e-6
    assert scale.low <= least + slack
    assert scale.high >= most - slack
    assert 2 <= len(scale.ticks) <= 8
    assert not zero or scale.low <= 0 <= scale.high


@given(doubles, doubles, st.booleans())
@example(1.7976931348623157e308, 1.797693134862e308, False)
def test_every_double_has_a_place_and_a_short_text(a: float, b: float, zero: bool) -> None:
    least, most = min(a, b), max(a, b)
    scale = scale_of(least, most, zero=zero)
    assert -1e-6 <= scale.place(least) <= scale.place(most) <= 1 + 1e-6
    assert 2 <= len(scale.ticks) <= 9
    assert all(math.isfinite(tick) for tick in scale.ticks)
    assert all(len(number_text(value, scale.step)) <= 20 for value in (a, b, *scale.ticks))
    assert len(number_text(a)) <= 20
    chart = line_chart("t", [(START, least, a, most)], START, START, step=1)
    assert "nan" not in repr(chart)
    assert "inf" not in repr(chart)


@given(moments, moments)
@example(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
@example(datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
def test_every_range_of_time_has_few_ticks(a: datetime, b: datetime) -> None:
    ticks = time_ticks(min(a, b), max(a, b))
    assert len(ticks) <= 7
    assert max(a, b) - min(a, b) < timedelta(days=2) or ticks
    assert all(-1e-9 <= place <= 1 + 1e-9 for place, _ in ticks)


def test_ticks_of_years_name_them() -> None:
    ticks = time_ticks(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
    assert [text for _, text in ticks] == [
        "Jan 1970",
        "Jan 3970",
        "Jan 5970",
        "Jan 7970",
        "Jan 9970",
    ]


@given(st.integers(1, 10**9))
def test_times_are_few_and_in_between(seconds: int) -> None:
    ticks = time_ticks(START, START + timedelta(seconds=seconds))
    assert len(ticks) <= 40
    assert all(-1e-9 <= place <= 1 + 1e-9 for place, _ in ticks)


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (0, None, "0"), (20_000, 5000, "20 k"), (5000, 5000, "5,000"), (1_250_000, None, "1.25 M"),
        (0.5, 0.5, "0.5"), (12.5, 2.5, "12.5"), (-40, 20, "-40"), (101.325, None, "101"),
    ],
)  # fmt: skip
def test_numbers_have_as_many_digits_as_they_need(
    value: float, step: float | None, text: str
) -> None:
    assert number_text(value, step) == text


def point(second: int, value: float) -> tuple[datetime, float, float, float]:
    return START + timedelta(seconds=second), value - 1, value, value + 1


def test_a_line_has_a_gap_where_nothing_was_measured() -> None:
    points = [point(s, s) for s in (0, 10, 20, 200, 210, 400)]
    chart = line_chart("t", points, START, START + timedelta(seconds=400), unit="°C", step=10)
    (line,) = chart.lines
    assert line.path.count("M") == 3
    assert line.band.count("Z") == 3
    assert len(line.dots) == 1, "a point that stands alone is drawn as one"
    assert chart.summary == "t: from -1.00 to 401 °C, last 400 °C."
    assert len(json.loads(chart.points)) == len(points)


def test_a_chart_without_values_says_so() -> None:
    assert line_chart("t", [], START, START + timedelta(hours=1), step=1).empty
    assert bars_chart("b", [START], START + timedelta(minutes=1), [Bars("x", "a", [0])]).empty


def test_bars_stand_on_each_other() -> None:
    chart = bars_chart(
        "b", [START], START + timedelta(minutes=1), [Bars("good", "a", [75]), Bars("bad", "bad", [25])]
    )  # fmt: skip
    low, high = chart.bars
    assert float(high.y) == 0
    assert float(high.y) + float(high.height) == pytest.approx(float(low.y), abs=0.1)


@given(st.lists(st.floats(0, 1e9), max_size=60))
def test_a_spark_stays_in_its_box(values: list[float]) -> None:
    for bar in sparkline(values):
        assert 0 <= float(bar.x) <= 100
        assert 0 <= float(bar.y) <= 24
        assert float(bar.y) + float(bar.height) == pytest.approx(24, abs=0.05)


def test_times_carry_their_zone() -> None:
    chart = line_chart("t", [point(0, 1), point(9, 2)], START, START + timedelta(hours=1), step=10)
    assert [text for _, text in chart.x_ticks] == ["06:00", "06:15", "06:30", "06:45", "07:00"]
    assert json.loads(chart.points)[0][1] == "Nov 23, 06:00:00 UTC"
    days = bars_chart("b", [START], START + timedelta(days=4), [Bars("x", "a", [1])])
    assert {text for _, text in days.x_ticks} == {"Nov 24", "Nov 25", "Nov 26", "Nov 27"}
