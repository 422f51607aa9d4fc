"""The batch that Load is to load, read from its report. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

from telemetry.checksums import Checksum, parse_checksum, verify
from telemetry.errors import BatchCorruptError
from telemetry.layout import Status
from telemetry.manifest import Purpose, purpose_of
from telemetry.reports import parse_report, unpack

__all__ = [
    "Batch",
    "Counts",
    "Group",
    "Range",
    "groups_of",
    "parse_batch",
    "parse_groups",
    "replay_remedy",
    "verified_groups",
]

_ENDS: dict[str, Status] = {
    "pass": "loaded",
    "warn": "loaded",
    "quarantine": "quarantined",
    "discard": "discarded",
}
"""Validate's verdict, and the status that a new ledger row gets."""

Range = tuple[int, int]
"""A range of bytes of the COPY object: start (inclusive) and end (exclusive)."""


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
    """Status of the ledger row, if the batch is loaded now."""
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
    """Columns of the COPY object, in order."""
    groups_key: str | None
    """Key of the object that :func:`parse_groups` reads, if Transform wrote one."""
    groups: str | None = None
    """The same content, packed, where the report has it."""
    conflicts: int = 0
    """Readings with the key of another one of the batch and other values."""
    set_aside: int = 0
    """Messages of another kind than those with readings."""
    forgotten: int = 0
    """Readings that an erasure has removed from the raw object."""
    purpose: Purpose = "load"
    median_time: str | None = None
    """ISO 8601; older reports have neither this nor ``first_arrival``."""
    first_arrival: str | None = None
    """Time at which AWS IoT received the first message: ISO 8601."""
    first_received_at: str | None = None
    """Arrival of the first message with an accepted reading: ISO 8601, as is
    ``last_received_at``. Older reports have neither."""
    last_received_at: str | None = None
    copy_checksum: Checksum | None = None
    """Checksum of the lines of the COPY object; older reports have neither this nor the groups'."""
    groups_checksum: Checksum | None = None
    has_places: bool = False
    """True if the lines of the COPY object are followed by their places in the order of arrival."""


@dataclass(frozen=True)
class Group:
    """Neighbouring rows of the COPY object that share all key columns but the timestamp.

    Transform splits long ones, so that each covers a short range of time.
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
    """Counts of the accepted readings, by what the load did with each."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    """Readings that equal the existing row of their key."""
    conflicts_in_table: int = 0
    """Readings that lost against the existing row of their key, which has other values."""
    replaced: int = 0
    """Updated rows that held the values of a reading which, by its arrival, is not the row."""

    @property
    def total(self) -> int:
        """All accepted readings."""
        return self.inserted + self.updated + self.unchanged + self.conflicts_in_table

    def __add__(self, other: Counts) -> Counts:
        """The sum of each count."""
        return Counts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def parse_batch(event: dict[str, Any], report: bytes) -> Batch:
    """A batch from Load's event and the bytes of the batch's report.

    Raises :class:`BatchCorruptError` where the report can't be parsed.
    """
    status, purpose = _ENDS[event["verdict"]], purpose_of(event)
    try:
        content = parse_report(report, str(event.get("report_key")))
        copy, objects = content["copy"], content.get("objects", {})
        return Batch(
            batch_id=str(content["batch_id"]),
            raw_key=str(content["raw_key"]),
            execution=str(event["execution"]),
            contract=str(content["contract"]),
            contract_digest=str(content["contract_digest"]),
            status=status,
            purpose=purpose,
            messages=int(content["messages"]),
            read=int(content["read"]),
            accepted=int(content["accepted"]),
            duplicates=int(content["duplicates"]),
            rejected=int(content["rejected"]),
            conflicts=int(content.get("conflicts", 0)),  # older reports have none
            set_aside=int(content.get("set_aside", 0)),
            forgotten=int(content.get("forgotten", 0)),
            rejected_by={str(reason): int(n) for reason, n in content["rejected_by"].items()},
            min_time=content["min_time"],
            max_time=content["max_time"],
            median_time=content.get("median_time"),
            first_arrival=content.get("first_arrival"),
            copy_key=str(copy["key"]),
            columns=tuple(copy["columns"]),
            groups_key=copy.get("groups_key"),
            groups=copy.get("groups"),
            first_received_at=content.get("first_received_at"),
            last_received_at=content.get("last_received_at"),
            copy_checksum=parse_checksum(copy if "sha256" in copy else objects.get(copy["key"])),
            has_places="sha256" in copy,
            groups_checksum=parse_checksum(objects.get(copy.get("groups_key"))),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BatchCorruptError(
            f"The report of the batch can't be parsed ({type(error).__name__}: {error}): replay "
            "the batch from its raw object."
        ) from error


def replay_remedy(raw_key: str) -> str:
    """Sentence that says how a batch with a damaged object is loaded after all."""
    return f"Nothing was loaded: replay the batch from {raw_key}, which writes all objects again."


def groups_of(batch: Batch, read: Callable[[str], bytes]) -> list[Group]:
    """The groups of the batch's COPY object: of its report, or of the object that ``read`` fetches.

    None where its key has no timestamp. Raises :class:`BatchCorruptError` where they are not what
    Transform wrote.
    """
    if batch.groups is not None:
        return parse_groups(unpack(batch.groups))
    key = batch.groups_key
    return verified_groups(read(key), batch) if key is not None else []


def verified_groups(content: bytes, batch: Batch) -> list[Group]:
    """The groups of the batch's COPY object, from the bytes of their object.

    Raises :class:`BatchCorruptError` where these are not what Transform wrote.
    """
    remedy = replay_remedy(batch.raw_key)
    return parse_groups(verify(content, batch.groups_checksum, str(batch.groups_key), remedy))


def parse_groups(content: bytes) -> list[Group]:
    """The groups of a COPY object, in its order, from the JSON that Transform wrote beside it.

    Raises :class:`BatchCorruptError` where it can't be parsed.
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
