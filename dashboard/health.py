"""The pipeline's health in one line, and its problems, worst first, each with what repairs it.

Everything here is a pure function of :class:`Facts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from dashboard.cache import Answer
from dashboard.documentation import section_address
from dashboard.errors import PageError
from dashboard.sources.alarms_and_queues import Queues
from dashboard.sources.ledger import Throughput
from etl.operations.alarms import Alarm
from etl.operations.execution_search import FAILED
from etl.operations.executions import Execution
from etl.operations.reconciliation import Reconciliation
from etl.operations.triggers import Trigger, stall_of

__all__ = ["Facts", "Health", "Level", "Problem", "diagnose"]

Level = Literal["good", "busy", "warning", "bad"]
WORST_FIRST: tuple[Level, ...] = ("bad", "warning", "busy", "good")
DEAD_LETTERS = ("/dead-letters", "Open dead letters")
LEAST_READINGS = 20
"""Least number of readings from which a share of rejects says something."""
ENDED = {"FAILED": "failed", "TIMED_OUT": "timed out", "ABORTED": "was aborted"}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and what repairs it."""

    level: Level
    sentence: str
    command: str | None = None
    """The command that repairs it or shows more."""
    link: tuple[str, str] | None = None
    """Address and button label of the page that repairs it or shows more."""
    detail: str = ""
    """Text of the service that reports it."""


@dataclass(frozen=True)
class Health:
    """The headline, and the problems behind it."""

    level: Level
    headline: str
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The answers that health is judged by; one without a value is unknown."""

    executions: Answer[list[Execution]]
    queues: Answer[Queues]
    alarms: Answer[list[Alarm]]
    throughput: Answer[Throughput]
    quarantined: Answer[int]
    """Number of batches in quarantine."""
    reconciliation: Answer[Reconciliation]
    unprocessed: Answer[dict[str, int]] = field(default_factory=Answer)
    """Number of batches of each failed execution that no later one has processed, by name."""
    triggers: Answer[list[Trigger]] = field(default_factory=Answer)
    """The triggers that drain the queue."""
    warn_reject_share: float = 0.05
    """Share of rejected readings (0..1) above which the contract's checks warn."""
    on_laptop: bool = False
    """True where the pipeline runs on this machine, not in AWS."""


def diagnose(facts: Facts) -> Health:
    """The health that these facts show."""
    problems = [
        *_errors(facts),
        *_queue_problems(facts.queues.value),
        *_trigger_problems(facts),
        *_execution_problems(facts.executions.value or (), facts.unprocessed.value or {}),
        *_reconciliation_problems(facts),
        *_alarm_problems(facts.alarms.value or ()),
        *_quality_problems(facts),
    ]
    problems.sort(key=lambda problem: WORST_FIRST.index(problem.level))
    if not problems:
        return _healthy(facts)
    worst = problems[0]
    others = len(problems) - 1
    more = f" And {_count(others, 'more problem')}." if others else ""
    return Health(worst.level, worst.sentence + more, tuple(problems))


def _healthy(facts: Facts) -> Health:
    waiting = facts.queues.value.waiting if facts.queues.value else 0
    running = sum(e.status == "RUNNING" for e in facts.executions.value or ())
    busy = [
        *([f"{_count(waiting, 'message')} in the queue"] if waiting else []),
        *([f"{_count(running, 'execution')} running"] if running else []),
    ]
    if busy:
        return Health("busy", f"Healthy: {', '.join(busy)}.")
    reconciliation = facts.reconciliation.value
    if reconciliation is None:
        return Health("good", "No problems found so far; the reconciliation is still running.")
    if reconciliation.ledger.read == 0:
        return Health("good", "Healthy: no readings have arrived yet.")
    verdict = reconciliation.verdict
    if verdict.status == "under way":
        return Health("busy", f"Healthy: {verdict.reasons[0].sentence}.")
    return Health("good", "Healthy: every reading is accounted for.")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _errors(facts: Facts) -> list[Problem]:
    """Each error that kept a fact from being known, once."""
    answers: tuple[Answer[Any], ...] = (
        facts.executions, facts.queues, facts.triggers, facts.throughput, facts.quarantined,
        facts.reconciliation,
    )  # fmt: skip
    errors: dict[str, PageError] = {}
    for answer in answers:
        if answer.error is not None:
            errors.setdefault(answer.error.title, answer.error)
    return [
        Problem(
            "warning" if error.kind == "slow" else "bad",
            f"{error.title}.",
            _command(error.advice(on_laptop=facts.on_laptop)),
        )
        for error in errors.values()
    ]


