"""Contracts that are wrong for what the devices send, the messages, and what must become of each.

The oracle shares no code with the pipeline: it reads messages with ``json`` and ``zoneinfo``, and
folds the readings of each key by the contract's policy in the order of arrival.
"""

from __future__ import annotations

import base64
import itertools
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

__all__ = ["COLUMNS", "Message", "Oracle", "Reading", "WrongContract", "draw_contract"]

POLICIES = ("keep_first", "keep_last", "keep_greatest", "fill_missing")
KEYS = (("device", "ts"), ("device", "kind", "ts"), ("device",), ("ts",), ("device", "kind"))
AMBIGUOUS = ("by_arrival", "earliest", "latest", "reject")
CHANGES = {
    # The zone, the hour in which its clocks are set back, and a day on which they are set forward.
    "Europe/London": (datetime(2026, 10, 25, 1, tzinfo=UTC), "2026-03-29T01:"),
    "America/New_York": (datetime(2026, 11, 1, 6, tzinfo=UTC), "2026-03-08T02:"),
    "Australia/Lord_Howe": (datetime(2026, 4, 4, 15, tzinfo=UTC), "2026-10-04T02:"),
}
AHEAD = timedelta(minutes=5)
"""A clock may be ahead by so much; ``docs/contract.md`` has the rule."""
COLUMNS = ("device", "kind", "ts", "value", "rev", "note", "uid", "received_at")

Row = tuple[Any, ...]


@dataclass(frozen=True)
class WrongContract:
    """A contract whose key is too small, or whose times mean something else."""

    policy: str
    key: tuple[str, ...]
    zone: str
    ambiguous: str
    nonexistent: str
    strict: bool
    """True if the default limits of conflicts hold batches back."""

    def toml(self) -> str:
        """The contract file."""
        greatest = 'greatest = "rev"\n' if self.policy == "keep_greatest" else ""
        checks = "" if self.strict else "conflict_share = 1.0\nconflict_share_warn = 1.0\n"
        return TEMPLATE.format(
            policy=self.policy, greatest=greatest, checks=checks, key=json.dumps(self.key),
            zone=self.zone, ambiguous=self.ambiguous, nonexistent=self.nonexistent,
        )  # fmt: skip


TEMPLATE = """\
name = "wrong"
topic = "telemetry/wrong/+"

[table]
name = "wrong"
key = {key}
on_conflict = "{policy}"
{greatest}
[message]
readings = "readings"
only = {{ type = "uplink" }}

[columns.device]
type = "text"
max_length = 16
from = "$topic[2]"
required = true

[columns.kind]
type = "text"
max_length = 16
required = true

[columns.ts]
type = "timestamp"
timezone = "{zone}"
ambiguous = "{ambiguous}"
nonexistent = "{nonexistent}"
required = true

[columns.value]
type = "float"
range = [-50, 100]

[columns.rev]
type = "integer"

[columns.note]
type = "text"

[columns.uid]
type = "text"
max_length = 16
required = true

[columns.received_at]
type = "timestamp"
from = "$received_at"
required = true

[checks]
max_reject_share = 1.0
warn_reject_share = 1.0
max_duplicate_share = 1.0
volume = [0.0, 100000.0]
{checks}"""


def draw_contract(rng: random.Random, policy: str) -> WrongContract:
    """A contract with this policy, and all else at random."""
    return WrongContract(
        policy=policy,
        key=rng.choice(KEYS),
        zone=rng.choice(sorted(CHANGES)),
        ambiguous=rng.choice(AMBIGUOUS),
        nonexistent=rng.choice(("reject", "shift")),
        strict=policy == "keep_first" and rng.random() < 0.5,
    )


@dataclass(frozen=True)
class Message:
    """A message as a device sent it and IoT Core took it."""

    topic: str
    client_id: str
    received_at: int
    """Epoch milliseconds."""
    payload: bytes

    def body(self) -> str:
        """As the topic rule writes it."""
        return json.dumps(
            {
                "payload": base64.b64encode(self.payload).decode(),
                "topic": self.topic,
                "client_id": self.client_id,
                "received_at": self.received_at,
            }
        )


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


class Devices:
    """Sends messages whose readings collide: few keys, few values, times around a change."""

    def __init__(self, contract: WrongContract, seed: int) -> None:
        self.rng = random.Random(seed)
        self.zone = ZoneInfo(contract.zone)
        self.change, self.gap = CHANGES[contract.zone]
        self._uids = itertools.count()
        self._sent: list[Message] = []

    def messages(self, count: int) -> list[Message]:
        """The next messages; some were sent before, and the broker took them again."""
        return [self._message() for _ in range(count)]

    def _message(self) -> Message:
        rng = self.rng
        # Whole minutes, so that many arrive at the same moment, and late ones among them.
        arrival = self.change + timedelta(minutes=rng.randrange(-90, 240))
        millis = int(arrival.timestamp() * 1000)
        device = rng.randrange(5)
        if rng.random() < 0.1 and self._sent:
            again = rng.choice(self._sent)
            millis = rng.choice([again.received_at, millis])
            return Message(again.topic, again.client_id, millis, again.payload)
        made = Message(
            f"telemetry/wrong/d{device}", f"d{device}", millis, self._payload(arrival)
        )
        self._sent.append(made)
        return made

    def _payload(self, arrival: datetime) -> bytes:
        rng = self.rng
        chance = rng.random()
        if chance < 0.02:
            return rng.choice([b"no JSON", b'{"type": "uplink", "readings"', b"\xff\xfe{}"])
        if chance < 0.05:
            return json.dumps({"type": "join", "number": next(self._uids)}).encode()
        readings = [self._reading(arrival) for _ in range(rng.randint(0, 8))]
        body = {"type": "uplink", "readings": readings}
        return json.dumps(body, ensure_ascii=rng.random() < 0.5).encode()

    def _reading(self, arrival: datetime) -> Any:
        rng = self.rng
        if rng.random() < 0.02:
            return rng.choice([7, "text", None, []])
        measured = arrival - timedelta(minutes=rng.choice([0, 0, 1, 2, 30, 56, 61, -3, -5, -6]))
        local = measured.astimezone(self.zone).replace(tzinfo=None)
        if rng.random() < 0.7:  # few times, so that keys meet
            local = local.replace(minute=local.minute // 10 * 10)
        ts: Any = local.isoformat()
        chance = rng.random()
        if chance < 0.1:
            ts = f"{self.gap}{rng.randrange(30):02}:00"
        elif chance < 0.2:
            ts = measured.isoformat()
        elif chance < 0.23:
            ts = rng.choice([None, "yesterday", ""])
        reading = {
            "kind": rng.choice(["t", "h"]),
            "ts": ts,
            "value": rng.choice([None, 1.5, 2, -0.0, 20.25, 100, 101, "hot"]),
            "rev": rng.choice([None, 0, 1, 2, 3]),
            "note": rng.choice([None, "", "é𝄞", 'a "b", c', "\\N", "line\nfeed"]),
            # Some say the same again under the same name.
            "uid": f"u{next(self._uids) if rng.random() < 0.9 else rng.randrange(20)}",
        }
        return {name: v for name, v in reading.items() if v is not None or rng.random() < 0.5}


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
        first, second = (
            found.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)
        )
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
