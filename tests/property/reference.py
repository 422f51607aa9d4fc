"""The transform again, slowly and plainly, one value at a time, as docs/contract.md tells it.

It shares no code with the transform but the contract's model, so that the two can disagree.
"""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from telemetry.contract import Column, Contract, Source

ENVELOPE = ("message_id", "topic", "client_id", "received_at", "payload")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?"
    r"(?:(Z)|([+-])(\d\d)(?::?(\d\d))?)?",
    re.ASCII,
)
BITS = {"smallint": 15, "integer": 31, "bigint": 63}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


class BadError(Exception):
    """A value can't be taken; the argument is the fault."""


NOT_A_VALUE = object()


@dataclass
class Expected:
    read: int = 0
    rows: dict[tuple[Any, ...], tuple[Any, ...]] = field(default_factory=dict)
    duplicates: int = 0
    rejects: list[tuple[str | None, int | None, tuple[str, ...]]] = field(default_factory=list)
    empty_messages: int = 0


def expect(raw: bytes, contract: Contract) -> Expected:
    """What a raw object must come to."""
    found = Expected()
    accepted = []
    for line in sorted(line for line in raw.split(b"\n") if line.strip()):
        envelope = _envelope(line)
        for index, reading in _readings(envelope, contract, found):
            found.read += 1
            values, reasons = [], []
            if isinstance(reading, str):
                reasons.append(reading)
            else:
                for column in contract.columns:
                    try:
                        values.append(_clean(column, _raw(column, envelope, reading)))
                    except BadError as bad:
                        reasons.append(f"{bad}:{column.name}")
            if reasons:
                found.rejects.append((envelope["message_id"], index, tuple(reasons)))
            else:
                arrival = envelope["received_at"]
                order = (arrival is not None, arrival, envelope["message_id"])
                accepted.append((order, tuple(values)))
    _settle(accepted, contract, found)
    return found


def _settle(accepted: list[Any], contract: Contract, found: Expected) -> None:
    names = [column.name for column in contract.columns]
    places = [names.index(name) for name in contract.key]
    for _, values in sorted(accepted, key=lambda item: item[0]):  # stable: line, then index
        key = tuple(values[place] for place in places)
        if key in found.rows:
            found.duplicates += 1
            found.rows[key] = _kept(contract, found.rows[key], values, names)
        else:
            found.rows[key] = values


def _kept(contract: Contract, old: Any, new: Any, names: list[str]) -> Any:
    """What stays of two rows of one key, the old one having come first."""
    if contract.on_conflict == "keep_greatest":
        place = names.index(contract.greatest or "")
        greater = new[place] is not None and (old[place] is None or new[place] > old[place])
        return new if greater else old
    if contract.on_conflict == "fill_missing":
        return tuple(b if a is None else a for a, b in zip(old, new, strict=True))
    return old if contract.on_conflict == "keep_first" else new


def _envelope(line: bytes) -> dict[str, Any]:
    broken = {**dict.fromkeys(ENVELOPE), "payload": line}
    try:
        value = json.loads(line.decode())
        if not isinstance(value, dict) or set(value) != set(ENVELOPE):
            return broken
        for name in ("message_id", "topic", "client_id"):
            if value[name] is not None and not value[name].encode() and value[name] != "":
                return broken
        arrival = value["received_at"]
        sound = arrival is None or (type(arrival) is int and -(2**63) <= arrival < 2**63)
        if not sound or value["message_id"] is None:
            return broken
        return {**value, "payload": base64.b64decode(value["payload"], validate=True)}
    except (ValueError, TypeError, AttributeError):
        return broken


def _readings(envelope: dict[str, Any], contract: Contract, found: Expected) -> Any:
    try:
        text = envelope["payload"].decode()
    except UnicodeDecodeError:
        return [(None, "not_utf8")]
    try:
        message = _json(text)
    except ValueError:
        return [(None, "not_json")]
    if not isinstance(message, dict):
        return [(None, "not_an_object")]
    array = _member(message, contract.readings) if contract.readings else None
    if array is None:
        return [(None, (message, message))]
    if not isinstance(array, list):
        return [(None, "not_an_array")]
    found.empty_messages += not array
    return [
        (index, (message, item) if isinstance(item, dict) else "not_an_object")
        for index, item in enumerate(array)
    ]


class Spelled(str):
    """A number, as it is spelled."""


