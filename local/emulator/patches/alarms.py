"""Amazon CloudWatch alarms: evaluated by their own metric, over their periods.

AWS: an alarm looks at the one metric with exactly its dimensions, period by period, over the last
``EvaluationPeriods``; it fires where ``DatapointsToAlarm`` of them reach the threshold, and
``TreatMissingData`` says what periods without data are. It is evaluated again and again, so that it
also ends by itself. A change of state goes into the history, and to the topics among its actions
(:mod:`local.emulator.patches.sns`); also the first change from INSUFFICIENT_DATA to OK.

A template may give an alarm a Metrics Insights query instead: ``SELECT SUM(m) FROM "n" WHERE d =
'v'``, over all metrics with that dimension, whatever others they have.

MiniStack 1.5.33 accepts no query. It evaluates an alarm only when data arrives, over all metrics of
that name whatever their dimensions, over one long period, and never treats missing data. Remove
when the released emulator passes the tests without it.

Differences: AWS evaluates once a minute; here every second, by periods that end now, so that no
test waits for a minute to end. Periods keep their length. A query becomes an alarm on the metric
with that dimension alone. What is set by hand stays for :data:`HELD_SECONDS`. "missing" and
"ignore" look at no more than the evaluation periods; AWS looks back a little further for data.
"""

from __future__ import annotations

import json
import logging
import operator
import re
import threading
import time
from collections.abc import Callable
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

from local.emulator.patches.sns import iso, notify_topics, state_reason

__all__ = ["RELIES_ON", "apply", "state_of"]

RELIES_ON = (
    "core.responses.request_scope", "services.cloudwatch._alarms.all_items",
    "services.cloudwatch._calc_stats", "services.cloudwatch._dims_from_list",
    "services.cloudwatch._dims_key", "services.cloudwatch._dispatch_alarm_actions",
    "services.cloudwatch._evaluate_alarm", "services.cloudwatch._evaluate_parent_alarms",
    "services.cloudwatch._metrics", "services.cloudwatch._p",
    "services.cloudwatch._record_history", "services.cloudwatch._set_alarm_state",
    "services.cloudwatch._stat_value",
    "services.cloudformation.provisioners._cw_metric_alarm_record",
)  # fmt: skip

Document = dict[str, Any]

QUERY = re.compile(r"""SELECT SUM\((\w+)\) FROM "([\w/]+)" WHERE (\w+) = '([^']+)'""")
TICK_SECONDS = 1.0
HELD_SECONDS = 5.0
LATE_SECONDS = 300.0
"""Data may be stored so long after its timestamp."""
BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanOrEqualToThreshold": operator.le,
    "LessThanThreshold": operator.lt,
}

_held: dict[str, float] = {}
"""ARN of an alarm that was set by hand: ``time.time()`` until which it stays so."""
_evaluating = threading.RLock()
_log = logging.getLogger("emulator.alarms")


def apply() -> None:
    """Evaluate every alarm every second until the emulator ends."""
    cloudwatch._evaluate_alarm = _evaluate
    cloudwatch._dispatch_alarm_actions = notify_topics
    _hold_what_is_set_by_hand()
    _accept_queries()
    threading.Thread(target=_evaluate_forever, daemon=True).start()


def state_of(
    values: list[float | None], alarm: Document, state: str
) -> tuple[str, int, list[float | None]]:
    """The state that these periods give, how many of them breach, and the values used.

    ``values`` has one entry for each period, newest first; ``None`` where it has no data.
    """
    breaches = BREACHES[alarm["ComparisonOperator"]]
    enough = alarm.get("DatapointsToAlarm") or len(values)
    known = [value for value in values if value is not None]
    over = sum(breaches(value, alarm["Threshold"]) for value in known)
    missing = len(values) - len(known)
    treatment = alarm.get("TreatMissingData") or "missing"
    if treatment == "breaching":
        over += missing
    elif treatment == "missing" and not known:
        return "INSUFFICIENT_DATA", over, values
    elif treatment == "missing":
        enough = min(enough, len(known))
    elif treatment == "ignore" and over < enough <= over + missing:
        return state, over, values  # what is missing could decide it
    return ("ALARM" if over >= enough else "OK"), over, values


