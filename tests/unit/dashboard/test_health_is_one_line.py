"""Health in one line: problems, worst first, each with what repairs it; unknown is not healthy."""

from __future__ import annotations

import time
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from dashboard.cache import Answer
from dashboard.errors import PageError
from dashboard.health import Facts, diagnose
from dashboard.sources.alarms_and_queues import Queues
from dashboard.sources.ledger import Minute, Throughput
from etl.operations.alarms import Alarm
from etl.operations.executions import Execution
from etl.operations.reconciliation import Reconciliation
from etl.operations.reconciliation_counts import Counts
from etl.operations.triggers import Trigger
from tests.unit.etl.operations.balanced_counts import BALANCED, group, with_batches

NOW = datetime.now(UTC)


def execution(status: str, name: str = "run-1", age: float = 60) -> Execution:
    started = NOW - timedelta(seconds=age)
    stopped = None if status == "RUNNING" else started + timedelta(seconds=2)
    return Execution(f"arn:x:{name}", name, status, started, stopped, {}, None, None, None)


def reconciliation(counts: Counts | None = None, **changes: object) -> Reconciliation:
    found = replace(counts or BALANCED, **changes)  # type: ignore[arg-type]
    return Reconciliation(**{field.name: getattr(found, field.name) for field in fields(found)})


def answer(value: object) -> Answer:
    return Answer(value, None, time.time())


def throughput(read: int = 0, rejected: int = 0) -> Throughput:
    return Throughput([Minute(NOW, read, rejected, 1)], 1.0)


HEALTHY = Facts(
    executions=answer([execution("SUCCEEDED")]),
    queues=answer(Queues(0, 0, 0)),
    alarms=answer([]),
    throughput=answer(throughput()),
    quarantined=answer(0),
    reconciliation=answer(reconciliation()),
)


def test_it_is_healthy_only_when_every_reading_is_accounted_for() -> None:
    assert diagnose(HEALTHY).level == "good"
    assert diagnose(HEALTHY).headline == "Healthy: every reading is accounted for."
    uncounted = replace(HEALTHY, reconciliation=Answer())
    assert "reconciliation is still running" in diagnose(uncounted).headline
    empty = replace(HEALTHY, reconciliation=answer(Reconciliation()))
    assert "no readings have arrived" in diagnose(empty).headline


def test_work_under_way_is_no_problem() -> None:
    busy = replace(
        HEALTHY, queues=answer(Queues(7, 0, 0)), executions=answer([execution("RUNNING")]),
        reconciliation=answer(
            reconciliation(with_batches(running=group(owners={"run-1"})), queued=7)
        ),
    )  # fmt: skip
    found = diagnose(busy)
    assert found.level == "busy"
    assert "7 messages in the queue, 1 execution running" in found.headline
    assert not found.problems


@pytest.mark.parametrize(
    ("facts", "sentence", "command"),
    [
        ({"queues": answer(Queues(0, 1, 0))}, "1 message is in the dead-letter", "etl dlq redrive"),
        ({"queues": answer(Queues(0, 0, 2))}, "could not deliver 2", "etl dlq redrive --q"),
        (
            {"executions": answer([execution("FAILED", "bad-1")])},
            "The last execution failed: bad-1",
            "etl replay --execution bad-1",
        ),
        (
            {"unprocessed": answer({"bad-2": 3})},
            "Execution bad-2 failed and left 3 batches unprocessed.",
            "etl replay --failed --execution bad-2",
        ),
        (
            {"queues": answer(Queues(2000, 0, 0)), "triggers": answer([Trigger("queue", False, "6a1b")])},
            "2,000 messages wait in the queue, and no trigger drains it: the queue's trigger is off.",
            "etl triggers enable",
        ),
        ({"quarantined": answer(1)}, "1 batch is in quarantine", "etl quarantine list"),
        ({"throughput": answer(throughput(100, 20))}, "20.0% of the readings of the last hour were rejected; the contract warns above 5%", "etl rejects list"),
        ({"reconciliation": answer(reconciliation(rows=97))}, "97 rows in the table", "etl reconcile"),
        ({"reconciliation": answer(reconciliation(rows=79))}, "79 rows in the table", "etl backfill --repair"),
        ({"reconciliation": answer(reconciliation(with_batches(unprocessed=group())))}, "1 batch was staged and never processed", "etl sweep"),
        ({"reconciliation": answer(reconciliation(with_batches(failed=group(8))))}, "8 batches failed", "etl replay --failed"),
        (
            {"alarms": answer([Alarm("s-queue-age", "queue-age", "ALARM", NOW, "why", "", ())])},
            "The alarm queue-age is firing.",
            "etl alarms",
        ),
        (
            {"throughput": Answer(None, PageError("database", "PostgreSQL can't be reached", "", "Try `etl up`."), 1)},
            "PostgreSQL can't be reached",
            "etl up",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_comes_with_what_repairs_it(
    facts: dict[str, Answer], sentence: str, command: str
) -> None:
    found = diagnose(replace(HEALTHY, **facts))  # type: ignore[arg-type]
    assert found.level in ("bad", "warning")
    assert len(found.problems) == 1
    assert sentence in found.headline
    assert (found.problems[0].command or "").startswith(command)


def test_the_worst_comes_first_and_the_others_are_counted() -> None:
    found = diagnose(replace(HEALTHY, quarantined=answer(2), queues=answer(Queues(0, 3, 0))))
    assert found.level == "bad"
    assert "3 messages are in the dead-letter queue. And 1 more problem." in found.headline


def test_a_failure_that_a_later_execution_followed_is_history() -> None:
    runs = [execution("SUCCEEDED", "later", 10), execution("FAILED", "earlier", 60)]
    assert diagnose(replace(HEALTHY, executions=answer(runs))).level == "good"


def test_few_rejects_of_few_readings_say_nothing() -> None:
    assert diagnose(replace(HEALTHY, throughput=answer(throughput(10, 5)))).level == "good"


def test_it_is_not_green_while_the_reconciliation_is_under_way() -> None:
    found = diagnose(replace(HEALTHY, reconciliation=answer(reconciliation(queued=2))))
    assert (found.level, found.headline) == ("busy", "Healthy: 2 messages are in the queue.")


@pytest.mark.parametrize("queues", [{"dead": 1}, {"rule_errors": 1}])
def test_messages_in_a_queue_are_one_problem_not_two(queues: dict[str, int]) -> None:
    facts = replace(
        HEALTHY,
        queues=answer(Queues(0, queues.get("dead", 0), queues.get("rule_errors", 0))),
        reconciliation=answer(reconciliation(**queues)),
    )
    assert len(diagnose(facts).problems) == 1


def test_the_text_of_a_service_stands_below_the_headline() -> None:
    alarm = Alarm("s-queue-age", "queue-age", "ALARM", NOW, "Threshold Crossed: 1 out of 1", "", ())
    found = diagnose(replace(HEALTHY, alarms=answer([alarm])))
    assert found.headline == "The alarm queue-age is firing."
    assert found.problems[0].detail == "Threshold Crossed: 1 out of 1"
