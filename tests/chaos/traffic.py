"""Messages as messy as the property tests', and what they must come to."""

from __future__ import annotations

import base64
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from telemetry.contract import Contract, load_contract
from tests.property.mess import messages
from tests.property.reference import Expected, expect

__all__ = ["CONTRACT", "Reject", "Traffic", "Truth", "line_of"]

CONTRACT = Path(__file__).with_name("chaos.toml")
DEVICES = 40
FIRST_ARRIVAL = 1_795_000_000_000
ODD_BODIES = ['{"payload": "e30="}', "no JSON at all", "[]", '{"payload":1,"topic":2}', "é𝄞"]

Reject = tuple[str, int | None, tuple[str, ...]]
"""Id of the message, place of the reading in it, reasons."""


@dataclass
class Traffic:
    """A source of SQS message bodies, the same ones for the same seed."""

    seed: int
    contract: Contract = field(default_factory=lambda: load_contract(CONTRACT))
    pool_size: int = 200
    _made: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self._sent: list[str] = []

    @cached_property
    def _pool(self) -> list[bytes]:
        return _payloads(self.contract, self.pool_size, self.seed)

    def bodies(self, count: int) -> list[str]:
        """As the topic rule writes them; some were sent before, some no rule ever wrote."""
        return [self._body() for _ in range(count)]

    def _body(self) -> str:
        self._made += 1
        chance = self.rng.random()
        if chance < 0.04 and self._sent:
            return self.rng.choice(self._sent)
        if chance < 0.06:
            return self.rng.choice(ODD_BODIES)
        # The strategies know few dates: a date of its own makes a reading one that is new.
        day = b"2026-03-%02d" % self.rng.randint(1, 28)
        payload = self.rng.choice(self._pool).replace(b"2026-03-01", day)
        if chance < 0.6:
            payload = self._sound()
        body = json.dumps(
            {
                "payload": base64.b64encode(payload).decode(),
                "topic": f"telemetry/chaos/d{self.rng.randrange(DEVICES)}",
                "client_id": self.rng.choice([None, "é", "box"]),
                "received_at": FIRST_ARRIVAL + self._made,
            }
        )
        self._sent.append(body)
        return body

    def _sound(self) -> bytes:
        """A message as a device in good health sends it."""
        rng = self.rng
        readings = [
            {
                "ts": f"2026-03-{rng.randint(1, 28):02d}T12:{rng.randrange(10):02d}:00Z",
                "seq": rng.randrange(1000),
                "temperature_c": round(rng.uniform(-70, 90), 2),
                "note": rng.choice(["", 'a "b", c', "\\.", "é𝄞", "line\nfeed"]),
            }
            for _ in range(rng.randint(1, 6))
        ]
        return json.dumps({"readings": readings}).encode()


def _payloads(contract: Contract, count: int, number: int) -> list[bytes]:
    found: list[bytes] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(messages(contract))
    def collect(payload: bytes) -> None:
        found.append(payload)

    collect()
    return found


def line_of(message_id: str, body: str) -> bytes:
    """The line of a raw object that a message must become."""
    told: dict[str, Any] = {"message_id": message_id}
    if '"received_at"' in body:
        told |= json.loads(body)
    else:
        none = dict.fromkeys(("topic", "client_id", "received_at"))
        told |= {**none, "payload": base64.b64encode(body.encode()).decode()}
    return json.dumps(told).encode()


class Truth:
    """What all messages sent so far must come to, by the oracle."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        names = [column.name for column in contract.columns]
        self._arrival = names.index("received_at")
        self._known: dict[str, Expected] = {}
        self.messages: dict[str, str] = {}
        """Bodies by the id that SQS gave them."""
        self.readings: dict[str, int] = {}
        """Number of readings of each message."""
        self.read = 0
        self.rows: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        self.rejects: Counter[Reject] = Counter()

    def add(self, message_id: str, body: str) -> None:
        """One more message was sent."""
        self.messages[message_id] = body
        found = self._known.get(body)
        if found is None:
            found = self._known[body] = expect(line_of("", body), self._contract)
        self.read += found.read
        self.readings[message_id] = found.read
        for key, row in found.rows.items():
            known = self.rows.get(key)
            if known is None or row[self._arrival] > known[self._arrival]:
                self.rows[key] = row
        for _, index, reasons in found.rejects:
            self.rejects[message_id, index, reasons] += 1

    def spelled_rows(self) -> list[str]:
        """Each row to the letter, in order."""
        return sorted(map(spelled, self.rows.values()))


def spelled(row: tuple[Any, ...]) -> str:
    """A row to compare to the letter: types and the sign of zero count, names of zones don't."""
    return " | ".join(v.isoformat() if isinstance(v, datetime) else repr(v) for v in row)
