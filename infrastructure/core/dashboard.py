"""The pipeline's CloudWatch dashboard: one page, from the devices' messages to the rows.

:func:`dashboard_body` is a pure function that returns the body as plain data, with ``${...}`` for
the template's resources in its texts. Its structure:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
(read 2026-11); a test checks it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from troposphere import Sub, Template, cloudwatch

from functions.inventory import FUNCTIONS, function
from infrastructure.core.alarm_spec import RUNBOOK, AlarmSpec
from infrastructure.core.alarms import ALARMS
from infrastructure.core.parameters import OBSERVES_FULL
from telemetry.metric_table import METRICS, NAMESPACE, PIPELINE, REASONS, STAGES

__all__ = ["add_dashboard", "dashboard_body"]

COLUMNS = 24
HEIGHT = 6
PERIOD = 300
STACK = "${AWS::StackName}"
RED, ORANGE, GREEN, BLUE, GREY = "#d62728", "#ff7f0e", "#2ca02c", "#1f77b4", "#7f7f7f"

Widget = dict[str, Any]
Line = list[Any]


def add_dashboard(template: Template, alarms: Sequence[AlarmSpec]) -> None:
    """Add the dashboard, which has the stack's name, where the level has all that it shows."""
    body = json.dumps(dashboard_body(alarms), separators=(",", ":"))
    # A parameter's number is a text until CloudFormation has put it in.
    body = re.sub(r'"value":"(\$\{\w+\})"', r'"value":\1', body)
    template.add_resource(
        cloudwatch.Dashboard(
            "Dashboard",
            Condition=OBSERVES_FULL,
            DashboardName=Sub(STACK),
            DashboardBody=Sub(body),
        )
    )


def dashboard_body(alarms: Sequence[AlarmSpec] = ALARMS) -> dict[str, Any]:
    """``{"widgets": [...]}``: rows of widgets on a grid of 24 columns."""
    rows = [
        [_header()],
        [_alarms(alarms)],
        [_messages(), _readings(), _rejects()],
        [_delay(), _queue(), _stages()],
        [_batches(), _executions(), _dead_letters()],
        [_failures(), _load(), _errors()],
    ]
    widgets, top = [], 0
    for row in rows:
        left = 0
        for widget in row:
            width = COLUMNS // len(row)
            widgets.append(widget | {"x": left, "y": top, "width": width})
            left += width
        top += max(widget["height"] for widget in row)
    return {"start": "-PT6H", "periodOverride": "inherit", "widgets": widgets}


def _header() -> Widget:
    text = (
        f"# {STACK}\n"
        "From the devices' messages to rows in PostgreSQL, left to right and top to bottom. "
        f"What to do when an alarm is firing: `{RUNBOOK}` and `etl alarms`."
    )
    return {"type": "text", "height": 2, "properties": {"markdown": text}}


def _alarms(specs: Sequence[AlarmSpec]) -> Widget:
    # An alarm under a condition can't be referred to.
    arns = [f"${{{spec.title}.Arn}}" for spec in specs if spec.condition is None]
    properties = {"title": "Alarms", "alarms": arns, "sortBy": "stateUpdatedTimestamp"}
    return {"type": "alarm", "height": 4, "properties": properties}


def _messages() -> Widget:
    return _chart(
        "Messages staged in S3",
        [
            _own("MessagesStaged", "messages", GREEN),
            _own("MessagesNotDeleted", "delivered again", GREY),
        ],
    )


def _readings() -> Widget:
    lines = [
        _own("ReadingsInserted", "new rows", GREEN),
        _own("ReadingsUpdated", "rows updated", BLUE),
        _own("ReadingsUnchanged", "rows unchanged", GREY),
        _own("ReadingsDuplicate", "duplicates in a batch", "#c7c7c7"),
        _own("ReadingsConflicting", "conflicts", "#ff7f0e"),
        _own("ReadingsRejected", "rejected", RED),
    ]
    return _chart("Readings by result", lines, stacked=True)


def _rejects() -> Widget:
    name = "ReadingsRejectedByReason"
    lines = [_own(name, reason.replace("_", " "), of=reason) for reason in REASONS]
    share: Line = [
        {"expression": "100*rejected/read", "label": "percent of all", "yAxis": "right", "id": "s"}
    ]
    hidden = [
        _own("ReadingsRejected", "", id="rejected", visible=False),
        _own("ReadingsRead", "", id="read", visible=False),
    ]
    axes = {"right": {"min": 0, "label": "percent", "showUnits": False}}
    return _chart("Rejected readings, by reason", [*lines, *hidden, share], stacked=True, axes=axes)


def _delay() -> Widget:
    lines = [
        _own("LagMedianSeconds", "by the device's clock, median"),
        _own("ArrivalToRowSeconds", "from AWS IoT, median"),
        _own("NewestArrivalToRowSeconds", "from AWS IoT, newest of a batch"),
        _own("ArrivalToRowSeconds", "from AWS IoT, slowest", RED, stat="Maximum"),
    ]
    return _chart("Time from reading to row (s)", lines, limits=["lag"])


