"""What must become of the messages of a wrong contract, by an oracle of its own.

It shares no code with the pipeline: it reads messages with ``json`` and ``zoneinfo``, and folds the
readings of each key by the contract's policy in the order of arrival.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.chaos.wrong_contracts import COLUMNS, WrongContract

__all__ = ["Oracle", "Reading", "count"]

AHEAD = timedelta(minutes=5)
"""A clock may be ahead by so much; ``docs/contract.md`` has the rule."""

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Reading:
    """One reading by the oracle: accepted, rejected, or its message was set aside."""

    place: tuple[int, str, int]
    """Arrival, id of the message, index."""
    index: int | None
    row: Row | None
    """``COLUMNS`` of an accepted one."""
    reasons: tuple[str, ...] = ()
    """Of a rejected one. Neither row nor reasons: set aside."""


@dataclass
class Oracle:
    """Everything sent, and what must become of it."""

    contract: WrongContract
    messages: dict[str, str] = field(default_factory=dict)
    """Bodies by message id."""
    readings: dict[str, int] = field(default_factory=dict)
    """Number of readings of each message."""
    read: int = 0
    sent: dict[str, list[Reading]] = field(default_factory=dict)

    def add(self, message_id: str, body: str) -> None:
        """One more message was sent."""
        found = list(self._readings(message_id, json.loads(body)))
        self.messages[message_id], self.sent[message_id] = body, found
        self.readings[message_id] = len(found)
        self.read += len(found)

    def payload(self, message_id: str) -> bytes:
        """The bytes that the device sent."""
        return base64.b64decode(json.loads(self.messages[message_id])["payload"])

    def accepted(self) -> list[tuple[Reading, Row]]:
        """All readings that have a key, in the order of arrival."""
        found = [(r, r.row) for group in self.sent.values() for r in group if r.row is not None]
        return sorted(found, key=lambda pair: pair[0].place)

    def key(self, row: Row) -> Row:
        """The values of the contract's key."""
        return tuple(row[COLUMNS.index(name)] for name in self.contract.key)

    def table(self) -> dict[Row, Row]:
        """The rows by key."""
        groups: dict[Row, list[Row]] = {}
        for _, row in self.accepted():
            groups.setdefault(self.key(row), []).append(row)
        return {key: self._fold(rows) for key, rows in groups.items()}

    def is_kept(self, row: Row, table: dict[Row, Row]) -> bool:
        """True if the row of its key says what the reading says."""
        kept = table[self.key(row)]
        merges = self.contract.policy == "fill_missing"
        return all(
            a == b or (merges and a is None) for a, b in zip(row[:-1], kept[:-1], strict=True)
        )

    def summary(self) -> dict[str, int]:
        """How the readings that were sent must end; the numbers add up to ``sent``."""
        table = self.table()
        accepted, rejected, aside = count(r for group in self.sent.values() for r in group)
        kept = sum(self.is_kept(row, table) for _, row in self.accepted())
        return {
            "messages": len(self.sent),
            "sent": self.read,
            "rows": len(table),
            "repeats": kept - len(table),
            "conflicts": accepted - kept,
            "rejects": rejected,
            "set_aside": aside,
        }

    def _fold(self, rows: list[Row]) -> Row:
        if self.contract.policy == "keep_first":
            return rows[0]
        if self.contract.policy == "keep_last":
            return rows[-1]
        if self.contract.policy == "fill_missing":
            return tuple(
                next((v for v in values if v is not None), None)
                for values in zip(*rows, strict=True)
            )
        rev = COLUMNS.index("rev")
        return max(rows, key=lambda row: -1 if row[rev] is None else row[rev])  # first of equals

    def _readings(self, message_id: str, envelope: dict[str, Any]) -> Iterator[Reading]:
        arrival = envelope["received_at"]
        try:
            text = base64.b64decode(envelope["payload"]).decode()
        except UnicodeDecodeError:
            yield Reading((arrival, message_id, 0), None, None, ("not_utf8",))
            return
        try:
            message = json.loads(text)
        except ValueError:
            yield Reading((arrival, message_id, 0), None, None, ("not_json",))
            return
        if message["type"] != "uplink":
            yield Reading((arrival, message_id, 0), None, None)
            return
        for index, element in enumerate(message["readings"]):
            place = (arrival, message_id, index)
            if not isinstance(element, dict):
                yield Reading(place, index, None, ("not_an_object",))
                continue
            row, reasons = self._row(element, envelope)
            yield Reading(place, index, None if reasons else row, tuple(reasons))

    def _row(self, element: dict[str, Any], envelope: dict[str, Any]) -> tuple[Row, list[str]]:
        arrival = datetime.fromtimestamp(envelope["received_at"] / 1000, UTC)
        moment = self._moment(element.get("ts"), arrival)
        value = element.get("value")
        reasons = [moment] if isinstance(moment, str) else []
        if isinstance(value, str):
            reasons.append("invalid:value")
        elif value is not None and not -50 <= value <= 100:
            reasons.append("out_of_range:value")
        device = envelope["topic"].split("/")[2]
        note = element.get("note") or None  # no text is no value
        values = (element.get("kind"), moment, value, element.get("rev"), note)
        return (device, *values, element["uid"], arrival), reasons

    def _moment(self, text: str | None, arrival: datetime) -> datetime | str:
        """The instant, or the reason why there is none."""
        if not text:
            return "missing:ts"
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            return "invalid:ts"
        if found.tzinfo is not None:
            return found.astimezone(UTC)
        zone = ZoneInfo(self.contract.zone)
        first, second = (found.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first == second:
            return first
        if first.astimezone(zone).replace(tzinfo=None) != found:  # the hour that never came
            return first if self.contract.nonexistent == "shift" else "nonexistent_time:ts"
        if self.contract.ambiguous == "reject":
            return "ambiguous_time:ts"
        if self.contract.ambiguous == "by_arrival":
            return first if second > arrival + AHEAD else second
        return first if self.contract.ambiguous == "earliest" else second


def count(readings: Iterable[Reading]) -> tuple[int, int, int]:
    """Accepted, rejected, set aside."""
    found = list(readings)
    accepted = sum(r.row is not None for r in found)
    rejected = sum(bool(r.reasons) for r in found)
    return accepted, rejected, len(found) - accepted - rejected
