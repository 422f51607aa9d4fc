"""Messages as messy as the property tests', and what they must come to."""

from __future__ import annotations

import base64
import json
import random
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from telemetry.contract import NO_CONTRACT, Contract, ContractSet
from tests.property.mess import messages
from tests.property.mqtt_oracle import matches
from tests.property.reference import Expected, expect

__all__ = [
    "CONTRACT",
    "CONTRACTS",
    "ODD_BODIES",
    "Reject",
    "Traffic",
    "Truth",
    "Truths",
    "contract_of",
    "line_of",
]

CONTRACT = Path(__file__).with_name("chaos.toml")
CONTRACTS = (CONTRACT, CONTRACT.with_name("states.toml"))
"""The second one's topic filter matches all that the first one's does, and more."""
PLACES = ("chaos", "chaos", "elsewhere")
"""Second levels of the topics; those of ``chaos`` are of both contracts."""
DEVICES = 40
FIRST_ARRIVAL = 1_795_000_000_000
REMOVED = "removed"
"""Contract that the pipeline does not have, of a message whose rule had been there."""
ODD_BODIES = [
    '{"payload": "e30="}', "no JSON at all", "[]", '{"payload":1,"topic":2}', "é𝄞",
    '{"payload":"e30=","topic":"a/b","client_id":null,"received_at":1,"contract":"No Name"}',
    '{"payload":"e30=","topic":"a/b","client_id":null,"received_at":1,"contract":"removed"}',
]  # fmt: skip
"""Messages that no rule wrote, and one of a contract that the pipeline no longer has."""

Reject = tuple[str, int | None, tuple[str, ...]]
"""Id of the message, place of the reading in it, reasons."""


@dataclass
class Traffic:
    """A source of SQS message bodies, the same ones for the same seed."""

    seed: int
    contracts: ContractSet
    pool_size: int = 200
    """Payloads that are made, in all; each is near what one of the contracts reads."""
    _made: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self._sent: list[str] = []
        self._waiting: list[str] = []
        """Bodies of messages that were published with one before them."""

    @cached_property
    def _pool(self) -> list[bytes]:
        size = self.pool_size // len(self.contracts)
        return [
            payload
            for place, contract in enumerate(self.contracts)
            for payload in _payloads(contract, size, self.seed + place)
        ]

    def bodies(self, count: int) -> list[str]:
        """As the topic rules write them; some were sent before, some no rule ever wrote."""
        while len(self._waiting) < count:
            self._waiting += self._published()
        found, self._waiting = self._waiting[:count], self._waiting[count:]
        return found

    def bodies_of(self, name: str | None, count: int) -> list[str]:
        """As :meth:`bodies`, of one contract; those of others come later."""
        found: list[str] = []
        others: list[str] = []
        while len(found) < count:
            (body,) = self.bodies(1)
            (found if contract_of(body) == name else others).append(body)
        self._waiting = [*others, *self._waiting]
        return found

    def _published(self) -> list[str]:
        """The bodies that one published message comes to: one for each rule that matches."""
        self._made += 1
        chance = self.rng.random()
        if chance < 0.04 and self._sent:
            return [self.rng.choice(self._sent)]
        if chance < 0.06:
            return [self.rng.choice(ODD_BODIES)]
        # The strategies know few dates: a date of its own makes a reading one that is new.
        day = b"2026-03-%02d" % self.rng.randint(1, 28)
        payload = self.rng.choice(self._pool).replace(b"2026-03-01", day)
        if chance < 0.6:
            payload = self._sound()
        topic = f"telemetry/{self.rng.choice(PLACES)}/d{self.rng.randrange(DEVICES)}"
        envelope = {
            "payload": base64.b64encode(payload).decode(),
            "topic": topic,
            "client_id": self.rng.choice([None, "é", "box"]),
            "received_at": FIRST_ARRIVAL + self._made,
        }
        bodies = [
            json.dumps(envelope | ({} if name is None else {"contract": name}))
            for contract in self.contracts
            if matches(contract.topic_filter.mqtt, topic)
            for name in [self.contracts.key_name(contract)]
        ]
        self._sent += bodies
        return bodies

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


def contract_of(body: str) -> str | None:
    """The contract that a message is of, as keys name it."""
    return json.loads(body).get("contract") if _is_of_a_rule(body) else None


def _is_of_a_rule(body: str) -> bool:
    """False for what is kept whole: no rule wrote it, or not with a name of a contract."""
    return '"received_at"' in body and '"contract":"No Name"' not in body


def line_of(message_id: str, body: str) -> bytes:
    """The line of a raw object that a message must become."""
    told: dict[str, Any] = {"message_id": message_id}
    if _is_of_a_rule(body):
        told |= json.loads(body)
        told.pop("contract", None)
    else:
        none = dict.fromkeys(("topic", "client_id", "received_at"))
        told |= {**none, "payload": base64.b64encode(body.encode()).decode()}
    return json.dumps(told).encode()


class Truth:
    """What all messages of one contract sent so far must come to, by the oracle."""

    def __init__(self, contract: Contract | None) -> None:
        self.contract = contract
        """``None``: the pipeline does not have it, so that each message is a reject."""
        names = [column.name for column in contract.columns] if contract else ["received_at"]
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
            found = self._known[body] = self._expected(body)
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

    def _expected(self, body: str) -> Expected:
        if self.contract is None:
            return Expected(read=1, rejects=[("", None, (NO_CONTRACT,))])
        return expect(line_of("", body), self.contract)


class Truths:
    """What the messages of each contract must come to; what is published once may be several."""

    def __init__(self, contracts: ContractSet) -> None:
        self.of: dict[str | None, Truth] = {
            contracts.key_name(contract): Truth(contract) for contract in contracts
        }
        """By the contract's name in keys."""
        self.of[REMOVED] = Truth(None)

    def add(self, message_id: str, body: str) -> None:
        """One more message was sent."""
        self.of[contract_of(body)].add(message_id, body)

    @property
    def messages(self) -> dict[str, str]:
        """Bodies of all messages by the id that SQS gave them."""
        return {name: body for one in self.of.values() for name, body in one.messages.items()}

    @property
    def rejects(self) -> set[Reject]:
        """The rejects of all contracts."""
        return {reject for one in self.of.values() for reject in one.rejects}


def spelled(row: tuple[Any, ...]) -> str:
    """A row to compare to the letter: types and the sign of zero count, names of zones don't."""
    return " | ".join(v.isoformat() if isinstance(v, datetime) else repr(v) for v in row)
