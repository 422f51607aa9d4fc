"""Alarms on messages that AWS IoT did not hand on: by a contract's topic rule, or by the broker.

(Metrics: docs.aws.amazon.com/iot/latest/developerguide/metrics_dimensions.html, read 2026-11.)
"""

from __future__ import annotations

from typing import Any

from troposphere import Ref

from infrastructure.core.alarm_spec import AlarmSpec
from infrastructure.core.parameters import HAS_METRIC_QUERIES
from infrastructure.core.topic_rules import FIRST_RULE

__all__ = ["of_the_broker", "of_the_rule"]

ERRORS_OF_RULE = "SELECT SUM(ErrorActionFailure) FROM \"AWS/IoT\" WHERE RuleName = '${TopicRule}'"


def of_the_rule(rule: str = FIRST_RULE, **about: str) -> list[AlarmSpec]:
    """Alarms on the topic rule of one contract; ``rule``: its logical id."""
    fields: dict[str, Any] = {"dimensions": {"RuleName": Ref(rule)}, **about}
    return [
        _alarm(
            "rule-error-action",
            "ErrorActionFailure",
            "Messages reached neither the queue nor the queue for rule errors: they are lost.",
            "Restore roles and queues: etl deploy; then see what is missing: etl reconcile.",
            # It has a second dimension, ActionType, whose values are not documented.
            query=ERRORS_OF_RULE.replace(FIRST_RULE, rule),
            condition=HAS_METRIC_QUERIES,
            level="lean",
            **fields,
        ),
        _alarm(
            "rule-throttled",
            "RuleMessageThrottled",
            "AWS IoT throttles the topic rule: messages are lost.",
            "See how many arrive: etl metrics MessagesStaged; then have the quota raised.",
            level="lean",
            **fields,
        ),
        _alarm(
            "rule-not-found",
            "RuleNotFound",
            "Devices publish directly to the topic rule, and AWS IoT doesn't find it.",
            "Create it again: etl deploy.",
            **fields,
        ),
    ]


def of_the_broker() -> list[AlarmSpec]:
    """Alarms on what devices publish, whatever contract it is for."""
    # The broker counts by protocol, for all devices of the account and region.
    fields: dict[str, Any] = {"dimensions": {"Protocol": "MQTT"}}
    return [
        _alarm(
            "publishes-refused",
            "PublishIn.AuthError",
            "AWS IoT refuses messages of devices: their policies don't allow the topic.",
            "See which policy and topic they should have: etl outputs.",
            threshold=Ref("AlarmAtRefusedPublishes"),
            **fields,
        ),
        _alarm(
            "publishes-throttled",
            "PublishIn.Throttle",
            "AWS IoT throttles messages of devices: those without QoS 1 are lost.",
            "See how many arrive: etl metrics MessagesStaged; then have the quota raised.",
            **fields,
        ),
    ]


def _alarm(name: str, metric: str, meaning: str, first: str, **fields: Any) -> AlarmSpec:
    return AlarmSpec(
        **{
            "name": name,
            "namespace": "AWS/IoT",
            "metric": metric,
            "statistic": "Sum",
            "threshold": 1,
            "level": "standard",
            "meaning": meaning,
            "first": first,
            **fields,
        }
    )
