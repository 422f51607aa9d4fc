"""``etl metrics``: what CloudWatch answers, as a line and as a table."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from etl.aws.target import Target
from etl.cli.main import app
from etl.cli.sparkline import BLOCKS, NOTHING, sparkline, values_per_period
from etl.operations.metrics import (
    QUERIES_A_CALL,
    Point,
    Series,
    Signal,
    all_signals,
    choose_period,
    read,
)
from etl.operations.time_range import TimeRangeError, parse_since
from functions.inventory import FUNCTIONS

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SIGNAL = Signal("Things", "Test", "Things", (("Pipeline", "p"),), "Count", "Sum", "Things.")


class CloudWatch:
    """Answers with pages, newest first, as AWS does; a point for each minute."""

    def __init__(self, page: int = 2) -> None:
        self.page, self.asked = page, []

    def get_paginator(self, name: str) -> CloudWatch:
        assert name == "get_metric_data"
        return self

    def paginate(self, *, MetricDataQueries: Any, StartTime: Any, EndTime: Any) -> Any:
        assert len(MetricDataQueries) <= QUERIES_A_CALL
        self.asked.append(MetricDataQueries)
        for start in range(0, 4, self.page):
            minutes = [NOW - timedelta(minutes=m) for m in range(start, start + self.page)]
            values = [float(4 - m) for m in range(start, start + self.page)]
            yield {
                "MetricDataResults": [
                    {"Id": query["Id"], "Timestamps": minutes, "Values": values}
                    for query in MetricDataQueries
                    if query["MetricStat"]["Metric"]["MetricName"] != "Silent"
                ]
            }


@pytest.fixture
def target() -> Target:
    found = Target("fleet", _clients={"cloudwatch": CloudWatch()})
    outputs = {
        "QueueUrl": "https://sqs/1/fleet-q", "DeadLetterQueueUrl": "https://sqs/1/fleet-dead",
        "RuleErrorQueueUrl": "https://sqs/1/fleet-rule",
        "BasicIngestPrefix": "$aws/rules/fleet_rule", "StateMachineArn": "arn:machine",
        **{f"{spec.title}FunctionName": f"fleet-{spec.name}" for spec in FUNCTIONS},
    }  # fmt: skip
    found.__dict__["outputs"] = outputs
    return found


@pytest.fixture
def etl(target: Target, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("etl.cli.metrics.target_of", lambda _: target)
    return lambda *words: CliRunner().invoke(app, ["metrics", *words], env={"COLUMNS": "80"})


def test_pages_become_one_series_oldest_first(target):
    (series,) = read(target, [SIGNAL], since=NOW - timedelta(hours=1), until=NOW, period=60)
    assert [point.value for point in series.points] == [1.0, 2.0, 3.0, 4.0]
    assert [point.time.minute for point in series.points] == [57, 58, 59, 0]
    assert series.total == 10.0


def test_many_signals_are_asked_for_in_several_calls(target):
    many = [SIGNAL] * (QUERIES_A_CALL + 1)
    assert len(read(target, many, since=NOW - timedelta(hours=1), until=NOW)) == len(many)
    assert [len(asked) for asked in target.client("cloudwatch").asked] == [QUERIES_A_CALL, 1]


def test_every_signal_has_a_name_of_its_own_and_names_this_stack(target):
    signals = all_signals(target)
    assert len({signal.name for signal in signals}) == len(signals)
    for signal in signals:
        value = dict(signal.dimensions)
        # The broker's metrics are of the whole account: they have no other dimension.
        if value != {"Protocol": "MQTT"}:
            assert any("fleet" in text or "arn:machine" in text for text in value.values()), signal


def test_the_list_has_a_line_for_each_that_moved(etl):
    done = etl()
    assert done.exit_code == 0, done.output
    assert "MessagesStaged" in done.output
    assert "StageSeconds/load" in done.output
    assert max(len(line) for line in done.stdout.splitlines()) <= 80


def test_one_is_shown_over_time_and_by_every_name_it_has(etl):
    for name in ("MessagesWaiting/queue", "messageswaiting", "ApproximateNumberOfMessagesVisible"):
        done = etl(name, "--since", "2026-11-23T11:00")
        assert done.exit_code == 0, done.output
        assert "MessagesWaiting/queue: Messages waiting." in done.output


def test_a_script_gets_dimensions_and_points(etl):
    (series,) = json.loads(etl("StageSeconds/load", "--json").stdout)
    assert series["dimensions"] == {"Pipeline": "fleet", "Stage": "load"}
    assert series["points"][0] == {"time": "2026-11-23T11:57:00+00:00", "value": 1.0}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["Rejected"], "Do you mean ReadingsRejected, ReadingsRejectedByReason?"),
        (["nonsense"], "There is no metric 'nonsense'"),
        (["--since", "soon"], "Write 90m, 6h, 2d"),
        (["--since", "2999-01-01"], "is in the future"),
    ],
)
def test_a_mistake_is_answered_with_what_to_write(etl, words, told):
    done = etl(*words)
    assert done.exit_code == 1
    assert told in " ".join(done.output.split())


def test_a_period_is_of_whole_minutes(etl):
    assert etl("--period", "90").exit_code == 2


@pytest.mark.parametrize(
    ("text", "ago"),
    [("90m", timedelta(minutes=90)), ("6h", timedelta(hours=6)), ("2d", timedelta(days=2)),
     ("2026-11-23", timedelta(hours=12)), ("30s", timedelta(seconds=30))],
)  # fmt: skip
def test_a_time_is_reported_from_now_or_by_its_date(text, ago):
    assert NOW - parse_since(text, NOW) == ago


@pytest.mark.parametrize("text", ["", "1", "-1h", "0h", "999999d", "1w", "h"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(TimeRangeError):
        parse_since(text, NOW)


def test_a_period_fits_the_time_that_is_shown():
    assert choose_period(timedelta(hours=1), 60) == 60
    assert choose_period(timedelta(hours=1), 20) == 300
    assert choose_period(timedelta(days=100), 60) == 86_400


values = st.lists(st.none() | st.floats(-1e9, 1e9), max_size=50)


@given(values)
def test_a_line_has_a_character_for_each_value_and_a_gap_for_none(numbers):
    line = sparkline(numbers)
    assert len(line) == len(numbers)
    for character, number in zip(line, numbers, strict=True):
        assert (character == NOTHING) is (number is None)


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=50))
def test_a_greater_value_is_never_lower(numbers):
    heights = [BLOCKS.index(character) for character in sparkline(numbers)]
    for (one, low), (other, high) in zip(
        zip(numbers, heights, strict=True),
        list(zip(numbers, heights, strict=True))[1:],
        strict=False,
    ):
        assert (one <= other) <= (low <= high)


def test_points_stand_at_their_place_in_time():
    points = (Point(NOW - timedelta(minutes=10), 1.0), Point(NOW, 2.0))
    grid = values_per_period(Series(SIGNAL, 300, points), NOW - timedelta(minutes=15), NOW)
    assert grid == [None, 1.0, None, 2.0]
