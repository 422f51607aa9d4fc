"""Contracts that are wrong for what the devices send, and the messages that they send."""

from __future__ import annotations

import base64
import itertools
import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

__all__ = ["COLUMNS", "POLICIES", "Devices", "Message", "WrongContract", "draw_contract"]

POLICIES = ("keep_first", "keep_last", "keep_greatest", "fill_missing")
KEYS = (("device", "ts"), ("device", "kind", "ts"), ("device",), ("ts",), ("device", "kind"))
AMBIGUOUS = ("by_arrival", "earliest", "latest", "reject")
CHANGES = {
    # The zone, the hour in which its clocks are set back, and a day on which they are set forward.
    "Europe/London": (datetime(2026, 10, 25, 1, tzinfo=UTC), "2026-03-29T01:"),
    "America/New_York": (datetime(2026, 11, 1, 6, tzinfo=UTC), "2026-03-08T02:"),
    "Australia/Lord_Howe": (datetime(2026, 4, 4, 15, tzinfo=UTC), "2026-10-04T02:"),
}
COLUMNS = ("device", "kind", "ts", "value", "rev", "note", "uid", "received_at")


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
        made = Message(f"telemetry/wrong/d{device}", f"d{device}", millis, self._payload(arrival))
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
