"""The verdict: what is wrong, the worst first, each with its way out; and nothing unknown is well."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dashboard.cache import Answer
from dashboard.errors import Trouble
from dashboard.health import Facts, diagnose
from dashboard.sources.alarms_and_queues import Queues
from dashboard.sources.ledger import Minute, Pace
from etl.operations.alarms import Alarm
from etl.operations.executions import Execution
from etl.operations.reconciliation import Ledger, Reconciliation

NOW = datetime.now(UTC)


def execution(status: str, name: str = "run-1", age: float = 60) -> Execution:
    started = NOW - timedelta(seconds=age)
    stopped = None if status == "RUNNING" else started + timedelta(seconds=2)
    return Execution(f"arn:x:{name}", name, status, started, stopped, {}, None, None, None)


def account(**changes: object) -> Reconciliation:
    ledger = Ledger(batches=2, messages=10, read=100, inserted=98, rejected=2,
                    rejected_by={"not_json": 2})  # fmt: skip
    found = Reconciliation([], 2, 10, 0, 0, ledger, 98)
    return replace(found, **changes)  # type: ignore[arg-type]


def answer(value: object) -> Answer:
    return Answer(value, None, time.time())


def pace(read: int = 0, rejected: int = 0) -> Pace:
    return Pace([Minute(NOW, read, rejected, 1)], 1.0)


WELL = Facts(
    executions=answer([execution("SUCCEEDED")]),
    queues=answer(Queues(0, 0, 0)),
    alarms=answer([]),
    pace=answer(pace()),
    held=answer(0),
    account=answer(account()),
)


def test_all_is_well_only_when_every_reading_is_accounted_for() -> None:
    assert diagnose(WELL).level == "good"
    assert diagnose(WELL).headline == "All is well: every reading is accounted for."
    uncounted = replace(WELL, account=Answer())
    assert "being counted" in diagnose(uncounted).headline
    empty = replace(WELL, account=answer(Reconciliation([], 0, 0, 0, 0, Ledger(), 0)))
    assert "nothing has arrived" in diagnose(empty).headline


def test_work_under_way_is_no_problem() -> None:
    busy = replace(
        WELL, queues=answer(Queues(7, 0, 0)), executions=answer([execution("RUNNING")]),
        account=answer(account(queued=7, staged_batches=3)),
    )  # fmt: skip
    found = diagnose(busy)
    assert found.level == "busy"
    assert "7 messages in the queue, 1 execution at work" in found.headline
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
            {"unsettled": answer({"bad-2": 3})},
            "Execution bad-2 failed, and 3 of its batches are not settled",
            "etl replay --failed --execution bad-2",
        ),
        ({"held": answer(1)}, "1 batch is held in quarantine", "etl quarantine list"),
        ({"pace": answer(pace(100, 20))}, "20.0% of the last hour's", "etl rejects list"),
        ({"account": answer(account(rows=97))}, "97 rows in the table", "etl reconcile"),
        ({"account": answer(account(staged_batches=3))}, "1 staged batch has no end", "etl replay"),
        (
            {"alarms": answer([Alarm("s-queue-age", "queue-age", "ALARM", NOW, "why", "", ())])},
            "The alarm queue-age sounds: why",
            "etl alarms",
        ),
        (
            {"pace": Answer(None, Trouble("database", "PostgreSQL can't be reached", "", "Try `etl up`."), 1)},
            "PostgreSQL can't be reached",
            "etl up",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_comes_with_what_repairs_it(
    facts: dict[str, Answer], sentence: str, command: str
) -> None:
    found = diagnose(replace(WELL, **facts))  # type: ignore[arg-type]
    assert found.level in ("bad", "warning")
    assert len(found.problems) == 1
    assert sentence in found.headline
    assert (found.problems[0].command or "").startswith(command)


def test_the_worst_comes_first_and_the_others_are_counted() -> None:
    found = diagnose(replace(WELL, held=answer(2), queues=answer(Queues(0, 3, 0))))
    assert found.level == "bad"
    assert "3 messages are in the dead-letter queue. And 1 more thing" in found.headline


def test_a_failure_that_a_later_execution_followed_is_history() -> None:
    runs = [execution("SUCCEEDED", "later", 10), execution("FAILED", "earlier", 60)]
    assert diagnose(replace(WELL, executions=answer(runs))).level == "good"


def test_few_rejects_of_few_readings_say_nothing() -> None:
    assert diagnose(replace(WELL, pace=answer(pace(10, 5)))).level == "good"


def test_a_batch_that_ran_after_the_count_is_not_missing() -> None:
    counted_before = Answer(account(staged_batches=3), None, time.time() - 3600)
    assert diagnose(replace(WELL, account=counted_before)).problems == ()