def _queue() -> Widget:
    queue = ("AWS/SQS", "QueueName", "${TelemetryQueue.QueueName}")
    lines = [
        _line(*queue, "ApproximateAgeOfOldestMessage", "age of the oldest (s)", "Maximum", RED),
        _line(
            *queue, "ApproximateNumberOfMessagesVisible", "messages waiting (right)", "Maximum",
            BLUE, yAxis="right",
        ),
    ]  # fmt: skip
    return _chart("Messages in the queue", lines, limits=["queue-age"])


def _stages() -> Widget:
    lines = [_own("StageSeconds", stage, of=stage) for stage in STAGES]
    return _chart("Duration of a stage, median (s)", lines)


def _batches() -> Widget:
    lines = [
        _own("BatchesLoaded", "loaded", GREEN),
        _own("BatchesQuarantined", "quarantined", ORANGE),
        _own("BatchesFailed", "failed", RED),
        _own("BatchesNeedAttention", "need attention", "#9467bd"),
    ]
    return _chart("Micro-batches", lines)


def _executions() -> Widget:
    machine = ("AWS/States", "StateMachineArn", "${StateMachine}")
    lines = [
        _line(*machine, "ExecutionsSucceeded", "succeeded", "Sum", GREEN),
        _line(*machine, "ExecutionsFailed", "failed", "Sum", RED),
        _line(*machine, "ExecutionsTimedOut", "timed out", "Sum", ORANGE),
    ]
    return _chart("Executions of the workflow", lines)


def _dead_letters() -> Widget:
    lines = [
        _line(
            "AWS/SQS", "QueueName", f"${{{queue}.QueueName}}",
            "ApproximateNumberOfMessagesVisible", label, "Maximum", colour,
        )
        for queue, label, colour in (
            ("DeadLetterQueue", "could not be staged", RED),
            ("RuleErrorQueue", "could not be delivered by AWS IoT", ORANGE),
        )
    ]  # fmt: skip
    return _chart("Undelivered messages", lines)


def _failures() -> Widget:
    lines = [
        _line(*_function(spec.name), metric, f"{spec.name} {what}", "Sum")
        for metric, what in (("Errors", "failed"), ("Throttles", "throttled"))
        for spec in FUNCTIONS
    ]
    return _chart("Function invocations that failed or were throttled", lines)


def _load() -> Widget:
    lines = [
        _line(*_function("load"), "Duration", "longest", "Maximum", RED),
        _line(*_function("load"), "Duration", "median", "p50", BLUE),
    ]
    widget = _chart("Load (ms)", lines)
    most = function("load").timeout * 1000
    widget["properties"]["annotations"] = {
        "horizontal": [{"label": "Lambda timeout", "value": most, "color": RED}]
    }
    return widget


def _errors() -> Widget:
    groups = " | ".join(f"SOURCE '${{{spec.title}LogGroup}}'" for spec in FUNCTIONS)
    query = (
        f"{groups} | fields @timestamp, service, error, message, execution, batch_id "
        "| filter level in ['ERROR', 'WARNING'] | sort @timestamp desc | limit 20"
    )
    properties = {
        "title": "Latest errors and warnings",
        "region": "${AWS::Region}",
        "query": query,
        "view": "table",
    }
    return {"type": "log", "height": HEIGHT, "properties": properties}


def _function(name: str) -> tuple[str, str, str]:
    return "AWS/Lambda", "FunctionName", f"${{{function(name).title}Function}}"


def _own(
    name: str, label: str, colour: str | None = None, of: str | None = None, **how: Any
) -> Line:
    """A line of one of the pipeline's own metrics, with its usual statistic."""
    metric = METRICS[name]
    own = [metric.dimension, of] if of is not None else []
    options = {"stat": metric.statistic, **({"label": label} if label else {}), **how}
    if colour is not None:
        options["color"] = colour
    return [NAMESPACE, name, PIPELINE, STACK, *own, options]


def _line(
    namespace: str,
    dimension: str,
    value: str,
    metric: str,
    label: str,
    statistic: str,
    colour: str | None = None,
    **how: Any,
) -> Line:
    options = {"label": label, "stat": statistic, **how}
    if colour is not None:
        options["color"] = colour
    return [namespace, metric, dimension, value, options]


def _chart(
    title: str,
    lines: list[Line],
    *,
    stacked: bool = False,
    axes: dict[str, Any] | None = None,
    limits: list[str] | None = None,
) -> Widget:
    """A chart of lines; ``limits``: alarms whose threshold is drawn across it."""
    properties: dict[str, Any] = {
        "title": title,
        "region": "${AWS::Region}",
        "view": "timeSeries",
        "stacked": stacked,
        "period": PERIOD,
        "metrics": lines,
        "yAxis": {"left": {"min": 0, "showUnits": False}, **(axes or {})},
    }
    if limits:
        properties["annotations"] = {"horizontal": [_limit(name) for name in limits]}
    return {"type": "metric", "height": HEIGHT, "properties": properties}


def _limit(name: str) -> dict[str, Any]:
    """A threshold as a line across the chart."""
    spec = next(spec for spec in ALARMS if spec.name == name)
    return {"label": f"alarm {name}", "value": f"${{{spec.threshold.data['Ref']}}}", "color": RED}
