"""Reproducible messages for benchmarks: a fleet with three firmwares and some faulty data.

Most boxes use the names of the contract; some send the weather as a nested object, and times with
milliseconds; old ones use short names and epoch milliseconds. 2 % of the readings have a fault, and
2 % of the messages are truncated, binary or sent twice.
"""

from __future__ import annotations

import base64
import itertools
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from telemetry.contract import Contract, load_contract

__all__ = ["CONTRACT", "START", "contract", "raw_lines", "raw_objects"]

CONTRACT = Path(__file__).parents[1] / "contracts" / "fleet.toml"
START = datetime(2026, 3, 1, tzinfo=UTC)
FAULTY = 0.02
"""Share of the readings, and of the messages, with a fault."""
INTERVAL = timedelta(seconds=10)
OLD, NESTED = 0.1, 0.4
"""Cumulative shares of boxes with old firmware, and with nested weather."""


def contract() -> Contract:
    """The contract of the fleet."""
    return load_contract(CONTRACT)


def raw_lines(readings: int, *, each: int, devices: int = 500, seed: int = 1) -> bytes:
    """The uncompressed lines of a raw object with about so many readings, ``each`` per message."""
    return next(raw_objects(readings, each=each, devices=devices, seed=seed))


def raw_objects(readings: int, *, each: int, devices: int = 500, seed: int = 1) -> Iterator[bytes]:
    """The lines of successive raw objects without end, ``readings`` in each; the devices go on."""
    chance = random.Random(seed)
    boxes = [_Box(number, chance.random(), chance) for number in range(devices)]
    size = readings // each
    for first in itertools.count(0, size):
        yield _lines(range(first, first + size), boxes, each, chance)


def _lines(numbers: range, boxes: list[_Box], each: int, chance: random.Random) -> bytes:
    lines: list[bytes] = []
    last = ("", b"")
    for number in numbers:
        box = boxes[number % len(boxes)]
        name, payload = box.name, box.message(each)
        if chance.random() < FAULTY:
            kind = chance.choice(("truncated", "binary", "repeated"))
            if kind == "truncated":
                payload = payload[: len(payload) // 2]
            elif kind == "binary":
                payload = b"\xff" + chance.randbytes(40)
            elif last[0]:
                name, payload = last
        else:
            last = name, payload
        lines.append(_envelope(number, name, payload, chance))
    chance.shuffle(lines)
    return b"\n".join(lines) + b"\n"


def _envelope(number: int, name: str, payload: bytes, chance: random.Random) -> bytes:
    arrival = int(START.timestamp() * 1000) + 20 * number + chance.randrange(1000)
    envelope = {
        "message_id": f"{chance.getrandbits(128):032x}",
        "topic": f"telemetry/fleet/{name}",
        "client_id": name,
        "received_at": arrival,
        "payload": base64.b64encode(payload).decode(),
    }
    return json.dumps(envelope, separators=(",", ":")).encode()


class _Box:
    """One weather box."""

    def __init__(self, number: int, kind: float, chance: random.Random) -> None:
        self.name = f"box-{number:04d}"
        self._kind = "old" if kind < OLD else "nested" if kind < NESTED else "flat"
        self._chance = chance
        self._sequence = 0
        self._weather = [chance.uniform(5, 25), chance.uniform(30, 90), chance.uniform(980, 1030)]

    def message(self, each: int) -> bytes:
        message: dict[str, Any] = {"device_id": self.name, "firmware": "1.4.2"}
        readings = [self._reading() for _ in range(each)]
        if each > 1:
            message["readings"] = readings
        else:
            message |= readings[0]
        return json.dumps(message, separators=(",", ":")).encode()

    def _reading(self) -> dict[str, Any]:
        chance = self._chance
        self._sequence += 1
        moment = START + INTERVAL * self._sequence
        weather = self._weather = [value + chance.gauss(0, 0.05) for value in self._weather]
        heat, damp, pressure = (round(value, 2) for value in weather)
        reading: dict[str, Any] = {"seq": self._sequence}
        if self._kind == "old":
            reading |= {"time": int(moment.timestamp() * 1000), "temp": heat, "hum": damp}
        else:
            reading["ts"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
            if self._kind == "nested":
                moment += timedelta(milliseconds=chance.randrange(1000))
                reading["ts"] = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
                names = ("temperature", "humidity", "pressure")
                values = (heat, damp, pressure)
                reading["environment"] = dict(zip(names, values, strict=True))
            else:
                reading |= {"temperature_c": heat, "humidity_pct": damp, "pressure_hpa": pressure}
        reading |= {"battery_v": round(chance.uniform(3.3, 4.1), 2), "status": "ok"}
        reading["charging"] = chance.random() < 0.3
        if chance.random() < FAULTY:
            self._spoil(reading)
        return reading

    def _spoil(self, reading: dict[str, Any]) -> None:
        time = "time" if self._kind == "old" else "ts"
        holder = reading.get("environment", reading)
        heat = next(n for n in ("temperature_c", "temp", "temperature") if n in holder)
        kind = self._chance.randrange(7)
        if kind == 0:
            holder[heat] = str(holder[heat])
        elif kind == 1:
            holder[heat] = self._chance.choice(("", "NaN", "n/a", -127))
        elif kind == 2:
            holder[heat] = 1085.0
        elif kind == 3:
            del reading[time]
        elif kind == 4:
            reading[time] = "yesterday"
        elif kind == 5:
            reading["battery_v"] = "low"
        else:
            reading["charging"] = self._chance.choice(("yes", 0, None))