def _json(text: str) -> Any:
    def refuse(token: str) -> Any:
        raise ValueError(token)

    def first_counts(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for name, value in pairs:
            members.setdefault(name, value)
        return members

    if _depth(text) > 1024:
        raise ValueError("too deep")
    return json.loads(
        text,
        parse_int=Spelled,
        parse_float=Spelled,
        parse_constant=refuse,
        object_pairs_hook=first_counts,
    )


def _depth(text: str) -> int:
    depth = deepest = 0
    quoted = escaped = False
    for character in text:
        if quoted:
            quoted = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _member(holder: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        holder = holder.get(name) if isinstance(holder, dict) else None
    return holder


def _raw(column: Column, envelope: dict[str, Any], reading: Any) -> Any:
    """The text that a column is to be read from, or ``None``."""
    message, item = reading
    for source in column.sources:
        text = _text(_value(source, envelope, message, item, column))
        if text is not None and not _is_missing(column, text):
            return text
    return None


def _value(source: Source, envelope: Any, message: Any, item: Any, column: Column) -> Any:
    if source.scope == "reading":
        return _member(item, source.path)
    if source.scope == "message":
        return _member(message, source.path)
    value = envelope[source.path[0]]
    if value is None:
        return None
    if len(source.path) > 1:
        levels = value.split("/")
        level = int(source.path[1])
        return levels[level] if level < len(levels) else None
    if source.path[0] == "received_at":
        if column.type != "timestamp":
            return Spelled(value)
        try:
            return (EPOCH + timedelta(milliseconds=value)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        except OverflowError:
            return None
    return value


def _text(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return {None: None, True: "true", False: "false"}[value]
    if not isinstance(value, str):
        return NOT_A_VALUE
    return NOT_A_VALUE if any("\ud800" <= c <= "\udfff" for c in value) else str(value)


def _is_missing(column: Column, text: Any) -> bool:
    if text is NOT_A_VALUE:
        return False
    if column.type != "text":
        text = text.strip(" \t\r\n")
    number = _number(text)
    for marker in column.missing:
        if isinstance(marker, bool):
            same = text == str(marker).lower()
        elif isinstance(marker, str) and (column.type == "text" or _number(marker) is None):
            same = text == marker
        else:
            same = number is not None and number == float(marker)
        if same:
            return True
    return False


def _number(text: str) -> float | None:
    if not NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def _clean(column: Column, text: Any) -> Any:
    """The value. Raises :class:`BadError` where the reading is to be rejected."""
    value = None
    if text is not None:
        try:
            if text is NOT_A_VALUE:
                raise BadError("invalid")
            value = _read(column, text)
            low, high = column.range
            if (low is not None and value < low) or (high is not None and value > high):
                raise BadError("out_of_range")
            if column.max_length is not None and len(value) > column.max_length:
                raise BadError("too_long")
        except BadError:
            if column.on_invalid == "reject":
                raise
            value = None
    if value is None and column.required:
        raise BadError("missing")
    return value


def _read(column: Column, text: str) -> Any:
    if column.type == "text":
        if "\x00" in text:
            raise BadError("invalid")
        return text
    text = text.strip(" \t\r\n")
    if column.type == "boolean":
        return _boolean(text)
    if column.type == "timestamp":
        return _timestamp(column, text)
    number = _number(text)
    if column.type == "float":
        if number is None:
            raise BadError("invalid")
        return number + 0.0
    if WHOLE.fullmatch(text) and -(2**63) <= int(text) < 2**63:
        whole = int(text)
    elif number is None or not number.is_integer():
        raise BadError("invalid")
    else:
        whole = int(number)
    if not -(2 ** BITS[column.type]) <= whole < 2 ** BITS[column.type]:
        raise BadError("out_of_range")
    return whole


def _boolean(text: str) -> bool:
    if text.lower() in ("true", "t", "yes", "y", "on") or _number(text) == 1:
        return True
    if text.lower() in ("false", "f", "no", "n", "off") or _number(text) == 0:
        return False
    raise BadError("invalid")


def _timestamp(column: Column, text: str) -> datetime:
    for name in column.formats:
        try:
            moment = _iso(text, column.timezone) if name == "iso8601" else _epoch(text, name)
        except (ValueError, OverflowError):
            continue
        if moment is not None and FIRST <= moment <= LAST:
            return moment
    raise BadError("invalid")


def _iso(text: str, zone: str) -> datetime | None:
    match = ISO.fullmatch(text)
    if match is None:
        return None
    parts = [int(match[n]) for n in range(1, 7)]
    local = datetime(*parts, int((match[7] or "0")[:6].ljust(6, "0")))  # type: ignore[misc]
    if match[8]:
        return local.replace(tzinfo=UTC)
    if match[9]:
        hours, minutes = int(match[10]), int(match[11] or 0)
        if hours > 23 or minutes > 59:
            return None
        east = timedelta(hours=hours, minutes=minutes) * (1 if match[9] == "+" else -1)
        return local.replace(tzinfo=timezone(east)).astimezone(UTC)
    moment = local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    exists = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local
    return moment if exists else None


def _epoch(text: str, name: str) -> datetime | None:
    per_second = {"epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}[name]
    if WHOLE.fullmatch(text) and -(2**63) <= int(text) < 2**63:
        return EPOCH + timedelta(microseconds=int(text) * 10**6 // per_second)
    number = _number(text)
    if number is None:
        return None
    return EPOCH + timedelta(microseconds=round(number * (10**6 / per_second)))
