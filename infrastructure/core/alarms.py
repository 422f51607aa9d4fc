"""CloudWatch alarms on problems that need an operator, each with the first step to take.

Each alarm notifies the topic ``AlertTopic`` when it fires and when it is resolved. Its description
names the section of ``docs/runbook.md`` of the same name. Thresholds are parameters of the
template. The alarms here watch one metric each; alarms that compute with several are in the
platform template, which the emulator doesn't run.
"""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, Ref, Sub, Template

from functions.inventory import function
from infrastructure.core.alarm_spec import HOUR, MINUTES_5, AlarmSpec, add_alarm
from infrastructure.core.iot_alarms import of_the_broker, of_the_rule
from infrastructure.core.parameters import HAS_NO_DATA_ALARM
from infrastructure.core.topic_rules import rule_title, title_of
from telemetry.contract import ContractSet
from telemetry.metric_table import NAMESPACE, PIPELINE

__all__ = ["ALARMS", "add_alarms", "alarms_of"]

ERRORS_OF = ("extract", "stage", "transform", "validate", "load", "summarize", "sweep")
"""Functions with an alarm on errors: all but migrate, whose errors fail the deployment itself."""
THROTTLES_OF = ("stage", "transform", "load")
"""The functions that run many times in parallel; all share the account's concurrency."""
ASYNCHRONOUS = ("sweep",)
"""Functions that run rarely: their errors are counted over an hour."""


def add_alarms(template: Template, contracts: ContractSet) -> None:
    """Add every alarm of :func:`alarms_of`."""
    for spec in alarms_of(contracts):
        add_alarm(template, spec)


def alarms_of(contracts: ContractSet) -> tuple[AlarmSpec, ...]:
    """:data:`ALARMS`, and those on the topic rule of each further contract."""
    further = [
        spec
        for contract in contracts.further
        for spec in of_the_rule(
            rule_title(contracts, contract),
            contract=contract.name,
            ending=title_of(contracts, contract),
        )
    ]
    return (*ALARMS, *further)


def _of_executions() -> list[AlarmSpec]:
    def alarm(name: str, metric: str, parameter: str, meaning: str, first: str) -> AlarmSpec:
        return AlarmSpec(
            name=name,
            namespace="AWS/States",
            metric=metric,
            dimensions={"StateMachineArn": Ref("StateMachine")},
            statistic="Sum",
            threshold=Ref(parameter),
            level="lean",
            meaning=meaning,
            first=first,
        )

    return [
        alarm(
            "executions-failed",
            "ExecutionsFailed",
            "AlarmAtFailedExecutions",
            "Executions of the workflow failed: batches are in S3 and not in the table.",
            "See which, and why: etl executions, then etl replay --failed once the cause is fixed.",
        ),
        alarm(
            "executions-timed-out",
            "ExecutionsTimedOut",
            "AlarmAtTimedOutExecutions",
            # Nothing but this alarm shows executions that always run out of time: their batches
            # have no outcome, so that no sweep finds that they need attention.
            "An execution exceeded its time limit and was stopped.",
            "See where the time went: etl executions, then etl trace NAME.",
        ),
    ]


def _of_data() -> list[AlarmSpec]:
    own: dict[str, Any] = {
        "namespace": NAMESPACE,
        "dimensions": {PIPELINE: Ref("AWS::StackName")},
    }
    return [
        AlarmSpec(
            **own,
            name="reject-share",
            metric="RejectShare",
            statistic="Average",
            threshold=Ref("AlarmAtRejectPercent"),
            level="lean",
            meaning="An unusually large share of the readings is rejected.",
            first="See the reasons: etl rejects list. Rejected readings are kept unchanged.",
        ),
        AlarmSpec(
            **own,
            name="messages-unreadable",
            metric="MessagesUnreadable",
            statistic="Sum",
            threshold=1,
            level="standard",
            meaning="The pipeline's own code raised an error on messages: they are rejects now.",
            first="See which: etl rejects list --reason unreadable; and where the error is: "
            "etl logs transform --search ERROR.",
        ),
        AlarmSpec(
            **own,
            name="rollup-refresh",
            metric="RollupRefreshesFailed",
            statistic="Sum",
            threshold=1,
            periods=3,
            datapoints=3,
            level="standard",
            meaning="The rollups can't be refreshed: the views stay exact and become slower.",
            first="See why: etl logs load --search Rollups; then etl rollups refresh.",
        ),
        AlarmSpec(
            **own,
            name="lag",
            metric="LagMedianSeconds",
            statistic="p50",
            threshold=Ref("AlarmAtLagSeconds"),
            periods=3,
            datapoints=2,
            level="standard",
            meaning="Readings reach the table long after the devices took them.",
            first="See whether the pipeline or the devices are late: etl metrics "
            "ArrivalToRowSeconds.",
        ),
        AlarmSpec(
            **own,
            name="quarantined-batches",
            metric="BatchesQuarantined",
            statistic="Sum",
            threshold=Ref("AlarmAtQuarantinedBatches"),
            level="lean",
            meaning="The contract's checks quarantined batches.",
            first="See why: etl quarantine list; then release or discard them.",
        ),
        AlarmSpec(
            **own,
            name="batches-need-attention",
            metric="BatchesNeedAttention",
            statistic="Maximum",
            threshold=Ref("AlarmAtBatchesNeedAttention"),
            level="lean",
            period=900,
            missing="ignore",
            meaning="Batches failed permanently or too often: the sweep no longer retries them.",
            first="See which: etl sweep --dry-run; fix the cause, then etl replay --failed.",
        ),
        AlarmSpec(
            **own,
            name="no-data",
            metric="MessagesStaged",
            statistic="Sum",
            threshold=1,
            below=True,
            period=60,
            periods=Ref("AlarmAfterSilentMinutes"),
            datapoints=0,
            missing="breaching",
            condition=HAS_NO_DATA_ALARM,
            level="lean",
            meaning="No message has arrived from any device for the configured time.",
            first="See where messages stop: etl status, etl metrics MessagesStaged.",
        ),
    ]


