"""Amazon CloudWatch alarms: the reason of a state, and the message that SNS sends about it.

AWS: the reason of a state gives the values, their times and how many of them decide; the message to
a topic has a documented form, with the region's name in words
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html).
Each action goes into the alarm's history.

MiniStack 1.5.33 has a shorter reason and lacks half of the message. Goes with
:mod:`local.emulator.patches.alarms`, which uses it.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from functools import cache
from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import cloudwatch, sns

__all__ = ["RELIES_ON", "iso", "notify_topics", "state_reason"]

RELIES_ON = (
    "core.responses.get_account_id", "core.responses.get_region", "core.responses.new_uuid",
    "services.cloudwatch._history_entries", "services.cloudwatch._is_sns_action_arn",
    "services.cloudwatch._ts_iso", "services.sns._fanout",
)  # fmt: skip

Document = dict[str, Any]

WORDS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanOrEqualToThreshold": "less than or equal to",
    "LessThanThreshold": "less than",
}
ACTIONS = {
    "ALARM": "AlarmActions",
    "OK": "OKActions",
    "INSUFFICIENT_DATA": "InsufficientDataActions",
}
LONGEST_SUBJECT = 100


def state_reason(
    alarm: Document, state: str, over: int, values: list[float | None], now: float
) -> str:
    """Reason for an alarm's state: ``over`` of the values, newest first, breach."""
    looked_at = len(values)
    if state == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {_number(looked_at, 'datapoint')} unknown."
    if all(value is None for value in values):
        taken = "Breaching" if alarm["TreatMissingData"] == "breaching" else "NonBreaching"
        return (
            "Threshold Crossed: no datapoints were received for "
            f"{looked_at} period{'' if looked_at == 1 else 's'} and "
            f"{_number(looked_at, 'missing datapoint')} treated as [{taken}]."
        )
    enough = alarm.get("DatapointsToAlarm") or looked_at
    words = f"{WORDS[alarm['ComparisonOperator']]} the threshold ({alarm['Threshold']})"
    if state == "ALARM":
        count, least, change = over, enough, "OK -> ALARM"
    else:
        count, least, change = looked_at - over, looked_at - enough + 1, "ALARM -> OK"
        words = f"not {words}"
    return (
        f"Threshold Crossed: {count} out of the last {looked_at} datapoints "
        f"[{_shown(values, alarm['Period'], now)}] {'was' if count == 1 else 'were'} {words} "
        f"(minimum {least} datapoint{'' if least == 1 else 's'} for {change} transition)."
    )


def _number(count: int, noun: str) -> str:
    return f"{count} {noun} was" if count == 1 else f"{count} {noun}s were"


def _shown(values: list[float | None], period: int, now: float) -> str:
    return ", ".join(
        f"{value} ({datetime.fromtimestamp(now - place * period, UTC):%d/%m/%y %H:%M:%S})"
        for place, value in enumerate(values)
        if value is not None
    )


def notify_topics(alarm: Document, before: str, state: str, reason: str) -> None:
    """Publish a change of state to the topics among the actions for it."""
    if not alarm.get("ActionsEnabled", True):
        return
    message = json.dumps(_message(alarm, before, state, reason))
    subject = f'{state}: "{alarm["AlarmName"]}" in {_region_name(get_region())}'
    for topic in filter(cloudwatch._is_sns_action_arn, alarm.get(ACTIONS[state]) or []):
        try:
            sns._fanout(topic, new_uuid(), message, subject[:LONGEST_SUBJECT])
            outcome = f"Successfully executed action {topic}"
        except Exception as error:  # one topic that fails must not stop the alarm
            outcome = f"Failed to execute action {topic}. Received error: {error!r}"
        cloudwatch._history_entries().append(
            {
                "AlarmName": alarm["AlarmName"],
                "AlarmType": "CompositeAlarm" if "AlarmRule" in alarm else "MetricAlarm",
                "Timestamp": cloudwatch._ts_iso(time.time()),
                "HistoryItemType": "Action",
                "HistorySummary": outcome,
                "HistoryData": json.dumps(
                    {"actionState": outcome.split()[0], "stateUpdate": state}
                ),
            }
        )


def _message(alarm: Document, before: str, state: str, reason: str) -> Document:
    message = {
        "AlarmName": alarm["AlarmName"],
        "AlarmDescription": alarm.get("AlarmDescription") or None,
        "AWSAccountId": get_account_id(),
        "AlarmConfigurationUpdatedTimestamp": iso(
            alarm.get("AlarmConfigurationUpdatedTimestamp", 0)
        ),
        "NewStateValue": state,
        "NewStateReason": reason,
        "StateChangeTime": iso(time.time()),
        "Region": _region_name(get_region()),
        "AlarmArn": alarm["AlarmArn"],
        "OldStateValue": before,
        "OKActions": alarm.get("OKActions", []),
        "AlarmActions": alarm.get("AlarmActions", []),
        "InsufficientDataActions": alarm.get("InsufficientDataActions", []),
    }
    if "AlarmRule" in alarm:
        return message | {"AlarmRule": alarm["AlarmRule"]}
    return message | {"Trigger": _trigger(alarm)}


def _trigger(alarm: Document) -> Document:
    percentile = alarm.get("ExtendedStatistic")
    if percentile:
        statistic = {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": percentile}
    else:
        names = {"SampleCount": "SAMPLE_COUNT"}
        given = alarm.get("Statistic", "Average")
        statistic = {"StatisticType": "Statistic", "Statistic": names.get(given, given.upper())}
    enough = alarm.get("DatapointsToAlarm")
    return {
        "MetricName": alarm["MetricName"],
        "Namespace": alarm["Namespace"],
        **statistic,
        "Unit": alarm.get("Unit"),
        "Dimensions": [
            {"value": one["Value"], "name": one["Name"]} for one in alarm.get("Dimensions") or []
        ],
        "Period": alarm["Period"],
        "EvaluationPeriods": alarm["EvaluationPeriods"],
        **({} if enough is None else {"DatapointsToAlarm": enough}),
        "ComparisonOperator": alarm["ComparisonOperator"],
        "Threshold": alarm["Threshold"],
        "TreatMissingData": alarm.get("TreatMissingData") or "missing",
        "EvaluateLowSampleCountPercentile": "",
    }


def iso(moment: float) -> str:
    """A time (epoch seconds) as CloudWatch writes it in texts."""
    whole = datetime.fromtimestamp(moment, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{whole.microsecond // 1000:03d}+0000"


@cache
def _region_name(region: str) -> str:
    """The region's name in words: ``Europe (Ireland)`` for ``eu-west-1``."""
    from botocore.loaders import Loader

    for partition in Loader().load_data("endpoints")["partitions"]:
        if region in partition["regions"]:
            return str(partition["regions"][region]["description"])
    return region
