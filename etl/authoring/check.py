"""What a contract makes of sample messages: the real Transform and gate, explained. Pure."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from etl.authoring.members import ARRIVED as FIRST_ARRIVAL
from etl.authoring.members import gather
from etl.authoring.message_shape import Layout
from etl.authoring.paths import source_text
from etl.authoring.samples import Message, Sample
from functions.transform.clean import CleanBatch, Reject, clean
from functions.transform.rejects import rejected_lines
from functions.transform.report import describe
from functions.validate.judge import Finding, Verdict, judge
from telemetry.contract import Column, Contract, Source

__all__ = ["Checked", "ColumnFound", "Reason", "check", "envelopes", "sources_text"]

EXAMPLES = 3
"""Verbatim examples of each reason."""
EXAMPLE_CHARACTERS = 300
DEVICE = "sample"
"""Last level of the topic of messages whose topic the sample doesn't say."""


@dataclass
class Reason:
    """Why readings are rejected, or lose a value."""

    reason: str
    readings: int = 0
    """Rejected readings this applies to; counted under each of their reasons."""
    values: int = 0
    """Values lost while their reading went on."""
    examples: list[str] = field(default_factory=list)
    """What the device sent, to the letter, cut to :data:`EXAMPLE_CHARACTERS`."""


@dataclass(frozen=True)
class ColumnFound:
    """What became of one column."""

    name: str
    missing: float
    """Share of the rows without a value (0..1)."""
    invalid: float
    """Share of the readings whose value could not be read (0..1)."""
    out_of_range: float
    too_long: float
    more: dict[str, float] = field(default_factory=dict)
    """Other faults that occurred: share of the readings that have them (0..1)."""


@dataclass
class Checked:
    """What a load of the sample would come to."""

    sample: str
    messages: int
    read: int
    accepted: int
    duplicates: int
    rejected: int
    other: dict[str, int]
    """Other counts of Transform's report, such as readings set aside."""
    reasons: list[Reason]
    columns: list[ColumnFound]
    min_time: str | None
    max_time: str | None
    unread: list[str]
    """Members of the sample that no column takes."""
    verdict: Verdict
    findings: list[Finding]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)


def check(contract: Contract, sample: Sample) -> Checked:
    """Cleans the sample as one micro-batch and judges it."""
    raw = envelopes(sample.messages, contract)
    batch = clean(raw, contract)
    report = describe(batch, contract)
    verdict, findings = judge(report, contract.checks)
    known = {"messages", "read", "accepted", "duplicates", "rejected", "raw_bytes"}
    return Checked(
        sample=sample.sentence(),
        messages=report["messages"],
        read=report["read"],
        accepted=report["accepted"],
        duplicates=report["duplicates"],
        rejected=report["rejected"],
        other={k: v for k, v in report.items() if type(v) is int and v and k not in known},
        reasons=_reasons(raw, contract, batch),
        columns=[_column(name, found, report) for name, found in report["columns"].items()],
        min_time=report["min_time"],
        max_time=report["max_time"],
        unread=_unread(contract, sample.messages),
        verdict=verdict,
        findings=findings,
    )


def envelopes(messages: Sequence[Message], contract: Contract) -> bytes:
    """The messages as a raw object's lines; what the sample doesn't say of their way is made up."""
    topic = contract.topic.replace("+", DEVICE)
    return b"\n".join(
        json.dumps(
            {
                "message_id": message.message_id or f"sample-{number:08}",
                "topic": topic if message.topic is None else message.topic,
                "client_id": DEVICE if message.client_id is None else message.client_id,
                "received_at": FIRST_ARRIVAL + number
                if message.received_at is None
                else message.received_at,
                "payload": base64.b64encode(message.payload).decode(),
            }
        ).encode()
        for number, message in enumerate(messages)
    )