def _evaluate_forever() -> None:
    while True:
        time.sleep(TICK_SECONDS)
        for (account, region, name), alarm in cloudwatch._alarms.all_items():
            try:
                with request_scope(account, region):
                    _evaluate(alarm)
            except Exception:  # one broken alarm must not end all of them
                _log.exception("The alarm %s can't be evaluated", name)


def _evaluate(alarm: Document) -> None:
    """Evaluate one alarm of the current account and region; notify when its state changes."""
    if not alarm.get("Namespace") or alarm.get("ComparisonOperator") not in BREACHES:
        return
    with _evaluating:  # a request and the ticker may come at the same time
        if _held.get(alarm["AlarmArn"], 0) > time.time():
            return
        before = alarm["StateValue"]
        now = time.time()
        state, over, values = state_of(_values(alarm, now), alarm, before)
        if state == before:
            return
        _change(alarm, before, state, state_reason(alarm, state, over, values, now), values)


def _change(
    alarm: Document, before: str, state: str, reason: str, values: list[float | None]
) -> None:
    moment = time.time()
    data = {
        "version": "1.0",
        "queryDate": iso(moment),
        "period": alarm["Period"],
        "recentDatapoints": [value for value in values if value is not None],
        "threshold": alarm["Threshold"],
    }
    alarm.update(
        StateValue=state,
        StateReason=reason,
        StateReasonData=json.dumps(data),
        StateUpdatedTimestamp=moment,
        StateTransitionedTimestamp=moment,
    )
    cloudwatch._record_history(alarm["AlarmName"], before, state, reason, reason_data=data)
    notify_topics(alarm, before, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def _values(alarm: Document, now: float) -> list[float | None]:
    """The metric in each of the last periods, newest first."""
    period, periods = alarm["Period"], alarm["EvaluationPeriods"]
    named = cloudwatch._dims_from_list(alarm.get("Dimensions") or [])
    key = (alarm["Namespace"], alarm["MetricName"], cloudwatch._dims_key(named))
    buckets: list[list[Document]] = [[] for _ in range(periods)]
    for point in reversed(cloudwatch._metrics.get(key) or []):
        age = now - point["Timestamp"]
        if age > period * periods + LATE_SECONDS:
            break
        if 0 <= age < period * periods:
            buckets[int(age // period)].append(point)
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
    return [
        cloudwatch._stat_value(cloudwatch._calc_stats(points), statistic, points)
        if points
        else None
        for points in buckets
    ]


def _hold_what_is_set_by_hand() -> None:
    set_state = cloudwatch._set_alarm_state

    def set_and_hold(params: Any, given: Document, *protocol: Any) -> Any:
        name = given.get("AlarmName") or cloudwatch._p(params, "AlarmName")
        alarm = cloudwatch._alarms.get(name)
        with _evaluating:
            if alarm is not None:
                _held[alarm["AlarmArn"]] = time.time() + HELD_SECONDS
                alarm["StateTransitionedTimestamp"] = time.time()
            return set_state(params, given, *protocol)

    cloudwatch._set_alarm_state = set_and_hold


def _accept_queries() -> None:
    """Make a template's alarm on a query one on its metric."""
    record = provisioners._cw_metric_alarm_record

    def by_metric(name: str, properties: Document) -> Document:
        metrics = properties.get("Metrics") or []
        asked = QUERY.fullmatch(metrics[0].get("Expression", "")) if len(metrics) == 1 else None
        if asked is None:
            return dict(record(name, properties))
        metric, namespace, dimension, value = asked.groups()
        own = {
            "MetricName": metric,
            "Namespace": namespace,
            "Dimensions": [{"Name": dimension, "Value": value}],
            "Statistic": "Sum",
            "Period": metrics[0]["Period"],
        }
        return dict(record(name, {**properties, **own, "Metrics": None}))

    provisioners._cw_metric_alarm_record = by_metric
