"""What Load needs to know of a batch, read from its report; nothing here talks to anything."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from telemetry.errors import BatchCorruptError
from telemetry.layout import Status
from telemetry.manifest import Purpose, purpose_of

__all__ = ["Batch", "Counts", "Group", "Range", "parse_batch", "parse_groups"]

_ENDS: dict[str, Status] = {
    "pass": "loaded",
    "warn": "loaded",
    "quarantine": "quarantined",
    "discard": "discarded",
}
"""Validate's verdict to what the ledger is to say, where it says nothing yet."""

Range = tuple[int, int]
"""Bytes of the COPY object: start (inclusive) and end (exclusive)."""


@dataclass(frozen=True)
class Batch:
    """One micro-batch as its report describes it; counts are in readings."""

    batch_id: str
    raw_key: str
    execution: str
    """The execution that loads it, which may not be the one that staged it."""
    contract: str
    contract_digest: str
    status: Status
    """What the ledger is to say, where it says nothing yet."""
    messages: int
    read: int
    accepted: int
    duplicates: int
    rejected: int
    rejected_by: dict[str, int]
    min_time: str | None
    """ISO 8601, as is ``max_time``."""
    max_time: str | None
    copy_key: str
    columns: tuple[str, ...]
    """Of the COPY object, in order."""
    groups_key: str | None
    """Key of the object that :func:`parse_groups` reads, where Transform wrote one."""
    set_aside: int = 0
    """Messages of another kind than those that hold readings."""
    purpose: Purpose = "load"
    median_time: str | None = None
    """ISO 8601; reports of before have none, nor have they a first arrival."""
    first_arrival: str | None = None
    """When AWS IoT had the first message: ISO 8601."""


@dataclass(frozen=True)
class Group:
    """Neighbouring rows of the COPY object that share all key columns but the timestamp.

    Transform makes several of what would be a long one, so that each spans little time.
    """

    key: tuple[str, ...]
    """Values of those columns, as the COPY object writes them."""
    range: Range
    rows: int
    min_time: str
    """ISO 8601, in UTC to the microsecond, as the COPY object writes it; so is ``max_time``."""
    max_time: str = "infinity"


@dataclass(frozen=True)
class Counts:
    """What became of the accepted readings."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    """Rows that were in the table already and stay as they are."""

    @property
    def total(self) -> int:
        """All accepted readings."""
        return self.inserted + self.updated + self.unchanged


def parse_batch(event: dict[str, Any], report: bytes) -> Batch:
    """A batch from Load's event and the bytes of the batch's report.

    Raises :class:`BatchCorruptError` where the report is not one.
    """
    status, purpose = _ENDS[event["verdict"]], purpose_of(event)
    try:
        told = json.loads(report)
        copy = told["copy"]
        return Batch(
            batch_id=str(told["batch_id"]),
            raw_key=str(told["raw_key"]),
            execution=str(event["execution"]),
            contract=str(told["contract"]),
            contract_digest=str(told["contract_digest"]),
            status=status,
            purpose=purpose,
            messages=int(told["messages"]),
            read=int(told["read"]),
            accepted=int(told["accepted"]),
            duplicates=int(told["duplicates"]),
            rejected=int(told["rejected"]),
            set_aside=int(told.get("set_aside", 0)),  # reports of before have none
            rejected_by={str(reason): int(n) for reason, n in told["rejected_by"].items()},
            min_time=told["min_time"],
            max_time=told["max_time"],
            median_time=told.get("median_time"),
            first_arrival=told.get("first_arrival"),
            copy_key=str(copy["key"]),
            columns=tuple(copy["columns"]),
            groups_key=copy.get("groups_key"),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BatchCorruptError(
            f"The report of the batch can't be used ({type(error).__name__}: {error}): replay the "
            "batch from its raw object."
        ) from error


def parse_groups(content: bytes) -> list[Group]:
    """The groups of a COPY object, in its order, from the JSON that Transform wrote beside it.

    Raises :class:`BatchCorruptError` where it isn't that.
    """
    try:
        return [
            Group(
                key=tuple(str(part) for part in entry["key"]),
                range=(int(entry["offset"]), int(entry["offset"]) + int(entry["length"])),
                rows=int(entry["rows"]),
                min_time=str(entry["min_time"]),
                max_time=str(entry["max_time"]),
            )
            for entry in json.loads(content)["groups"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise BatchCorruptError(
            f"The groups of the batch can't be read ({type(error).__name__}: {error}): replay the "
            "batch from its raw object."
        ) from error
