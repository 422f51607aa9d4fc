"""Decides whether a reconciliation balances, and names each reason. Pure.

``balanced``      every message and reading is accounted for, and nothing is under way
``under way``     nothing is missing, but a queue or a running execution still has some of it
``not balanced``  something is missing, surplus, or failed; nothing that runs will change that

What is under way has an owner: the queue, a running execution, or the moment in which a message is
between two of them. What has none, such as a batch that failed, is never under way. The command
line, the control room and the demo all show this verdict.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from etl.operations.batch_match import MOMENT, BatchGroup
from etl.operations.plurals import counted
from etl.operations.receipts import Receipt
from etl.operations.reconciliation_counts import Counts, Ledger
from telemetry.contract.contract_set import NO_CONTRACT
from telemetry.errors import SchemaBehindError

__all__ = [
    "HEADLINES",
    "PLAIN",
    "Reason",
    "Status",
    "Verdict",
    "judge",
    "repair_command",
    "repair_of_days",
]

Status = Literal["balanced", "under way", "not balanced"]

HEADLINES: dict[Status, str] = {
    "balanced": "balanced: every reading is accounted for, to the unit",
    "under way": "under way: nothing is missing so far",
    "not balanced": "not balanced",
}
NAMED_PUBLICATIONS = 3
ERRORS = {
    SchemaBehindError.__name__: " (table or login and functions are of different versions: the "
    "sweep loads them after `etl deploy`)"
}
"""Explanations of errors whose name does not say enough."""
PLAIN = re.compile(r"[A-Za-z0-9_-]+")
"""Ids that may stand in a command: those that the pipeline makes."""
LONGEST_IN_QUEUE = timedelta(days=14)
"""SQS keeps a message for 14 days at most."""


@dataclass(frozen=True)
class Reason:
    """One reason why a reconciliation isn't balanced (yet)."""

    status: Status
    """``under way`` or ``not balanced``."""
    sentence: str
    """Without a full stop at its end."""
    command: str | None = None
    """The command that repairs it, where there is one."""
    of_queue: bool = False
    """True for messages in a queue, which the control room shows by the queue itself."""


