"""A contract checked against sample messages by the real Transform and quality gate."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from etl.authoring.arrivals import arrival_notes, without_age_limits
from etl.authoring.draft import counted
from etl.authoring.members import ARRIVED
from etl.authoring.own_decoders import raised_on
from etl.authoring.paths import source_text
from etl.authoring.samples import Message, Sample
from etl.authoring.unread import UnreadMember, unread_members
from functions.transform.clean import clean
from functions.transform.clean_batch import CleanBatch, Reject
from functions.transform.rejects import rejected_lines
from functions.transform.report import describe
from functions.validate.judge import Finding, Verdict, judge
from telemetry.contract import Column, Contract

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "ColumnReport",
    "Reason",
    "SampleReport",
    "breaks_the_message",
    "check",
    "check_with_rows",
    "envelopes",
    "sources_text",
]

NOT_OF_A_COLUMN = {
    "not_json", "not_utf8", "not_an_object", "not_an_array", "not_pairs", "not_gzip", "too_large",
}  # fmt: skip
"""Reasons of rejects that no column could take: the message itself is broken."""
NOT_DECODED = ("format", "decoder")
"""Kinds of such reasons, before their colon."""
EXAMPLES = 3
"""Most examples of each reason."""
EXAMPLE_CHARACTERS = 300
"""Length to which an example is cut."""
DEVICE = "sample"
"""Last topic level, and client id, of messages for which the sample has none."""


@dataclass
class Reason:
    """A reason for which readings are rejected, or lose a value."""

    reason: str
    readings: int = 0
    """Readings rejected; one with several reasons is counted under each."""
    values: int = 0
    """Values that became NULL in accepted readings."""
    kept_in: str | None = None
    """Another column that keeps those values, as they were sent."""
    examples: list[str] = field(default_factory=list)
    """Readings exactly as the device sent them, cut to :data:`EXAMPLE_CHARACTERS`."""
    raised: str | None = None
    """File, line and message of what the contract's own decoder raises on the first example."""


@dataclass(frozen=True)
class ColumnReport:
    """Shares of missing and faulty values of one column."""

    name: str
    missing: float
    """Share of the rows without a value (0..1)."""
    invalid: float
    """Share of the readings whose value could not be read (0..1)."""
    out_of_range: float
    """Share of the readings whose value is outside the range (0..1)."""
    too_long: float
    """Share of the readings whose text is too long (0..1)."""
    more: dict[str, float] = field(default_factory=dict)
    """Other faults, each with the share of the readings that have it (0..1)."""


@dataclass
class SampleReport:
    """The result of cleaning a sample with a contract."""

    sample: str
    messages: int
    read: int
    accepted: int
    duplicates: int
    conflicts: int
    """Readings with the key of another one and other values."""
    conflicting_pair: tuple[str, str] | None
    """A reading that is kept and one of its key that is not, as the device sent them."""
    rejected: int
    other: dict[str, int]
    """Other counts of Transform's report, such as messages set aside."""
    reasons: list[Reason]
    columns: list[ColumnReport]
    min_time: str | None
    max_time: str | None
    unread: list[UnreadMember]
    """Members of the sample that nothing in the contract reads, most frequent first."""
    notes: list[str]
    """Sentences on arrivals: what the check takes for granted, and a key that relies on them."""
    verdict: Verdict
    findings: list[Finding]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)


def breaks_the_message(reason: str) -> bool:
    """True for the reason of a reject that no column could take."""
    return reason in NOT_OF_A_COLUMN or reason.partition(":")[0] in NOT_DECODED


def check(contract: Contract, sample: Sample) -> SampleReport:
    """Cleans the sample as one micro-batch, and runs the quality checks on it."""
    return check_with_rows(contract, sample)[0]


def check_with_rows(contract: Contract, sample: Sample) -> tuple[SampleReport, pl.DataFrame]:
    """The same report, and the rows that the sample would become."""
    notes = arrival_notes(contract, sample.messages)
    contract = without_age_limits(contract, sample.messages)
    raw = envelopes(sample.messages, contract)
    batch = clean(raw, contract)
    report = describe(batch, contract)
    verdict, findings = judge(report, contract.checks)
    reasons = _reasons(raw, contract, batch)
    if contract.decoder is not None:
        for reason in reasons:
            reason.raised = raised_on(contract, batch, reason.reason)
    lost = list(_losses(report, reasons))
    if lost:
        findings += lost
        verdict = "warn" if verdict == "pass" else verdict
    known = {"messages", "read", "accepted", "duplicates", "conflicts", "rejected", "raw_bytes"}
    found = SampleReport(
        sample=sample.description(),
        messages=report["messages"],
        read=report["read"],
        accepted=report["accepted"],
        duplicates=report["duplicates"],
        conflicts=report["conflicts"],
        conflicting_pair=_conflicting_pair(contract, batch),
        rejected=report["rejected"],
        other={k: v for k, v in report.items() if type(v) is int and v and k not in known},
        reasons=reasons,
        columns=[_column(name, found, report) for name, found in report["columns"].items()],
        min_time=report["min_time"],
        max_time=report["max_time"],
        unread=unread_members(contract, sample.messages),
        notes=notes,
        verdict=verdict,
        findings=findings,
    )
    return found, batch.rows


