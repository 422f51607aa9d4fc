"""The draft of a contract: its columns and settings, with the comments that explain each line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from etl.authoring.members import Place
from etl.authoring.message_shape import MessageShape
from telemetry.contract.model import ColumnType, Format

__all__ = ["ColumnDraft", "ContractDraft", "counted", "share"]


@dataclass(eq=False)
class ColumnDraft:
    """An inferred column, as the contract will have it."""

    name: str
    places: list[Place]
    sources: list[str]
    label: tuple[str, ...]
    """The path that gives the column its name and hints at its meaning."""
    type: ColumnType = "text"
    required: bool = False
    missing: list[str | float] = field(default_factory=list)
    marked: Counter[str] = field(default_factory=Counter)
    """Values that are markers of a missing one, with their counts."""
    precision: int | None = None
    scale: int | None = None
    max_length: int | None = None
    formats: list[str] = field(default_factory=list)
    timezone: str | None = None
    unit: str | None = None
    attached: list[str] = field(default_factory=list)
    decimal_comma: bool = False
    constant: str | None = None
    """Value of the readings in which the member is absent."""
    also_as: ColumnDraft | None = None
    """A second column of the same member, which keeps the values that this one can't."""
    unset_clocks: int = 0
    """Times of clocks that were not set."""
    problem: str = ""
    """The reason why a member named like a time can't be read as one; empty where it can."""
    notes: list[str] = field(default_factory=list)
    """Comment lines above the column."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Key of the column to the comment beside its line."""
    presence: float = 0.0
    """Share of the readings with a value that is not a marker of a missing one (0..1)."""
    distinct: int = 0
    longest: int = 0
    """Characters of the longest value."""
    whole: bool = False
    """True for numbers without a fraction, which a key can have as ``bigint``."""


@dataclass
class ContractDraft:
    """An inferred contract, with what its author should know about it."""

    name: str
    topic: str
    columns: list[ColumnDraft]
    key: list[str]
    message_shape: MessageShape = field(default_factory=MessageShape)
    format: Format = "json"
    """Format of the payloads, as the command was asked to read the sample."""
    only: dict[str, list[str] | None] = field(default_factory=dict)
    """Member to the values that messages with readings have; ``None``: it must be present."""
    on_conflict: str = "keep_first"
    rollups: bool = True
    conflicts_accepted: bool = False
    """True where a few readings conflict among many that are sent again."""
    notes: list[str] = field(default_factory=list)
    """Comment lines at the top of the file."""
    reasons: dict[str, str] = field(default_factory=dict)
    """``key``, ``on_conflict``, ``topic``, ``readings``, ``shape``, ``fields``, ``only`` or
    ``rollups`` to the comment beside its line."""
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """Members without a column, each with the reason."""
    advice: list[str] = field(default_factory=list)
    """Sentences on the lines most worth looking at, the most important first."""
    problems: list[str] = field(default_factory=list)
    """Sentences on parts of the messages that a contract can't express."""


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 reading``, ``2 readings``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def share(part: float, whole: float) -> str:
    """A share as text: 0% only for nothing, 100% only for all."""
    if not whole or not part:
        return "0%"
    percent = 100 * part / whole
    if part < whole and percent > 99.9:
        return "almost 100%"
    return "under 0.1%" if percent < 0.1 else f"{percent:.3g}%"
