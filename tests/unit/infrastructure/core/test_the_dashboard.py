"""The CloudWatch dashboard: its golden file, AWS's structure, and that it shows what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from infrastructure.core.alarms import ALARMS
from infrastructure.core.dashboard import COLUMNS, dashboard_body
from telemetry.metric_table import METRICS, NAMESPACE
from tests.fixtures.golden_files import check_golden

SCHEMA = json.loads(Path(__file__).with_name("dashboard_schema.json").read_text())


@pytest.fixture(scope="module")
def body(resources: dict[str, Any], template: dict[str, Any]) -> dict[str, Any]:
    """As CloudFormation hands it to CloudWatch: every ``${...}`` replaced."""
    text = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    known = {"AWS::Region", "AWS::StackName", *template["Resources"]}

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name in template["Parameters"]:
            return str(template["Parameters"][name]["Default"])
        assert name.partition(".")[0] in known, name
        return name

    found: dict[str, Any] = json.loads(re.sub(r"\$\{([^}]+)\}", value, text))
    return found


def lines(body: dict[str, Any]) -> list[list[Any]]:
    return [line for w in body["widgets"] for line in w["properties"].get("metrics", [])]


def test_the_dashboard_is_the_golden_one():
    check_golden(__file__, "dashboard.json", dashboard_body())


def test_cloudwatch_would_take_it(body):
    jsonschema.Draft202012Validator(SCHEMA).validate(body)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda b: b["widgets"][2]["properties"].pop("region"),
        lambda b: b["widgets"][2]["properties"].update(period=100),
        lambda b: b["widgets"][0].update(x=24),
        lambda b: b["widgets"][1]["properties"].update(alarms=[]),
        lambda b: b["widgets"][2]["properties"]["metrics"][0][-1].update(colour="red"),
        lambda b: b["widgets"][2]["properties"]["metrics"].append([{"label": "nothing"}]),
    ],
)
def test_the_check_would_notice(body, spoil):
    spoiled = json.loads(json.dumps(body))
    spoil(spoiled)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(spoiled)


def test_no_widget_covers_another_or_leaves_the_page(body):
    taken: set[tuple[int, int]] = set()
    for widget in body["widgets"]:
        assert widget["x"] + widget["width"] <= COLUMNS
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & taken
        taken |= cells


def test_it_draws_only_metrics_that_are_emitted_with_their_dimensions(body):
    for line in lines(body):
        if line[0] != NAMESPACE:
            continue
        metric, dimensions = METRICS[line[1]], line[2:-1]
        assert dimensions[:2] == ["Pipeline", "AWS::StackName"]
        own = dimensions[2:]
        assert own == [] if metric.dimension is None else own[0] == metric.dimension
        assert not own or own[1] in metric.values


def test_every_metric_is_on_it_but_those_that_explain_others(body):
    drawn = {line[1] for line in lines(body) if line[0] == NAMESPACE}
    apart = {"BatchesStaged", "MessagesUnreadable", "QueueSeconds", "ReadingsSetAside", "RejectShare", "RollupRefreshesFailed", "LagMaxSeconds", "BatchesSwept", "NotificationsFailed"}  # fmt: skip
    assert set(METRICS) - drawn == apart


def test_every_alarm_that_is_always_there_is_on_it(body):
    (widget,) = [w for w in body["widgets"] if w["type"] == "alarm"]
    expected = {f"{spec.title}.Arn" for spec in ALARMS if spec.condition is None}
    assert set(widget["properties"]["alarms"]) == expected


def test_a_threshold_is_drawn_as_the_number_that_the_parameter_has(body):
    drawn = {
        one["label"]: one["value"]
        for w in body["widgets"]
        for one in w["properties"].get("annotations", {}).get("horizontal", [])
    }
    assert drawn["alarm lag"] == 900
    assert drawn["alarm queue-age"] == 900


def test_titles_are_in_plain_words(body):
    titles = [w["properties"]["title"] for w in body["widgets"] if "title" in w["properties"]]
    assert len(titles) == len(set(titles)) == len(body["widgets"]) - 1
    assert not [title for title in titles if re.search(r"[a-z][A-Z]|_|/", title)]
