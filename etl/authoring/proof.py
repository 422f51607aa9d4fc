"""The proof of an inferred contract: what it makes of the sample, and what it would lose."""

from __future__ import annotations

from dataclasses import dataclass

from etl.authoring.check import SampleReport, breaks_the_message, check
from etl.authoring.draft import ContractDraft, counted
from etl.authoring.paths import source_text
from etl.authoring.samples import Sample
from telemetry.contract import Contract, Source

__all__ = ["NullValues", "Proof", "prove"]

MOST_BROKEN = 0.05
"""Share of messages without a JSON object above which the contract fits only a part of them."""
UNREAD = 5
"""Most members without a column that are named."""
WORTH = 3
"""Lines that are named as most worth looking at."""


@dataclass(frozen=True)
class NullValues:
    """Values of one column that become NULL, and why."""

    column: str
    values: int
    why: str


@dataclass(frozen=True)
class Proof:
    """The result of the check, and what follows from it."""

    report: SampleReport
    nulls: list[NullValues]
    losses: list[str]
    """Sentences on distinct readings and values that would be lost; empty where none would."""
    worth_a_look: list[str]
    """Sentences on the lines most worth looking at, each beginning with the line's key."""


def prove(draft: ContractDraft, contract: Contract, sample: Sample) -> Proof:
    """Cleans the whole sample with the contract and compares what comes out with what went in."""
    report = check(contract, sample)
    return Proof(report, _nulls(draft, report), _losses(draft, report), _worth(draft, report))


def _nulls(draft: ContractDraft, report: SampleReport) -> list[NullValues]:
    found = [
        NullValues(column.name, count, f"{marker!r} means no value")
        for column in draft.columns
        for marker, count in column.marked.most_common()
        if not column.required
    ]
    for reason in report.reasons:
        if reason.values:
            fault, column = reason.reason.split(":", 1)
            kept = f"; kept in {reason.kept_in}" if reason.kept_in else ""
            found.append(NullValues(column, reason.values, fault.replace("_", " ") + kept))
    return found


def _losses(draft: ContractDraft, report: SampleReport) -> list[str]:
    found = list(draft.problems)
    if report.conflicts:
        found.append(
            f"table.key: {counted(report.conflicts, 'reading')} with the key of another one "
            "and other values, kept as conflicts, not as rows; add a member that tells them apart, "
            "or $message_id"
        )
    broken = sum(r.readings for r in report.reasons if breaks_the_message(r.reason))
    if broken > MOST_BROKEN * report.read:
        found.append(f"rejected as not JSON objects (messages or their elements): {broken:,}")
    for reason in report.reasons:
        if reason.readings and not breaks_the_message(reason.reason):
            column = reason.reason.partition(":")[2]
            absent = reason.reason.startswith("missing:")
            advice = (
                'give it a constant, or a time "$received_at", if they are to be rows'
                if absent
                else "make it text"
            )
            found.append(
                f"columns.{column}: {reason.readings:,} rejected ({reason.reason}), and kept as "
                f"rejects; {advice}"
            )
        elif reason.values and reason.kept_in is None:
            column = reason.reason.partition(":")[2]
            found.append(
                f"columns.{column}: {counted(reason.values, 'value')} to NULL ({reason.reason}); "
                "make it text"
            )
    header = draft.message_shape.header
    names = {source_text(Source("message", header))} if header else set()
    unread = [member.name for member in report.unread if member.name not in names]
    if unread:
        found.append(f"no column takes {', '.join(unread[:UNREAD])}; add one, or $rest")
    return found


def _worth(draft: ContractDraft, report: SampleReport) -> list[str]:
    found = list(draft.advice)
    for column in draft.columns:
        marked = sum(column.marked.values())
        if marked and not column.required:
            markers = ", ".join(repr(marker) for marker, _ in column.marked.most_common(3))
            found.append(f"columns.{column.name}.missing: {markers} ({marked:,}) become NULL")
    found += [
        f"columns.{column.name}: not all values are numbers, so it has a column of both kinds"
        for column in draft.columns
        if column.also_as is not None
    ]
    if report.duplicates:
        repeats = counted(report.duplicates, "repeat")
        found.append(f"table.key: {repeats}: equal to another one in all columns")
    found += [
        f"columns.{column.name}.unit: {column.unit} is a guess from the name"
        for column in draft.columns
        if column.unit
    ]
    return found[:WORTH]