@dataclass(frozen=True)
class Verdict:
    """The verdict, its reasons, and what can not be known."""

    reasons: tuple[Reason, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences that change nothing about the verdict."""

    @property
    def status(self) -> Status:
        """The worst of the reasons, ``balanced`` where there is none."""
        statuses = {reason.status for reason in self.reasons}
        if "not balanced" in statuses:
            return "not balanced"
        return "under way" if statuses else "balanced"

    @property
    def in_progress(self) -> bool:
        """True while something may change without anybody doing anything."""
        return any(reason.status == "under way" for reason in self.reasons)

    @property
    def headline(self) -> str:
        """One line that every surface shows alike."""
        return HEADLINES[self.status]


def judge(counts: Counts) -> Verdict:
    """The verdict of a reconciliation."""
    reasons = [
        *_queues(counts),
        *_messages(counts),
        *_batches(counts),
        *_readings(counts),
        *_rows(counts),
    ]
    if not reasons:
        reasons += _results(counts)
    return Verdict(tuple(reasons), tuple(_notes(counts)))


def repair_command(groups: Iterable[BatchGroup]) -> str:
    """The command that loads these batches again, whatever the ledger says."""
    chosen = list(groups)
    days = {day for group in chosen for day in group.days}
    last = max((group.newest for group in chosen if group.newest), default=None)
    return repair_of_days(days, last.date() if last is not None else None)


def repair_of_days(days: Iterable[str], last: date | None = None) -> str:
    """The command that loads what has these days (``YYYY-MM-DD``) in its key, or one between.

    ``last``: the last day on which one of them was staged. A key has the day on which the oldest
    message was sent, so it may be days later; without it, as long after as a queue keeps messages.
    """
    ordered = sorted(days)
    newest = date.fromisoformat(ordered[-1])
    end = max(newest, last if last is not None else newest + LONGEST_IN_QUEUE) + timedelta(days=1)
    return f"etl backfill --repair --from {ordered[0]} --to {end}"


def _loss(sentence: str, command: str | None = None) -> Reason:
    return Reason("not balanced", sentence, command)


def _under_way(sentence: str) -> Reason:
    return Reason("under way", sentence)


def _are(number: int, noun: str) -> str:
    return f"{counted(number, noun)} {'is' if number == 1 else 'are'}"


def _queues(counts: Counts) -> Iterator[Reason]:
    if counts.queued:
        yield _under_way(f"{_are(counts.queued, 'message')} in the queue")
    if counts.dead:
        sentence = f"{_are(counts.dead, 'message')} in the dead-letter queue"
        yield Reason("not balanced", sentence, "etl dlq redrive", of_queue=True)
    if counts.rule_errors:
        sentence = f"{_are(counts.rule_errors, 'message')} in the topic rule's error queue"
        command = "etl dlq redrive --queue rule-errors"
        yield Reason("not balanced", sentence, command, of_queue=True)


def _messages(counts: Counts) -> Iterator[Reason]:
    """Published messages that are nowhere."""
    left = _unexplained(counts)
    if left <= 0:
        return
    if counts.last_receipt is not None and counts.at - counts.last_receipt < MOMENT:
        yield _under_way(f"{counted(left, 'message')} published a moment ago not queued yet")
        return
    named = counts.messages.missing_in[:NAMED_PUBLICATIONS]
    of = f" (of {', '.join(named)})" if named else ""
    yield _loss(f"{_are(left, 'published message')} neither in S3 nor in a queue{of}")


def _unexplained(counts: Counts) -> int:
    """Published messages that are in no readable raw object, and nowhere else that is known."""
    messages, batches = counts.messages, counts.batches
    elsewhere = (
        messages.unreadable_messages
        + batches.group("raw_missing").messages  # reported as batches
        + batches.group("lost").messages
        + counts.queued
        + counts.dead
        + counts.rule_errors
    )
    # Receipts of an older version have no digests: of these only the number can be compared.
    counted_only = max(0, counts.counted_only - counts.without_receipt)
    return messages.missing + counted_only - elsewhere


def _batches(counts: Counts) -> Iterator[Reason]:
    group = counts.batches.group
    if (running := group("running")).batches:
        names = ", ".join(sorted(running.owners)[:NAMED_PUBLICATIONS])
        since = f", the oldest since {running.oldest:%Y-%m-%d %H:%M} UTC" if running.oldest else ""
        yield _under_way(f"{_are(running.batches, 'batch')} being loaded by {names}{since}")
    if (young := group("young")).batches:
        yield _under_way(f"{counted(young.batches, 'batch')} staged a moment ago")
    if (unprocessed := group("unprocessed")).batches:
        sentence = f"{_were(unprocessed)} staged and never processed{_named(unprocessed)}"
        yield _loss(sentence, "etl sweep")
    if (failed := group("failed")).batches:
        sentence = f"{counted(failed.batches, 'batch')} failed{_named(failed)}{_why(failed)}"
        yield _loss(sentence, _replay(failed))
    if (lost := group("lost")).batches:
        yield _loss(
            f"{counted(lost.batches, 'batch')} of {counted(lost.messages, 'message')} "
            f"{_have(lost)} neither a raw object nor a row in the ledger{_named(lost)}: restore "
            "an older version of the object, then replay it",
            _replay(lost),
        )
    if (missing := group("raw_missing")).batches:
        yield _loss(
            f"{counted(missing.batches, 'batch')} of the ledger {_have(missing)} no raw object in "
            f"S3{_named(missing)}: restore an older version of the object"
        )
    if (unrecorded := group("unrecorded")).batches:
        yield _loss(
            f"{counted(unrecorded.batches, 'batch')} that ended before {_have(unrecorded)} no row "
            f"in the ledger{_named(unrecorded)}: was the database restored?",
            repair_command([unrecorded]),
        )
    if (wrong := group("miscounted")).batches:
        yield _loss(
            f"{counted(wrong.expected, 'message')} staged, {wrong.actual:,} in the ledger"
            f"{_named(wrong)}",
            repair_command([wrong]),
        )
    if (misread := group("misread")).batches:
        yield _loss(
            f"{counted(misread.expected, 'reading')} published, {misread.actual:,} read"
            f"{_named(misread)}"
        )


def _were(group: BatchGroup) -> str:
    return f"{counted(group.batches, 'batch')} {'was' if group.batches == 1 else 'were'}"


def _have(group: BatchGroup) -> str:
    return "has" if group.batches == 1 else "have"


def _named(group: BatchGroup) -> str:
    others = group.batches - len(group.keys)
    more = f", and {others:,} more" if others else ""
    return f" ({', '.join(group.ids)}{more})"


def _why(group: BatchGroup) -> str:
    """The errors of those that are named, in words where the name alone does not say enough."""
    known = [f"{name}{ERRORS.get(name, '')}" for name in group.errors]
    return f": {'; '.join(known)}" if known else ""


def _replay(group: BatchGroup) -> str:
    if group.batches > len(group.keys) or not all(map(PLAIN.fullmatch, group.ids)):
        return "etl replay --failed"
    return "etl replay " + " ".join(f"--batch {name}" for name in group.ids)


def _readings(counts: Counts) -> Iterator[Reason]:
    """Readings that ended in no way: of each contract, then of batches of all that there were."""
    of_contracts = [
        replace(reason, sentence=f"contract {one.name}: {reason.sentence}")
        for one in counts.contracts
        for reason in _ledger(one.ledger)
    ]
    yield from of_contracts or _ledger(counts.ledger)


def _ledger(ledger: Ledger) -> Iterator[Reason]:
    ended = (
        ledger.inserted
        + ledger.updated
        + ledger.unchanged
        + ledger.duplicates
        + ledger.conflicts
        + ledger.conflicts_in_table
        + ledger.rejected
        + ledger.set_aside
        + ledger.forgotten
        + ledger.quarantined
        + ledger.discarded
    )
    if ledger.read != ended:
        yield _loss(f"{counted(ledger.read, 'reading')} read, {ended:,} accounted for")
    if sum(ledger.rejected_by.values()) != ledger.rejected:
        yield _loss("the rejects by reason do not add up to the rejects")


def _rows(counts: Counts) -> Iterator[Reason]:
    if not counts.contracts:
        yield from _table("the table", counts.ledger, counts.rows, counts.batches.staged)
    for one in counts.contracts:
        name = f"the table of {one.name}"
        for reason in _table(name, one.ledger, one.rows, counts.staged_of(one)):
            command = reason.command and f"{reason.command} --contract {one.name}"
            yield replace(reason, command=command)


def _table(name: str, ledger: Ledger, present: int, staged: BatchGroup) -> Iterator[Reason]:
    inserted = ledger.inserted + ledger.inserted_before - ledger.elsewhere
    expected = inserted - ledger.rows_forgotten - ledger.dropped
    if present != expected:
        yield _loss(
            f"{counted(present, 'row')} in {name}, {inserted:,} inserted according to the ledger"
            f"{_gone(ledger)}",
            repair_command([staged]) if present < expected and staged.batches else None,
        )


def _gone(ledger: Ledger) -> str:
    """The rows that are not in the table any more, and why."""
    dropped = f", less {ledger.dropped:,} dropped by retention" if ledger.dropped else ""
    forgotten = f", less {ledger.rows_forgotten:,} forgotten" if ledger.rows_forgotten else ""
    return dropped + forgotten


def _results(counts: Counts) -> Iterator[Reason]:
    """The results that the publishers know to be right, of each contract by itself."""
    messages = counts.messages
    if messages.repeated or messages.missing or counts.without_receipt:
        return
    if not counts.contracts:
        yield from _expected(counts.ledger, counts.receipts, counts.staged_messages)
    for one in counts.contracts:
        receipts, staged = counts.receipts_of(one), counts.staged_of(one)
        for reason in _expected(one.ledger, receipts, staged.messages):
            yield replace(reason, sentence=f"contract {one.name}: {reason.sentence}")


def _expected(ledger: Ledger, receipts: list[Receipt], staged: int) -> Iterator[Reason]:
    """Differences from the results of publishers that know them, where all messages are theirs.

    A repair of batches whose rows retention had dropped inserts these once more. A contract that
    was removed while messages waited makes rejects of them.
    """
    known = receipts and all(receipt.rows is not None for receipt in receipts)
    if not known or staged != sum(receipt.messages for receipt in receipts):
        return
    if ledger.dropped or NO_CONTRACT in ledger.rejected_by:
        return
    expected = {
        "row": sum(receipt.rows or 0 for receipt in receipts),
        "duplicate": sum(receipt.duplicates or 0 for receipt in receipts),
        "reject": sum(receipt.rejected or 0 for receipt in receipts),
    }
    actual = {
        "row": ledger.inserted + ledger.inserted_before + ledger.quarantined + ledger.discarded,
        # A row that an earlier load of the same batch inserted is found there by the next one.
        "duplicate": ledger.duplicates
        + ledger.conflicts
        + ledger.conflicts_in_table
        + ledger.unchanged
        + ledger.updated
        - ledger.inserted_before,
        "reject": ledger.rejected,
    }
    for name, number in expected.items():
        if actual[name] != number:
            yield _loss(f"{counted(actual[name], name)}, but the publishers expect {number:,}")


def _notes(counts: Counts) -> Iterator[str]:
    unacknowledged = sum(receipt.unacknowledged for receipt in counts.receipts)
    if unacknowledged:
        yield (
            f"{_are(unacknowledged, 'message')} without the broker's acknowledgement (an "
            "interrupted publication, or QoS 0): they may have arrived or not"
        )
    if counts.messages.unreadable_messages:
        yield (
            f"{_are(counts.messages.unreadable_messages, 'message')} in raw objects that can't be "
            "read: which ones is not known"
        )
    if counts.without_receipt and counts.receipts:
        yield (
            f"{counted(counts.without_receipt, 'staged message')} without a receipt: whether "
            "their devices sent more is not known"
        )
    if not counts.receipts and counts.staged_messages:
        yield (
            "no publisher wrote a receipt: what was sent and never reached the topic rule is not "
            "known"
        )