def _of_queues() -> list[AlarmSpec]:
    def alarm(name: str, queue: str, parameter: str, meaning: str, first: str) -> AlarmSpec:
        age = queue == "TelemetryQueue"
        waiting = "AgeOfOldestMessage" if age else "NumberOfMessagesVisible"
        return AlarmSpec(
            name=name,
            namespace="AWS/SQS",
            metric=f"Approximate{waiting}",
            dimensions={"QueueName": GetAtt(queue, "QueueName")},
            statistic="Maximum",
            threshold=Ref(parameter),
            level="lean",
            meaning=meaning,
            first=first,
        )

    return [
        alarm(
            "queue-age",
            "TelemetryQueue",
            "AlarmAtQueueSeconds",
            "Messages wait too long in the queue: they are not staged, or too slowly.",
            "See why: etl executions, etl logs stage. The queue keeps messages for 14 days.",
        ),
        alarm(
            "dead-letters",
            "DeadLetterQueue",
            "AlarmAtDeadLetters",
            "Messages could not be staged and are in the dead-letter queue.",
            "See them: etl dlq list; once the cause is fixed: etl dlq redrive.",
        ),
        alarm(
            "rule-errors",
            "RuleErrorQueue",
            "AlarmAtRuleErrors",
            "The AWS IoT rule could not deliver messages to the queue.",
            "See why: etl dlq list --look 5. The messages are kept for 14 days.",
        ),
    ]


def _of_functions() -> list[AlarmSpec]:
    return [
        *(_errors(name) for name in ERRORS_OF),
        *(_throttles(name) for name in THROTTLES_OF),
        AlarmSpec(
            name="load-slow",
            namespace="AWS/Lambda",
            metric="Duration",
            dimensions={"FunctionName": Ref("LoadFunction")},
            statistic="Maximum",
            # Seconds to milliseconds: a template can't multiply.
            threshold=Sub("${AlarmAtLoadSeconds}000"),
            meaning=f"A load took nearly as long as its limit of {function('load').timeout} s.",
            first="See what PostgreSQL waits for: etl trace NAME, etl psql.",
        ),
    ]


def _errors(name: str) -> AlarmSpec:
    return AlarmSpec(
        name=f"{name}-errors",
        namespace="AWS/Lambda",
        metric="Errors",
        dimensions={"FunctionName": Ref(f"{function(name).title}Function")},
        statistic="Sum",
        period=HOUR if name in ASYNCHRONOUS else MINUTES_5,
        threshold=Ref("AlarmAtFunctionErrors"),
        # Nothing but this alarm shows that batches are no longer retried; the other functions'
        # errors fail an execution, or leave messages in the queue.
        level="lean" if name == "sweep" else "full",
        meaning=f"The function {name} fails repeatedly; single failures are retried.",
        first=f"See why: etl logs {name} --search ERROR.",
    )


def _throttles(name: str) -> AlarmSpec:
    return AlarmSpec(
        name=f"{name}-throttled",
        namespace="AWS/Lambda",
        metric="Throttles",
        dimensions={"FunctionName": Ref(f"{function(name).title}Function")},
        statistic="Sum",
        threshold=Ref("AlarmAtThrottles"),
        meaning=f"Lambda throttles {name}: the account's concurrency is used up.",
        first=f"Nothing is lost, only late. See what uses it up: etl metrics Invocations/{name}.",
    )


ALARMS: tuple[AlarmSpec, ...] = (
    *_of_executions(), *_of_data(), *_of_queues(), *of_the_rule(), *of_the_broker(),
    *_of_functions(),
)  # fmt: skip
"""The alarms of a pipeline with one contract."""
