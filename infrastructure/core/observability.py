"""Traces and logs of each level of observability, and the rule by which executions are traced.

- **Traces.** Whether a trace is recorded is decided once, where it begins. Step Functions asks
  X-Ray's rules, so below ``full`` there is one for this state machine: it decides about executions
  that a schedule starts. Lambda has a rule of its own that no one can change (the first request of
  each second and 5 % of the others: docs.aws.amazon.com/lambda/latest/dg/services-xray.html, read
  2026-11), so Stage and Sweep, which nothing traced calls, begin no trace, and decide themselves
  about the executions that they start (:func:`telemetry.tracing.start_options`).
- **The state machine's log.** ``ERROR`` has the states and executions that failed, with their data;
  ``ALL`` also each state that succeeded. The map's children are Express executions without a
  history, so below ``full`` nothing records the steps of a batch that went well, except its
  report, its outcome and the ledger.
- **Lambda's own lines.** ``WARN`` has the invocations that Lambda ended (time-out, memory),
  ``INFO`` also start and REPORT of each one; the page is
  docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html, read 2026-11.
"""

from __future__ import annotations

import hashlib
from typing import Any

from troposphere import If, Template, xray

from infrastructure.core.parameters import OBSERVES_FULL, OBSERVES_LESS, OBSERVES_STANDARD
from telemetry.metric_table import Level
from telemetry.tracing import TRACE_SHARES

__all__ = [
    "LOG_LEVELS",
    "SYSTEM_LOG_LEVELS",
    "add_sampling_rule",
    "log_level",
    "rule_name",
    "service_name",
    "system_log_level",
    "tracing_mode",
]

LOG_LEVELS: dict[Level, str] = {"lean": "ERROR", "standard": "ERROR", "full": "ALL"}
SYSTEM_LOG_LEVELS: dict[Level, str] = {"lean": "WARN", "standard": "INFO", "full": "INFO"}
BEGINNERS = frozenset({"stage", "sweep"})
"""Functions that start executions and that no state machine calls."""
LONGEST_RULE_NAME = 32
"""Characters of a rule's name (docs.aws.amazon.com/xray/latest/api/API_SamplingRule.html)."""
LONGEST_PATTERN = 64
"""Characters of the pattern for a service's name (the same page)."""
DIGEST_CHARACTERS = 8
PRIORITY = 1000
"""Any number below that of X-Ray's default rule, 10,000."""


def log_level() -> Any:
    """Level of the state machine's log, for the template."""
    return If(OBSERVES_FULL, LOG_LEVELS["full"], LOG_LEVELS["lean"])


def system_log_level() -> Any:
    """Level of the lines that Lambda itself writes, for the template."""
    return If(OBSERVES_STANDARD, SYSTEM_LOG_LEVELS["standard"], SYSTEM_LOG_LEVELS["lean"])


def tracing_mode(function: str) -> Any:
    """Tracing of a function, by its short name, for the template."""
    return If(OBSERVES_FULL, "Active", "PassThrough") if function in BEGINNERS else "Active"


def rule_name(stack: str) -> str:
    """Name of the stack's rule: the stack's own, or where it is too long, cut and with a digest."""
    if len(stack) <= LONGEST_RULE_NAME:
        return stack
    digest = hashlib.sha256(stack.encode()).hexdigest()[:DIGEST_CHARACTERS]
    return f"{stack[: LONGEST_RULE_NAME - DIGEST_CHARACTERS - 1]}-{digest}"


def service_name(stack: str) -> str:
    """Pattern of the state machine's name, which is the stack's, as long as a rule may have one."""
    return stack if len(stack) <= LONGEST_PATTERN else f"{stack[: LONGEST_PATTERN - 1]}*"


def add_sampling_rule(template: Template, stack: str) -> None:
    """Add the rule that decides which executions of this state machine are traced."""
    share = If(OBSERVES_STANDARD, TRACE_SHARES["standard"], TRACE_SHARES["lean"])
    template.add_resource(
        xray.SamplingRule(
            "SamplingRule",
            Condition=OBSERVES_LESS,
            SamplingRule=xray.SamplingRuleProperty(
                RuleName=rule_name(stack),
                Priority=PRIORITY,
                ReservoirSize=0,
                FixedRate=share,
                # Name and origin of the segments that Step Functions sends for this machine.
                ServiceName=service_name(stack),
                ServiceType="AWS::StepFunctions::StateMachine",
                ResourceARN="*",
                Host="*",
                HTTPMethod="*",
                URLPath="*",
                Version=1,
            ),
        )
    )