def _reasons(raw: bytes, contract: Contract, batch: CleanBatch) -> list[Reason]:
    """Most frequent first: what rejects, then what costs a value."""
    found: dict[str, Reason] = {}
    for reject in batch.rejects:
        for reason in reject.reasons:
            found.setdefault(reason, Reason(reason)).readings += reject.readings
    _add_examples(found, batch, contract)
    forgiven = {
        f"{fault}:{column.name}": count
        for column in contract.columns
        if column.on_invalid == "null"
        for fault, count in batch.faults[column.name].items()
        if count and fault != "truncated"  # which is cut, not lost
    }
    for reason, count in forgiven.items():
        found.setdefault(reason, Reason(reason)).values += count
    if forgiven:
        # Transform keeps no trace of where a value was lost, and need not: under a contract that
        # forgives nothing, the same batch rejects the readings that lost one.
        columns = tuple(replace(column, on_invalid="reject") for column in contract.columns)
        strict = replace(contract, columns=columns)
        _add_examples({reason: found[reason] for reason in forgiven}, clean(raw, strict), strict)
    return sorted(found.values(), key=lambda r: (not r.readings, -r.readings, -r.values, r.reason))


def _add_examples(found: dict[str, Reason], batch: CleanBatch, contract: Contract) -> None:
    """The first few rejects of each reason, as Transform writes them."""
    wanted = Counter(dict.fromkeys(found, EXAMPLES))
    chosen: list[Reject] = []
    for reject in batch.rejects:
        reasons = [reason for reason in reject.reasons if wanted[reason] > 0]
        wanted.subtract(reasons)
        if reasons:
            chosen.append(reject)
    lines = gzip.decompress(rejected_lines(replace(batch, rejects=chosen), contract)).splitlines()
    for reject, line in zip(chosen, lines, strict=True):
        text = _verbatim(json.loads(line))
        for reason in reject.reasons:
            told = found.get(reason)
            if told is not None and len(told.examples) < EXAMPLES and text not in told.examples:
                told.examples.append(text)


def _verbatim(line: dict[str, Any]) -> str:
    """What the device sent, of a line of the rejects; bytes that are no text as Python has them."""
    if "reading" in line:
        text = str(line["reading"])
    else:
        payload = base64.b64decode(line["payload"])
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            text = repr(payload)
    more = len(text) - EXAMPLE_CHARACTERS
    return text if more <= 0 else f"{text[:EXAMPLE_CHARACTERS]}... and {more:,} characters"


def _column(name: str, found: dict[str, Any], report: dict[str, Any]) -> ColumnFound:
    def part(fault: str, whole: str) -> float:
        return round(found.get(fault, 0) / report[whole], 6) if report[whole] else 0.0

    usual = ("invalid", "out_of_range", "too_long")
    seldom = [f for f, count in found.items() if type(count) is int and f not in ("nulls", *usual)]
    more = {fault: part(fault, "read") for fault in seldom}
    invalid, out_of_range, too_long = (part(fault, "read") for fault in usual)
    missing = part("nulls", "accepted")
    return ColumnFound(name, missing, invalid, out_of_range, too_long, more)


def _unread(contract: Contract, messages: Sequence[Message]) -> list[str]:
    """Members with a value somewhere in the sample that no column takes, most frequent first.

    None where a column takes all the rest, and none where readings are no objects: what is in
    those has no name of its own.
    """
    sources = [source for column in contract.columns for source in column.sources]
    rest = any(source.scope == "rest" for source in sources) or contract.melt == "numbers"
    if rest or contract.shape != "objects" or contract.readings == ():
        return []
    members = gather(messages, Layout(contract.readings))
    taken = {source.path for source in (*sources, *(c.source for c in contract.only))}
    taken |= {metric.path for metric in contract.melt or () if not isinstance(metric, str)}
    counts: Counter[str] = Counter()
    for place, values in members.values.items():
        if any(place.path[: len(path)] == path for path in taken):
            continue
        with_value = sum(n for value, n in values.items() if value.text)
        if with_value:
            counts[source_text(Source(place.scope, place.path))] += with_value
    return [name for name, _ in counts.most_common()]


def sources_text(column: Column) -> str:
    """All sources of a column, in the order in which they are tried."""
    return ", ".join(source_text(source) for source in column.sources)
