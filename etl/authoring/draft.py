"""The draft of a contract: its columns and settings, with the comments that explain each line."""

from __future__ import annotations

from dataclasses import dataclass, field

from etl.authoring.members import Place
from etl.authoring.message_shape import MessageShape
from telemetry.contract.model import ColumnType, TimestampFormat

__all__ = ["ColumnDraft", "ContractDraft", "share"]


@dataclass
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
    range: tuple[float, float] | None = None
    max_length: int | None = None
    values: list[str] = field(default_factory=list)
    """Values of an enum."""
    formats: list[TimestampFormat] = field(default_factory=list)
    unit: str | None = None
    attached: list[str] = field(default_factory=list)
    decimal_comma: bool = False
    notes: list[str] = field(default_factory=list)
    """Comment lines above the column."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Key of the column to the comment beside its line."""
    presence: float = 0.0
    """Share of the readings with a value that is not a marker of a missing one (0..1)."""
    distinct: int = 0


@dataclass
class ContractDraft:
    """An inferred contract, with what its author should know about it."""

    name: str
    topic: str
    columns: list[ColumnDraft]
    key: list[str]
    message_shape: MessageShape = field(default_factory=MessageShape)
    on_conflict: str = "keep_first"
    notes: list[str] = field(default_factory=list)
    """Comment lines at the top of the file."""
    reasons: dict[str, str] = field(default_factory=dict)
    """``key``, ``on_conflict``, ``topic``, ``readings``, ``shape`` or ``fields`` to the comment
    beside its line."""
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """Members without a column, each with the reason."""


def share(part: float, whole: float) -> str:
    """A share as text: 0% only for nothing, 100% only for all."""
    if not whole or not part:
        return "0%"
    percent = 100 * part / whole
    if part < whole and percent > 99.9:
        return "almost 100%"
    return "under 0.1%" if percent < 0.1 else f"{percent:.3g}%"
