"""A simulated fleet that follows a contract, with invalid readings whose outcomes are known.

The generator is deterministic: the same contract, seed and start give the same messages, byte for
byte. It counts the outcome that each invalid reading must have, so that a reconciliation can be
checked against the truth and not only against itself.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from functions.transform.parts import member
from local.devices.composed_values import composed_members, is_composed
from local.devices.encoding import as_sent
from telemetry.contract.formats import LISTS
from telemetry.contract.model import Column, Contract, MemberPath, Source
from telemetry.zones import zone

__all__ = ["SimulatedDevice", "Truth", "can_simulate", "device_topic"]

Kind = str
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PER_SECOND = {
    "epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9, "epoch_auto": 10**3,
}  # fmt: skip
MESSAGE_MESS: tuple[Kind, ...] = ("sent again", "torn", "binary")
TORN_AS_A_WHOLE = ("json", "cbor", "msgpack")
"""Formats in which half a payload is one reject; of lines, those before the tear are read."""
READING_MESS: tuple[Kind, ...] = ("number as text", "missing marker", "out of range", "no time")
TYPED_MESS: tuple[Kind, ...] = ("out of range",)
"""Mess that a format can express whose fields have types, and a zero where nothing is sent."""


@dataclass
class Truth:
    """Number of messages and readings published, and the outcome that each reading must have."""

    messages: int = 0
    readings: int = 0
    rows: int = 0
    """Readings that must each end as a row of their own."""
    duplicates: int = 0
    rejected: int = 0

    def add(self, other: Truth, *, times: int = 1) -> None:
        """Add another count to this one."""
        for name in vars(self):
            setattr(self, name, getattr(self, name) + times * getattr(other, name))


def can_simulate(contract: Contract) -> bool:
    """True for a contract whose messages have a shape that :class:`SimulatedDevice` can make."""
    levels = contract.readings == () or contract.parents is not None
    return contract.shape == "objects" and not (contract.melt or contract.only or levels)


def device_topic(contract: Contract, thing: str) -> str:
    """The topic a device publishes to: its name is the device's level.

    The other wildcards have values that the contract takes: those of a condition or a column on the
    level, else the level's name.
    """
    return contract.topic_filter.fill(thing, lambda place: _level(contract, place))


def _level(contract: Contract, place: int) -> str:
    """A text for a level of the topic, by its place."""
    here = Source("envelope", ("topic", str(place)))
    for condition in contract.only:
        if condition.source == here and condition.values:
            return str(condition.values[0])
    names = {at: name for name, at in contract.topic_filter.places.items()}
    for column in contract.columns:
        if here not in column.sources:
            continue
        if column.type == "enum":
            return str(column.values[0][0])
        if column.type == "boolean":
            return "true"
        if column.type not in ("text", "timestamp"):
            return str(math.ceil(_span(column)[0]))
    return names.get(place, "any")


@dataclass
class SimulatedDevice:
    """One device: an endless source of messages, and the truth about those it made."""

    contract: Contract
    thing: str
    seed: int
    start: datetime
    readings_per_message: int = 20
    mess: float = 0.02
    """Share of messages, and of readings, that are messy (0..1)."""
    interval: float = 1.0
    """Seconds between two readings; no shorter than the contract's timestamps can tell apart."""
    truth: Truth = field(default_factory=Truth)

    def __post_init__(self) -> None:
        self._random = random.Random(f"{self.seed}/{self.thing}")  # noqa: S311 - not a secret
        self._clock = self.start.astimezone(UTC)
        self._step = max(self.interval, _resolution(self.contract))
        self._walk: dict[str, float] = {}
        self._sequence = 0
        self._last: tuple[bytes, Truth] | None = None

    def messages(self) -> Iterator[bytes]:
        """Payloads, one after another, without end."""
        for payload, _truth in self.messages_with_truth():
            yield payload

    def messages_with_truth(self) -> Iterator[tuple[bytes, Truth]]:
        """Payloads without end, each with the outcomes that its readings must have."""
        while True:
            payload, truth = self._next()
            self.truth.add(truth)
            yield payload, truth

    def _next(self) -> tuple[bytes, Truth]:
        kind = self._random.choice(MESSAGE_MESS) if self._messy() else None
        if kind == "sent again" and self._last is not None:
            payload, first = self._last
            again = Truth(1, first.readings, 0, first.rows + first.duplicates, first.rejected)
            return payload, again
        if kind == "binary":
            noise = bytes(self._random.randrange(256) for _ in range(40))
            return b"\xff" + noise, Truth(messages=1, readings=1, rejected=1)
        payload, truth = self._message()
        if kind == "torn" and self.contract.format in TORN_AS_A_WHOLE:
            return payload[: len(payload) // 2], Truth(messages=1, readings=1, rejected=1)
        self._last = payload, truth
        return payload, truth

    def _messy(self) -> bool:
        return self._random.random() < self.mess

    def _message(self) -> tuple[bytes, Truth]:
        truth = Truth(messages=1)
        message: dict[str, Any] = {}
        readings = []
        lines = self.contract.format in LISTS
        for _ in range(self.readings_per_message if self.contract.readings or lines else 1):
            reading, good = self._reading(message)
            readings.append(reading)
            truth.readings += 1
            truth.rows += good
            truth.rejected += not good
        if self.contract.readings:
            self._random.shuffle(readings)  # devices buffer and send out of order
            _put(message, self.contract.readings, readings)
        else:
            message |= readings[0]
        document = readings if lines else message
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        return as_sent(self.contract, text.encode()), truth

    def _reading(self, message: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """One reading and whether it must become a row; ``message`` takes the outer members."""
        # Never faster than the interval says: a clock that ran ahead of real time would meet the
        # readings of the device's next simulation.
        self._clock += timedelta(seconds=self._step)
        self._sequence += 1
        reading: dict[str, Any] = {}
        for column in self.contract.columns:
            source = _written_source(column)
            if source is None and not is_composed(column):
                continue
            value = self._value(column)
            sent = [] if source is None else [(source, value)]
            for place, part in (*sent, *composed_members(column, value)):
                _put(message if place.scope == "message" else reading, place.path, part)
        good = True
        if self._messy():
            mess = TYPED_MESS if self.contract.format == "protobuf" else READING_MESS
            good = self._spoil(reading, self._random.choice(mess))
        return reading, good

    def _value(self, column: Column) -> Any:
        if column.type == "timestamp":
            return _timestamp(self._clock, column)
        if column.type == "text":
            return self.thing if column.name in self.contract.key else "ok"
        if column.type in ("boolean", "enum", "jsonb"):
            return self._choice(column)
        low, high = _span(column)
        if column.type in ("smallint", "integer", "bigint"):
            return int(low) + self._sequence % max(1, int(high - low))
        position = self._walk.get(column.name, 0.5) + self._random.gauss(0, 0.005)
        self._walk[column.name] = position = min(0.95, max(0.05, position))
        value = low + position * (high - low)
        steps = column.conversion
        if column.unit_member is not None:
            steps = next(iter(column.unit_member.conversions), None)
        if steps:  # the range is of the table's unit, not the device's
            value = (value * steps.divide - steps.add) / steps.multiply
        return round(value, 3)

    def _choice(self, column: Column) -> Any:
        if column.type == "enum":
            return self._random.choice(column.values)[0]
        if column.type == "jsonb":
            return {"sequence": self._sequence}
        return self._random.random() < 0.5

    def _spoil(self, reading: dict[str, Any], kind: Kind) -> bool:
        """Make one kind of mess in a reading; whether it must still become a row."""
        if kind == "no time":
            time = next((c for c in self.contract.columns if c.type == "timestamp"), None)
            source = time and time.required and time.name in self.contract.key and _own_source(time)
            return not (source and _drop(reading, source.path))
        numbers = [c for c in self.contract.columns if c.type == "float" and _own_source(c)]
        if kind == "out of range":
            numbers = [c for c in numbers if c.range[1] is not None and c.on_invalid == "reject"]
        elif kind == "missing marker":
            numbers = [c for c in numbers if not c.required and c.missing]
        if not numbers:
            return True
        column = self._random.choice(numbers)
        source = _own_source(column)
        assert source is not None  # noqa: S101 - filtered above
        if kind == "number as text":
            _put(reading, source.path, str(member(reading, source.path)))
        elif kind == "missing marker":
            _put(reading, source.path, self._random.choice(column.missing))
        else:
            _put(reading, source.path, float(column.range[1] or 0) + 1000.0)
            return False
        return True


def _written_source(column: Column) -> Source | None:
    """The member a device fills for a column; none where the envelope alone provides it."""
    for scope in ("message", "reading"):  # what the message says once need not be repeated
        for source in column.sources:
            if source.scope == scope:
                return source
    return None


def _own_source(column: Column) -> Source | None:
    source = _written_source(column)
    return source if source is not None and source.scope == "reading" else None


def _span(column: Column) -> tuple[float, float]:
    low, high = column.range
    low = 0.0 if low is None else low
    return low, low + 1000.0 if high is None or high == float("inf") else high


def _timestamp(moment: datetime, column: Column) -> Any:
    form = column.formats[0]
    if form == "iso8601":
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    if "%" in form:
        return moment.astimezone(zone(column.timezone)).strftime(form)
    microseconds = (moment - EPOCH) // timedelta(microseconds=1)
    return microseconds * PER_SECOND[form] // 10**6


def _resolution(contract: Contract) -> float:
    """Seconds that two readings must be apart to have different timestamps, as we write them."""
    forms = [column.formats[0] for column in contract.columns if column.type == "timestamp"]
    return max((1 / min(_per_second(form), 10**6) for form in forms), default=0.0)


def _per_second(form: str) -> float:
    """Number of distinct times per second that a format can express."""
    if "%" not in form or "%f" in form:
        return PER_SECOND.get(form, 10**6)
    return 1 if "%S" in form else 1 / 60


def _put(target: Any, path: MemberPath, value: Any) -> None:
    """Puts a value at a path, and the objects and arrays that lead there."""
    for step, following in pairwise(path):
        below = member(target, (step,))
        if below is None:
            below = [] if isinstance(following, int) else {}
            _set(target, step, below)
        target = below
    _set(target, path[-1], value)


def _set(target: Any, step: str | int, value: Any) -> None:
    if isinstance(step, int):
        missing = (step + 1 if step >= 0 else -step) - len(target)
        target += [None] * missing
    target[step] = value


def _drop(target: Any, path: MemberPath) -> bool:
    """Takes the value at a path away; true if there was one."""
    holder = member(target, path[:-1])
    if member(target, path) is None:
        return False
    holder[path[-1]] = None
    if isinstance(holder, dict):
        del holder[path[-1]]
    return True