def _losses(report: dict[str, Any], reasons: Sequence[Reason]) -> Iterator[Finding]:
    """Findings on distinct readings without a row, and on values that become NULL."""
    rejected = sum(reason.readings for reason in reasons if not breaks_the_message(reason.reason))
    readings = report["conflicts"] + rejected
    if readings:
        sentence = (
            f"{counted(readings, 'distinct reading')} would not be rows: {report['conflicts']:,} "
            f"in conflict, {rejected:,} rejected by columns."
        )
        yield Finding("lost_readings", "warn", readings, 0, sentence)
    values = [reason for reason in reasons if reason.values and reason.kept_in is None]
    if values:
        named = ", ".join(f"{reason.reason} {reason.values:,}" for reason in values[:EXAMPLES])
        total = sum(reason.values for reason in values)
        sentence = f"{counted(total, 'value')} would become NULL: {named}."
        yield Finding("lost_values", "warn", total, 0, sentence)


def envelopes(messages: Sequence[Message], contract: Contract) -> bytes:
    """The messages as lines of a raw object; missing parts of their envelopes are made up.

    Messages without a time of arrival all arrive in the same millisecond, as they may in reality.
    """
    topic = contract.topic_filter.fill(DEVICE, lambda _: DEVICE)
    return b"\n".join(
        json.dumps(
            {
                "message_id": message.message_id or f"sample-{number:08}",
                "topic": topic if message.topic is None else message.topic,
                "client_id": DEVICE if message.client_id is None else message.client_id,
                "received_at": ARRIVED if message.received_at is None else message.received_at,
                "payload": base64.b64encode(message.payload).decode(),
            }
        ).encode()
        for number, message in enumerate(messages)
    )


def _reasons(raw: bytes, contract: Contract, batch: CleanBatch) -> list[Reason]:
    """All reasons: first those that reject readings, then the others, most frequent first."""
    found: dict[str, Reason] = {}
    for reject in batch.rejects:
        for reason in reject.reasons:
            found.setdefault(reason, Reason(reason)).readings += reject.readings
    _add_examples(found, batch, contract)
    tolerated = {
        f"{fault}:{column.name}": count
        for column in contract.columns
        if column.on_invalid == "null"
        for fault, count in batch.faults[column.name].items()
        if count and fault != "truncated"  # a cut text is not lost
    }
    for reason, count in tolerated.items():
        entry = found.setdefault(reason, Reason(reason))
        entry.values += count
        entry.kept_in = _kept_in(reason.split(":", 1)[1], contract, batch)
    if tolerated:
        # Transform does not record which readings lost a value. A contract that rejects every
        # invalid value rejects exactly those readings, so it finds the examples.
        columns = tuple(replace(column, on_invalid="reject") for column in contract.columns)
        strict = replace(contract, columns=columns)
        _add_examples({reason: found[reason] for reason in tolerated}, clean(raw, strict), strict)
    return sorted(found.values(), key=lambda r: (not r.readings, -r.readings, -r.values, r.reason))


def _kept_in(name: str, contract: Contract, batch: CleanBatch) -> str | None:
    """Another column of the same member that takes any value."""
    column = contract.column(name)
    for other in contract.columns:
        sources = {replace(source, form="text") for source in other.sources}
        same = other is not column and set(column.sources) <= sources
        takes_all = other.type in ("text", "jsonb") and not any(batch.faults[other.name].values())
        if same and takes_all:
            return other.name
    return None


def _add_examples(found: dict[str, Reason], batch: CleanBatch, contract: Contract) -> None:
    """Adds the first few rejects of each reason, as Transform writes them."""
    wanted = Counter(dict.fromkeys(found, EXAMPLES))
    chosen: list[Reject] = []
    for reject in batch.rejects:
        reasons = [reason for reason in reject.reasons if wanted[reason] > 0]
        wanted.subtract(reasons)
        if reasons:
            chosen.append(reject)
    lines = gzip.decompress(
        rejected_lines(replace(batch, rejects=chosen, conflicts=[]), contract)
    ).splitlines()
    payload: str | None = None
    for reject, line in zip(chosen, map(json.loads, lines), strict=True):
        if line["payload"] is not None:  # in the first line of each message alone; may be empty
            payload = line["payload"]
        text = _verbatim(line | {"payload": payload})
        for reason in reject.reasons:
            entry = found.get(reason)
            if entry is not None and len(entry.examples) < EXAMPLES and text not in entry.examples:
                entry.examples.append(text)


def _conflicting_pair(contract: Contract, batch: CleanBatch) -> tuple[str, str] | None:
    if batch.conflicting_pair is None:
        return None
    kept, lost = (
        _verbatim(json.loads(gzip.decompress(rejected_lines(one, contract))))
        for one in (
            replace(batch, rejects=[reading], conflicts=[]) for reading in batch.conflicting_pair
        )
    )
    return kept, lost


def _verbatim(line: dict[str, Any]) -> str:
    """The reading in a line of the rejects; bytes that are not UTF-8 as Python shows them."""
    if line.get("reading") is not None:
        text = str(line["reading"])
    else:
        payload = base64.b64decode(line["payload"])
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            text = repr(payload)
    more = len(text) - EXAMPLE_CHARACTERS
    return text if more <= 0 else f"{text[:EXAMPLE_CHARACTERS]}... and {more:,} more characters"


def _column(name: str, found: dict[str, Any], report: dict[str, Any]) -> ColumnReport:
    def part(fault: str, whole: str) -> float:
        return round(found.get(fault, 0) / report[whole], 6) if report[whole] else 0.0

    usual = ("invalid", "out_of_range", "too_long")
    others = [f for f, count in found.items() if type(count) is int and f not in ("nulls", *usual)]
    more = {fault: part(fault, "read") for fault in others}
    invalid, out_of_range, too_long = (part(fault, "read") for fault in usual)
    missing = part("nulls", "accepted")
    return ColumnReport(name, missing, invalid, out_of_range, too_long, more)


def sources_text(column: Column) -> str:
    """All sources of a column as text, in the order in which they are tried."""
    return ", ".join(source_text(source) for source in column.sources)