def _command(hint: str) -> str | None:
    """The first command that a hint names."""
    parts = hint.split("`")
    return parts[1] if len(parts) > 2 else None


def _alarm_problems(alarms: Sequence[Alarm]) -> list[Problem]:
    return [
        Problem(
            "bad",
            alarm.headline,
            "etl alarms",
            (section_address(alarm.runbook), "Open the runbook"),
            alarm.reason,
        )
        for alarm in alarms
        if alarm.state == "ALARM"
    ]


def _queue_problems(queues: Queues | None) -> list[Problem]:
    if queues is None:
        return []
    found = []
    if queues.dead:
        verb = "is" if queues.dead == 1 else "are"
        sentence = f"{_count(queues.dead, 'message')} {verb} in the dead-letter queue."
        found.append(Problem("bad", sentence, "etl dlq redrive", DEAD_LETTERS))
    if queues.rule_errors:
        sentence = f"The topic rule could not deliver {_count(queues.rule_errors, 'message')}."
        command = "etl dlq redrive --queue rule-errors"
        found.append(Problem("bad", sentence, command, DEAD_LETTERS))
    return found


def _trigger_problems(facts: Facts) -> list[Problem]:
    """Messages that wait while no trigger drains the queue."""
    queues, found = facts.queues.value, facts.triggers.value
    if queues is None or found is None:
        return []
    stall = stall_of(found, queues.waiting, on_laptop=facts.on_laptop)
    return [Problem("bad", f"{stall.sentence}.", stall.command)] if stall is not None else []


def _execution_problems(
    executions: Sequence[Execution], unprocessed: dict[str, int]
) -> list[Problem]:
    """Failed executions that left batches behind; and the last one, where it failed without any."""
    found = []
    for name, number in unprocessed.items():
        batches = "1 batch" if number == 1 else f"{number:,} batches"
        sentence = f"Execution {name} failed and left {batches} unprocessed."
        command = f"etl replay --failed --execution {name}"
        link = (f"/executions/{name}", "Show failed batches")
        found.append(Problem("bad", sentence, command, link))
    ended = [execution for execution in executions if execution.status != "RUNNING"]
    if ended and ended[0].status in FAILED and ended[0].name not in unprocessed:
        last = ended[0]
        sentence = f"The last execution {ENDED[last.status]}: {last.name}."
        command = f"etl replay --execution {last.name}"
        link = (f"/executions/{last.name}", "Show the execution")
        found.append(Problem("bad", sentence, command, link))
    return found


def _reconciliation_problems(facts: Facts) -> list[Problem]:
    """Each reason why the reconciliation does not balance, without what is under way."""
    found = facts.reconciliation.value
    if found is None:
        return []
    return [
        Problem(
            "bad",
            f"The reconciliation does not balance: {reason.sentence}.",
            reason.command or "etl reconcile",
            _link(reason.command),
        )
        for reason in found.verdict.reasons
        if reason.status == "not balanced" and not reason.of_queue
    ]


def _link(command: str | None) -> tuple[str, str] | None:
    """The page that has a button for a command."""
    if command == "etl replay --failed":
        return ("/actions/replay?failed=1", "Replay failed batches")
    return None


def _quality_problems(facts: Facts) -> list[Problem]:
    found = []
    quarantined = facts.quarantined.value or 0
    if quarantined:
        batches = "1 batch is" if quarantined == 1 else f"{quarantined:,} batches are"
        link = ("/quarantine", "Review")
        found.append(
            Problem("warning", f"{batches} in quarantine.", "etl quarantine list", link)
        )  # fmt: skip
    throughput = facts.throughput.value
    if throughput is not None and throughput.last_hour >= LEAST_READINGS:
        share = sum(minute.rejected for minute in throughput.minutes) / throughput.last_hour
        if share > facts.warn_reject_share:
            sentence = (
                f"{share:.1%} of the readings of the last hour were rejected; "
                f"the contract warns above {facts.warn_reject_share:.0%}."
            )
            link = ("/rejects", "Show rejects")
            found.append(Problem("warning", sentence, "etl rejects list", link))
    return found
