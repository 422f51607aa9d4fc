"""Thresholds of the alarms of a pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from infrastructure.setting_fields import setting

__all__ = ["AlarmSettings"]

LONGEST_SILENCE_MINUTES = 24 * 60
"""CloudWatch looks back a day at most where a period is shorter than an hour
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html)."""


@dataclass(frozen=True, kw_only=True)
class AlarmSettings:
    """Thresholds of the alarms. An alarm fires when its metric reaches the threshold."""

    failed_executions: int = setting(
        1,
        "Failed executions within five minutes.",
        key="alarms.failed_executions",
        parameter="AlarmAtFailedExecutions",
        least=1,
    )
    timed_out_executions: int = setting(
        1,
        "Executions within five minutes that were stopped because they ran too long.",
        key="alarms.timed_out_executions",
        parameter="AlarmAtTimedOutExecutions",
        least=1,
    )
    reject_share_percent: int = setting(
        10,
        "Percentage of rejected readings, averaged over the batches of five minutes.",
        key="alarms.reject_share_percent",
        parameter="AlarmAtRejectPercent",
        least=1,
    )
    lag_seconds: int = setting(
        900,
        "Seconds from a reading's own time to its row: the median, in two of three periods of "
        "five minutes.",
        key="alarms.lag_seconds",
        parameter="AlarmAtLagSeconds",
        least=1,
    )
    queue_age_seconds: int = setting(
        900,
        "Seconds that the oldest message has waited in the queue.",
        key="alarms.queue_age_seconds",
        parameter="AlarmAtQueueSeconds",
        least=1,
    )
    dead_letters: int = setting(
        1,
        "Messages in the dead-letter queue.",
        key="alarms.dead_letters",
        parameter="AlarmAtDeadLetters",
        least=1,
    )
    rule_errors: int = setting(
        1,
        "Messages that the topic rule could not deliver to the queue.",
        key="alarms.rule_errors",
        parameter="AlarmAtRuleErrors",
        least=1,
    )
    refused_publishes: int = setting(
        1,
        "Messages within five minutes that AWS IoT refused because a device's policy doesn't allow "
        "its topic. Counted for all devices of the account and region.",
        key="alarms.refused_publishes",
        parameter="AlarmAtRefusedPublishes",
        least=1,
    )
    function_errors: int = setting(
        5,
        "Failed invocations of one function within five minutes; of the sweep within an hour.",
        key="alarms.function_errors",
        parameter="AlarmAtFunctionErrors",
        least=1,
    )
    throttles: int = setting(
        10,
        "Invocations of one function within five minutes that Lambda throttled.",
        key="alarms.throttles",
        parameter="AlarmAtThrottles",
        least=1,
    )
    load_seconds: int = setting(
        60,
        "Duration of the longest load, in seconds; Lambda ends a load at 75.",
        key="alarms.load_seconds",
        parameter="AlarmAtLoadSeconds",
        least=1,
    )
    quarantined_batches: int = setting(
        1,
        "Batches that the checks quarantined within five minutes.",
        key="alarms.quarantined_batches",
        parameter="AlarmAtQuarantinedBatches",
        least=1,
    )
    batches_need_attention: int = setting(
        1,
        "Batches that the sweep no longer retries.",
        key="alarms.batches_need_attention",
        parameter="AlarmAtBatchesNeedAttention",
        least=1,
    )
    no_data_minutes: int = setting(
        0,
        "Minutes without any message; 0: no such alarm, because a fleet may be silent at night.",
        key="alarms.no_data_minutes",
        parameter="AlarmAfterSilentMinutes",
        least=0,
        most=LONGEST_SILENCE_MINUTES,
    )
