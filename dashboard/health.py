"""Is all well? What is wrong, the worst first, each with what repairs it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from dashboard.cache import Answer
from dashboard.errors import Trouble
from dashboard.sources.alarms_and_queues import Queues
from dashboard.sources.executions import FAILED_STATES
from dashboard.sources.ledger import Pace
from etl.operations.alarms import Alarm
from etl.operations.executions import Execution
from etl.operations.reconciliation import Reconciliation, dead_letters_problem

__all__ = ["Facts", "Health", "Level", "Problem", "diagnose"]

Level = Literal["good", "busy", "warning", "bad"]
WORST = ("bad", "warning", "busy", "good")
LETTERS = ("/letters", "Look and move back")
RECENT_READINGS = 20
"""Of fewer a share says little."""


@dataclass(frozen=True)
class Problem:
    """Something that is wrong, and the way out of it."""

    level: Level
    sentence: str
    command: str | None = None
    """What repairs it, or shows more, on the command line."""
    link: tuple[str, str] | None = None
    """A page of the control room where it is repaired: its address, and what a button says."""


@dataclass(frozen=True)
class Health:
    """All in one line, and the problems behind it."""

    level: Level
    headline: str
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the verdict rests on; an answer without a value is not known."""

    executions: Answer[list[Execution]]
    queues: Answer[Queues]
    alarms: Answer[list[Alarm]]
    pace: Answer[Pace]
    held: Answer[int]
    account: Answer[Reconciliation]
    unsettled: Answer[dict[str, int]] = field(default_factory=Answer)
    """Batches of failed executions that nothing has settled since, by execution."""
    warn_reject_share: float = 0.05
    """Of the contract's checks."""


def diagnose(facts: Facts) -> Health:
    """The verdict."""
    problems = [
        *_troubles(facts),
        *_of_queues(facts.queues.value),
        *_of_executions(facts.executions.value or (), facts.unsettled.value or {}),
        *_of_the_account(facts),
        *_of_alarms(facts.alarms.value or ()),
        *_of_quality(facts),
    ]
    problems.sort(key=lambda problem: WORST.index(problem.level))
    if not problems:
        return _well(facts)
    worst = problems[0]
    others = len(problems) - 1
    things = "1 more thing" if others == 1 else f"{others} more things"
    more = f" And {things} to look at." if others else ""
    return Health(worst.level, worst.sentence + more, tuple(problems))


def _well(facts: Facts) -> Health:
    waiting = facts.queues.value.waiting if facts.queues.value else 0
    running = sum(e.status == "RUNNING" for e in facts.executions.value or ())
    busy = [
        *([f"{_counted(waiting, 'message')} in the queue"] if waiting else []),
        *([f"{_counted(running, 'execution')} at work"] if running else []),
    ]
    if busy:
        return Health("busy", f"All is well: {', '.join(busy)}.")
    account = facts.account.value
    if account is None:
        return Health("good", "Nothing is wrong so far; the account is being counted.")
    if account.ledger.read == 0:
        return Health("good", "All is well, and nothing has arrived yet.")
    return Health("good", "All is well: every reading is accounted for.")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _troubles(facts: Facts) -> list[Problem]:
    """What could not be asked, each once."""
    answers: tuple[Answer[Any], ...] = (
        facts.executions, facts.queues, facts.pace, facts.held, facts.account,
    )  # fmt: skip
    found: dict[str, Trouble] = {}
    for answer in answers:
        if answer.trouble is not None:
            found.setdefault(answer.trouble.title, answer.trouble)
    return [
        Problem("warning" if t.kind == "slow" else "bad", f"{t.title}.", _command_in(t.hint))
        for t in found.values()
    ]


def _command_in(hint: str) -> str | None:
    """The first thing to type that a hint names."""
    parts = hint.split("`")
    return parts[1] if len(parts) > 2 else None


def _of_alarms(alarms: Sequence[Alarm]) -> list[Problem]:
    return [
        Problem("bad", f"The alarm {one.short} sounds: {one.reason}", "etl alarms")
        for one in alarms
        if one.state == "ALARM"
    ]


def _of_queues(queues: Queues | None) -> list[Problem]:
    if queues is None:
        return []
    found = []
    if queues.dead:
        verb = "is" if queues.dead == 1 else "are"
        told = f"{_counted(queues.dead, 'message')} {verb} in the dead-letter queue."
        found.append(Problem("bad", told, "etl dlq redrive", LETTERS))
    if queues.rule_errors:
        told = f"The topic rule could not deliver {_counted(queues.rule_errors, 'message')}."
        found.append(Problem("bad", told, "etl dlq redrive --queue rule-errors", LETTERS))
    return found


def _of_executions(executions: Sequence[Execution], unsettled: dict[str, int]) -> list[Problem]:
    """Failures that leave batches without an end; and the newest, where it failed without any."""
    found = []
    for name, number in unsettled.items():
        verb = "is" if number == 1 else "are"
        told = f"Execution {name} failed, and {number:,} of its batches {verb} not settled yet."
        command = f"etl replay --failed --execution {name}"
        found.append(Problem("bad", told, command, (f"/executions/{name}", "See what failed")))
    ended = [execution for execution in executions if execution.status != "RUNNING"]
    if ended and ended[0].status in FAILED_STATES and ended[0].name not in unsettled:
        last = ended[0]
        how = last.status.lower().replace("_", " ")
        told = f"The last execution {how}: {last.name}."
        command = f"etl replay --execution {last.name}"
        found.append(Problem("bad", told, command, (f"/executions/{last.name}", "See why")))
    return found


def _of_the_account(facts: Facts) -> list[Problem]:
    """Nothing while batches are under way: what is not counted yet is not missing."""
    account = facts.account.value
    if account is None:
        return []
    if account.in_progress:
        gap = account.staged_batches - account.ledger.batches
        if gap <= 0 or account.queued or not _at_rest(facts):
            return []
        what = "staged batch has" if gap == 1 else "staged batches have"
        link = ("/act/replay?failed=1", "Replay what failed")
        return [Problem("warning", f"{gap:,} {what} no end yet.", "etl replay --failed", link)]
    dead = dead_letters_problem(account.dead)  # the queue itself has a headline
    found = [sentence for sentence in account.problems() if sentence != dead]
    return [Problem("bad", f"The account is open: {s}.", "etl reconcile") for s in found]


def _at_rest(facts: Facts) -> bool:
    """Whether nothing has run since the account was counted."""
    return all(
        e.stopped is not None and e.stopped.timestamp() < facts.account.at
        for e in facts.executions.value or ()
    )


def _of_quality(facts: Facts) -> list[Problem]:
    found = []
    held = facts.held.value or 0
    if held:
        what = "batch is" if held == 1 else "batches are"
        told = f"{held:,} {what} held in quarantine."
        link = ("/quarantine", "Look and decide")
        found.append(Problem("warning", told, "etl quarantine list", link))
    pace = facts.pace.value
    if pace is not None and pace.in_the_hour >= RECENT_READINGS:
        share = sum(m.rejected for m in pace.minutes) / pace.in_the_hour
        if share > facts.warn_reject_share:
            told = (
                f"{share:.1%} of the last hour's readings were rejected, "
                f"more than {facts.warn_reject_share:.0%}."
            )
            found.append(Problem("warning", told, "etl rejects list", ("/rejects", "See why")))
    return found
