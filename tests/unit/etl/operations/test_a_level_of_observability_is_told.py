"""What a level doesn't record is named with the setting that records it, not shown as missing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.aws.target import Target
from etl.cli.main import app
from etl.operations.alarms import alarm
from etl.operations.batch_selection import NotFoundError
from etl.operations.metrics import all_signals
from etl.operations.observability import absent_alarm, deployed_level, not_recorded, untraced
from functions.inventory import FUNCTIONS
from telemetry.metric_table import LEVELS, METRICS, covers

RECORDED = {"MessagesStaged": 3.0, "ApproximateNumberOfMessagesVisible": 7.0}


class CloudWatch:
    """Has data for a few metrics, whatever the time."""

    def get_paginator(self, name: str) -> CloudWatch:
        assert name == "get_metric_data"
        return self

    def paginate(self, *, MetricDataQueries: Any, StartTime: Any, EndTime: Any) -> Any:
        results = []
        for query in MetricDataQueries:
            name = query["MetricStat"]["Metric"]["MetricName"]
            values = [RECORDED[name]] if name in RECORDED else []
            results.append(
                {"Id": query["Id"], "Timestamps": [StartTime] * len(values), "Values": values}
            )
        yield {"MetricDataResults": results}


def at(level: str | None) -> Target:
    found = Target("fleet", _clients={"cloudwatch": CloudWatch()})
    found.__dict__["outputs"] = {
        "QueueUrl": "https://sqs/1/q", "DeadLetterQueueUrl": "https://sqs/1/dead",
        "RuleErrorQueueUrl": "https://sqs/1/rule", "StateMachineArn": "arn:machine",
        **{f"{spec.title}FunctionName": f"fleet-{spec.name}" for spec in FUNCTIONS},
        **({"Observability": level} if level else {}),
    }  # fmt: skip
    return found


@pytest.fixture
def etl(monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(level: str | None, *words: str) -> Any:
        monkeypatch.setattr("etl.cli.metrics.target_of", lambda _: at(level))
        return CliRunner().invoke(app, ["metrics", *words], env={"COLUMNS": "80"})

    return run


def test_a_stack_of_an_earlier_version_has_everything():
    assert deployed_level(at(None)) == "full"
    assert [deployed_level(at(level)) for level in LEVELS] == list(LEVELS)


def test_a_metric_that_the_level_does_not_record_says_which_setting_does(etl):
    done = etl("lean", "StageSeconds/load")
    assert done.exit_code == 0
    text = " ".join(done.output.split())
    assert (
        "StageSeconds: not recorded at level lean (operation.observability = full records it)"
        in text
    )
    assert "no data" not in text
    text = " ".join(etl("lean", "LagMedianSeconds").output.split())
    assert "at level lean (operation.observability = standard records it)" in text


def test_a_metric_that_is_recorded_and_has_no_value_has_no_data(etl):
    assert "no data since" in etl("lean", "RejectShare").output
    assert "no data since" in etl("full", "StageSeconds/load").output


def test_the_list_counts_what_is_not_recorded(etl):
    done = etl("lean")
    absent = sum(not covers("lean", one.level) for one in all_signals(at("lean")))
    assert absent >= 35
    assert f"{absent} are not recorded at level lean" in done.output
    assert "MessagesStaged" in done.output
    assert "not recorded" not in etl("full").output
    assert "not at lean" in etl("lean", "--all").output
    assert max(len(line) for line in etl("lean", "--all").stdout.splitlines()) <= 80


def test_a_script_is_told_too(etl):
    (one,) = json.loads(etl("standard", "StageSeconds/load", "--json").stdout)
    assert one["not_recorded"].startswith("not recorded at level standard")
    (one,) = json.loads(etl("full", "StageSeconds/load", "--json").stdout)
    assert not {"not_recorded", "level"} & one.keys()


@pytest.mark.parametrize("level", LEVELS)
def test_only_what_is_above_the_level_is_named_so(level):
    for metric in METRICS.values():
        assert bool(not_recorded(level, metric.level)) is not covers(level, metric.level)


def test_a_missing_trace_is_explained_by_the_share():
    assert untraced("full") == "traces are kept for 30 days"
    assert "5 % of the executions are traced" in untraced("lean")


def test_an_alarm_that_the_level_lacks_is_not_a_mistyped_one(monkeypatch):
    monkeypatch.setattr("etl.operations.alarms.alarms", lambda _: [])
    with pytest.raises(NotFoundError, match=r"has no alarm 'lag' .*standard has it"):
        alarm(at("lean"), "fleet-lag")
    with pytest.raises(NotFoundError, match="There is no alarm 'lagg'"):
        alarm(at("lean"), "lagg")
    assert absent_alarm("full", "lag") == absent_alarm("lean", "queue-age") == ""
