"""Amazon CloudWatch: metrics that the services themselves record.

AWS: a log line in the embedded metric format, whoever wrote it, becomes metrics with its
dimensions. AWS/Lambda counts every invocation, whatever made it; AWS/States counts executions by
how they end; AWS/SQS has the number of messages in a queue and the age of the oldest, once a
minute.

MiniStack 1.5.33 keeps such lines as text, counts only what was invoked through the API, and has no
metrics of queues and executions. Remove each part when the released emulator passes its test
without it.

Difference: queues are measured every few seconds instead of every minute, so that alarms needn't be
waited for.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from datetime import datetime
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import cloudwatch, cloudwatch_logs, lambda_svc, sqs, stepfunctions

__all__ = ["RELIES_ON", "apply", "measure_queues", "take_line"]

RELIES_ON = (
    "core.responses.request_scope", "services.cloudwatch.TWO_WEEKS_SECONDS",
    "services.cloudwatch._evict_old_metrics", "services.cloudwatch._metrics.all_items",
    "services.cloudwatch._store_datum", "services.cloudwatch_logs._append_log_events",
    "services.lambda_svc._emit_lambda_logs", "services.lambda_svc._emit_lambda_metrics",
    "services.sqs._queues.all_items", "services.stepfunctions._emit_execution_status_event",
)  # fmt: skip

Document = dict[str, Any]

QUEUE_SECONDS = 5.0
MOST_VALUES = 100
"""Most values of one metric in a line, by the specification of the format."""
ENDED = {
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "ABORTED": "ExecutionsAborted",
    "TIMED_OUT": "ExecutionsTimedOut",
}

_log = logging.getLogger("emulator.metrics")


def apply() -> None:
    """Metrics from log lines, invocations, executions and queues."""
    _take_log_lines()
    _count_invocations()
    _count_executions()
    cloudwatch._evict_old_metrics = _evict_nothing
    threading.Thread(target=_measure_queues_forever, daemon=True).start()


def take_line(text: str) -> None:
    """The metrics in one log line; a line that isn't in the format is only a line."""
    if '"_aws"' not in text:
        return
    try:
        line = json.loads(text)
        metadata = line["_aws"]
        moment = float(metadata["Timestamp"]) / 1000
        for directive in metadata["CloudWatchMetrics"]:
            for dimensions in directive["Dimensions"]:
                named = {name: str(line[name]) for name in dimensions}
                for metric in directive["Metrics"]:
                    values = line[metric["Name"]]
                    values = values if isinstance(values, list) else [values]
                    for value in values[:MOST_VALUES]:
                        unit = metric.get("Unit", "None")
                        _store(directive["Namespace"], metric["Name"], named, moment, unit, value)
    except (ValueError, KeyError, TypeError) as error:
        # CloudWatch drops what breaks the format and counts it; here it shows.
        _log.warning("A line is not a valid embedded metric: %s: %s", error, text[:300])


def _store(
    namespace: str, name: str, dimensions: dict[str, str], moment: float, unit: str, value: Any
) -> None:
    cloudwatch._store_datum(
        namespace, name, dimensions, moment, unit, float(value), None, None, None
    )


def _record(namespace: str, name: str, dimensions: dict[str, str], unit: str, value: Any) -> None:
    _store(namespace, name, dimensions, time.time(), unit, value)


def _take_log_lines() -> None:
    append = cloudwatch_logs._append_log_events

    def append_and_take(stream: Document, events: list[Document]) -> Any:
        for event in events:
            take_line(event["message"])
        return append(stream, events)

    cloudwatch_logs._append_log_events = append_and_take


def _count_invocations() -> None:
    emit_logs = lambda_svc._emit_lambda_logs

    def emit(
        function: Document, request_id: str, log: str, error: bool, duration_ms: int, **more: Any
    ) -> None:
        emit_logs(function, request_id, log, error, duration_ms, **more)
        named = {"FunctionName": (function.get("config") or function)["FunctionName"]}
        _record("AWS/Lambda", "Invocations", named, "Count", 1)
        _record("AWS/Lambda", "Errors", named, "Count", int(bool(error)))
        _record("AWS/Lambda", "Throttles", named, "Count", 0)
        _record("AWS/Lambda", "Duration", named, "Milliseconds", duration_ms)

    def emit_refusal(name: str, duration_ms: float, error: bool, throttle: bool) -> None:
        """Count a throttled call once.

        MiniStack reports it where it is refused, and a call of the API again with its answer.
        """
        del error
        if throttle and not duration_ms:
            _record("AWS/Lambda", "Throttles", {"FunctionName": name}, "Count", 1)

    lambda_svc._emit_lambda_logs = emit
    lambda_svc._emit_lambda_metrics = emit_refusal


def _count_executions() -> None:
    emit = stepfunctions._emit_execution_status_event

    def emit_and_count(execution: Document) -> None:
        emit(execution)
        machine = {"StateMachineArn": execution["stateMachineArn"]}
        status = execution["status"]
        if status == "RUNNING":
            _record("AWS/States", "ExecutionsStarted", machine, "Count", 1)
            return
        # AWS has a zero in each of the others: an alarm is over once executions succeed.
        for ended, name in ENDED.items():
            _record("AWS/States", name, machine, "Count", int(ended == status))
        took = 1000 * (_moment(execution["stopDate"]) - _moment(execution["startDate"]))
        _record("AWS/States", "ExecutionTime", machine, "Milliseconds", max(0.0, took))

    stepfunctions._emit_execution_status_event = emit_and_count


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _measure_queues_forever() -> None:
    while True:
        try:
            measure_queues(time.time())
            _drop_old_metrics(time.time() - cloudwatch.TWO_WEEKS_SECONDS)
        except Exception:  # a queue that changes meanwhile costs one measurement
            _log.exception("The queues could not be measured")
        time.sleep(QUEUE_SECONDS)


def measure_queues(now: float) -> None:
    """The metrics of every queue of every account and region."""
    for (account, region, _), queue in sqs._queues.all_items():
        messages = list(queue["messages"])
        visible = sum(message["visible_at"] <= now for message in messages)
        oldest = min((message["sent_at"] for message in messages), default=now)
        named = {"QueueName": queue["name"]}
        with request_scope(account, region):
            for name, unit, value in (
                ("ApproximateNumberOfMessagesVisible", "Count", visible),
                ("ApproximateNumberOfMessagesNotVisible", "Count", len(messages) - visible),
                ("ApproximateAgeOfOldestMessage", "Seconds", max(0, int(now - oldest))),
            ):
                _record("AWS/SQS", name, named, unit, value)


def _evict_nothing() -> None:
    """Leave eviction to the measuring thread.

    MiniStack copies all metrics with each request, and loses what a thread adds meanwhile.
    """


def _drop_old_metrics(before: float) -> None:
    for _, points in cloudwatch._metrics.all_items():
        while points and points[0]["Timestamp"] < before:
            del points[0]
