"""The work behind the playground, done in a process of its own: infer, check, and preview."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from etl.authoring.check import SampleReport
from etl.authoring.contract_problems import ContractProblem, KeyLines, read_contract
from etl.authoring.samples import sample_of
from telemetry.contract import Contract

if TYPE_CHECKING:
    import polars as pl

    from etl.authoring.samples import Sample

__all__ = [
    "MOST_MESSAGES",
    "CheckResult",
    "ColumnResult",
    "Fault",
    "InferResult",
    "Note",
    "check_sample",
    "infer_contract",
    "warm_up",
]

MOST_MESSAGES = 10_000
"""Messages that are examined, from all parts of the file: a check of them takes about a second."""
PREVIEW_ROWS = 20
PREVIEW_CHARACTERS = 80
"""Length to which a value of the preview is cut."""


@dataclass(frozen=True)
class Fault:
    """Values or readings of a column that share a fault."""

    fault: str
    """Name of the fault, such as ``out_of_range``."""
    count: int
    kept_in: str | None = None
    """Another column that keeps the values as they were sent."""


@dataclass(frozen=True)
class ColumnResult:
    """Effects of a contract on one column."""

    name: str
    type: str
    sources: str
    line: int
    """Line of the contract that begins the column."""
    missing: float
    """Share of the rows without a value (0..1)."""
    lost: tuple[Fault, ...]
    """Values that become NULL although the device sent something."""
    rejected: tuple[Fault, ...]
    """Readings rejected because of this column."""


@dataclass(frozen=True)
class CheckResult:
    """Results of a contract on a sample; without a report where the contract is not valid."""

    name: str = ""
    """Name of the contract; empty where it is not valid."""
    problems: tuple[ContractProblem, ...] = ()
    report: SampleReport | None = None
    columns: tuple[ColumnResult, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()
    """The first rows as texts; ``None`` stands for NULL."""
    row_columns: tuple[str, ...] = ()

    @property
    def values_lost(self) -> int:
        """Values that become NULL and that no other column keeps."""
        faults = (fault for column in self.columns for fault in column.lost)
        return sum(fault.count for fault in faults if fault.kept_in is None)


@dataclass(frozen=True)
class Note:
    """A sentence on a line of an inferred contract."""

    line: int
    key: str
    """Dotted path of the entry that the sentence is about; empty where it is about the whole."""
    sentence: str


@dataclass(frozen=True)
class InferResult:
    """An inferred contract with its own check."""

    text: str
    name: str
    losses: tuple[Note, ...]
    """Sentences on readings and values that would be lost."""
    worth_a_look: tuple[Note, ...]
    check: CheckResult = field(default_factory=CheckResult)


def warm_up() -> None:
    """Imports what the first check needs, so that it does not have to wait."""
    import polars  # noqa: F401

    import etl.authoring.check
    import etl.authoring.infer  # noqa: F401


def infer_contract(content: bytes, name: str) -> InferResult:
    """Infers a contract from a file's content and checks the content with it.

    Raises ``SampleError`` for a file without readable messages.
    """
    from etl.authoring.infer import infer, parse_draft
    from etl.authoring.proof import prove
    from etl.authoring.toml_writer import write_contract

    sample = sample_of(content, name, MOST_MESSAGES)
    draft = infer(sample, name, name)
    contract = parse_draft(draft)
    text = write_contract(draft)
    proof = prove(draft, contract, sample)
    lines = KeyLines(text)
    return InferResult(
        text,
        contract.name,
        tuple(_note(sentence, lines) for sentence in proof.losses),
        tuple(_note(sentence, lines) for sentence in proof.worth_a_look),
        _checked(text, sample),
    )


def check_sample(text: str, content: bytes | None, name: str) -> CheckResult:
    """Checks a contract's text, and a file's content with it where there is one.

    Raises ``SampleError`` for a file without readable messages.
    """
    return _checked(text, None if content is None else sample_of(content, name, MOST_MESSAGES))


def _checked(text: str, sample: Sample | None) -> CheckResult:
    from etl.authoring.check import check_with_rows

    contract, problems = read_contract(text)
    if contract is None:
        return CheckResult(problems=tuple(problems))
    if sample is None:
        return CheckResult(contract.name)
    report, rows = check_with_rows(contract, sample)
    return CheckResult(
        contract.name,
        (),
        report,
        _columns(contract, report, KeyLines(text)),
        _preview(rows),
        tuple(rows.columns),
    )


def _note(sentence: str, lines: KeyLines) -> Note:
    key = sentence.partition(": ")[0]
    key = "" if " " in key else key
    return Note(lines.of(key), key, sentence)


def _columns(contract: Contract, report: SampleReport, lines: KeyLines) -> tuple[ColumnResult, ...]:
    from etl.authoring.check import sources_text

    missing = {column.name: column.missing for column in report.columns}
    lost: dict[str, list[Fault]] = {}
    rejected: dict[str, list[Fault]] = {}
    for reason in report.reasons:
        fault, colon, column = reason.reason.partition(":")
        if colon and reason.values:
            lost.setdefault(column, []).append(Fault(fault, reason.values, reason.kept_in))
        if colon and reason.readings:
            rejected.setdefault(column, []).append(Fault(fault, reason.readings))
    return tuple(
        ColumnResult(
            column.name,
            column.type + (", required" if column.required else ""),
            sources_text(column),
            lines.of(f"columns.{column.name}"),
            missing.get(column.name, 0.0),
            tuple(lost.get(column.name, ())),
            tuple(rejected.get(column.name, ())),
        )
        for column in contract.columns
    )


def _preview(rows: pl.DataFrame) -> tuple[tuple[str | None, ...], ...]:
    return tuple(_texts(row) for row in rows.head(PREVIEW_ROWS).iter_rows())


def _texts(row: Sequence[Any]) -> tuple[str | None, ...]:
    return tuple(None if value is None else _text(value) for value in row)


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        text = f"{value:%Y-%m-%d %H:%M:%S}"
        return f"{text}.{value.microsecond:06}".rstrip("0") if value.microsecond else text
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    more = len(text) - PREVIEW_CHARACTERS
    return text if more <= 0 else f"{text[:PREVIEW_CHARACTERS]}… and {more:,} more characters"
