"""The transform again, slowly and plainly, one value at a time, as docs/contract.md tells it.

It shares no code with the transform but the contract's model, so that the two can disagree.
"""

from __future__ import annotations

import base64
import json
import math
import re
import struct
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Any

from telemetry.canary import CANARY_PREFIX
from telemetry.contract import Column, Condition, Contract, Source
from telemetry.contract.composed import all_sources
from telemetry.zones import zone
from tests.property.reference_formats import Faulty, decoded, unpacked

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
NOT_A_VALUE_KINDS = {dict, list}


@dataclass
class Expected:
    read: int = 0
    rows: dict[tuple[Any, ...], tuple[Any, ...]] = field(default_factory=dict)
    duplicates: int = 0
    conflicts: list[tuple[str | None, int | None]] = field(default_factory=list)
    rejects: list[tuple[str | None, int | None, tuple[str, ...]]] = field(default_factory=list)
    empty_messages: int = 0
    set_aside: int = 0


def expect(raw: bytes, contract: Contract) -> Expected:
    """What a raw object must come to."""
    found = Expected()
    accepted = []
    for line in sorted(line for line in raw.split(b"\n") if line.strip()):
        envelope = _envelope(line)
        readings = _readings(envelope, contract, found)
        if readings is None:
            found.read += 1
            found.set_aside += 1
            continue
        for index, reading in readings:
            envelope["index"] = Spelled(index or 0)
            found.read += 1
            values, reasons = [], []
            if isinstance(reading, str):
                reasons.append(reading)
            else:
                for column in contract.columns:
                    try:
                        text = _raw(column, contract, envelope, reading)
                        beside = _beside(column, envelope, reading)
                        if column.plus is not None and None in beside:
                            text = None
                        values.append(_clean(column, text, envelope["received_at"], beside))
                    except BadError as bad:
                        reasons.append(f"{bad}:{column.name}")
            if reasons:
                found.rejects.append((envelope["message_id"], index, tuple(reasons)))
            else:
                arrival = envelope["received_at"]
                name = envelope["message_id"]
                order = (arrival is not None, arrival, name is not None, name)
                place = (envelope["message_id"], index)
                accepted.append((order, place, tuple(values)))
    _settle(accepted, contract, found)
    return found


def _settle(accepted: list[Any], contract: Contract, found: Expected) -> None:
    names = [column.name for column in contract.columns]
    places = [names.index(name) for name in contract.key]
    of_key: dict[Any, list[Any]] = {}
    for _, place, values in sorted(accepted, key=lambda item: item[0]):  # stable: line, then index
        key = tuple(values[place] for place in places)
        of_key.setdefault(key, []).append((place, values))
        if key in found.rows:
            found.rows[key] = _kept(contract, found.rows[key], values, names)
        else:
            found.rows[key] = values
    for key, readings in of_key.items():
        found.duplicates += len(readings) - 1
        for place, values in readings:
            if _contradicts(contract, found.rows[key], values):
                found.duplicates -= 1
                found.conflicts.append(place)


def _contradicts(contract: Contract, row: Any, values: Any) -> bool:
    """Whether a reading says something that its row doesn't; the arrival's stamps don't count."""
    fills = contract.on_conflict == "fill_missing"
    stamps = (("received_at",), ("message_id",))
    return any(
        kept != value and not (fills and value is None)
        for column, kept, value in zip(contract.columns, row, values, strict=True)
        if not (column.sources[0].scope == "envelope" and column.sources[0].path in stamps)
    )


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
    """Pairs of index and reading (or fault), or ``None`` for a message of another kind."""
    if envelope["payload"].startswith(CANARY_PREFIX):
        return None
    conditions = [c for c in contract.only if c.source.scope == "envelope"]
    if not all(_meets(c, envelope, None) for c in conditions):
        return None
    message: Any
    if contract.format != "json":
        message = decoded(envelope["payload"], contract, _json)
        if isinstance(message, Faulty):
            return [(None, str(message))]
    else:
        try:
            text = envelope["payload"].decode()
        except UnicodeDecodeError:
            return [(None, "not_utf8")]
        try:
            message = _json(text)
        except ValueError:
            return [(None, "not_json")]
    if isinstance(message, dict) and contract.unpack:
        message = _unpacked(message, envelope, contract)
        if isinstance(message, Faulty):
            return [(None, str(message))]
    top = contract.readings == () and contract.shape not in ("keyed", "parallel")
    if contract.parents is not None:
        top = contract.parents == ()
    if not isinstance(message, dict) and not (top and isinstance(message, list)):
        return [(None, "not_an_object")]
    if not all(_meets(c, envelope, message) for c in contract.only if c not in conditions):
        return None
    if contract.parents is not None:
        return _of_parents(envelope, contract, message, found)
    parts = _unnested(envelope, contract, message, found)
    return _melt(contract, parts, alone=bool(parts) and parts[0][0] is None)


def _unpacked(message: Any, envelope: Any, contract: Contract) -> Any:
    """The message with documents in the place of its packed members."""
    paths = [one.path for one in contract.unpack]
    for condition in contract.only:
        path = condition.source.path
        inside = any(path[: len(packed)] == packed for packed in paths)
        outer = condition.source.scope == "message" and not inside
        if outer and not _meets(condition, envelope, message):
            return message  # which is set aside
    for one in contract.unpack:
        packed = _member(message, one.path)
        if type(packed) is not str:
            continue
        found = unpacked(packed, one, contract, _json)
        if isinstance(found, Faulty):
            return found
        holder = _member(message, one.path[:-1])
        holder[one.path[-1]] = found
    return message


def _of_parents(envelope: Any, contract: Contract, message: Any, found: Expected) -> Any:
    parents = _member(message, contract.parents or ())
    if parents is None or (isinstance(message, dict) and not contract.parents):
        return _melt(contract, [(None, (message, message, {}))], alone=True)
    if not isinstance(parents, list):
        return [(None, "not_an_array")]
    single, none = replace(contract, parents=None), Expected()
    every: list[Any] = []
    size = 0
    for parent in parents:
        if not isinstance(parent, dict):
            every.append((size, str(parent) if isinstance(parent, Faulty) else "not_an_object"))
            size += 1
            continue
        inner = _member(parent, contract.readings or ())
        apart = [
            replace(c, sources=tuple(
                replace(s, scope="message") if s.scope == "parent" else s
                for s in _basic(c) if s.scope != "message"
            ), plus=None, unit_member=None) for c in contract.columns
        ]  # fmt: skip
        parts = _unnested(envelope, replace(single, columns=tuple(apart)), parent, none)
        for index, part in parts:
            if not isinstance(part, str):
                part = (message, part[1], {**part[2], "parent": parent})  # noqa: PLW2901
            every.append((size + (index or 0), part))
        if contract.shape == "parallel" or contract.pairs is not None:
            size += len(parts)
        else:
            whole = parts and parts[0][0] is None
            size += 1 if whole else len(inner)
    found.empty_messages += not every
    return _melt(contract, every, alone=False)


def _unnested(envelope: Any, contract: Contract, message: Any, found: Expected) -> Any:
    array = None if contract.readings is None else _member(message, contract.readings)
    itself = array is message and contract.shape == "objects" and isinstance(array, dict)
    if array is None or itself:
        return [(None, (message, message, {}))]
    if contract.shape == "keyed":
        if not isinstance(array, dict):
            return [(None, "not_an_object")]
        parts = _keyed(contract, message, array)
    elif contract.shape == "parallel":
        parts = _parallel(contract, message, array)
    elif not isinstance(array, list):
        return [(None, "not_an_array")]
    elif contract.shape == "senml":
        parts = _senml(contract, message, array, envelope["received_at"])
    elif contract.pairs is not None:
        parts = _of_objects(contract, message, array)
    elif contract.shape == "pairs" and array and all(map(_pair, array)):
        return [(None, _of_pairs(contract, message, array))]
    else:
        parts = [(index, _element(contract, message, item)) for index, item in enumerate(array)]
    found.empty_messages += not parts
    return parts


def _meets(condition: Condition, envelope: dict[str, Any], message: Any) -> bool:
    source = condition.source
    if source.scope == "message":
        text = _text(_member(message, source.path))
    else:
        text = _text(_envelope_value(source, envelope))
    if condition.present is not None:
        return (text is not None) == condition.present
    if text is None or text is NOT_A_VALUE:
        return False
    for value in condition.values:
        if isinstance(value, bool):
            if text == str(value).lower():
                return True
        elif isinstance(value, str):
            if text == value:
                return True
        elif _number(text.strip(" \t\r\n")) == value:
            return True
    return False


def _element(contract: Contract, message: Any, item: Any) -> Any:
    if isinstance(item, Faulty):
        return str(item)
    if contract.shape == "objects":
        return (message, item, {}) if isinstance(item, dict) else "not_an_object"
    if contract.shape == "pairs":
        sound = isinstance(item, list) and all(map(_pair, item))
        return _of_pairs(contract, message, item) if sound else "not_pairs"
    if not isinstance(item, list):
        return "not_an_array"
    if len(item) > len(contract.fields):
        return "too_many_fields"
    return (message, {contract.fields[n]: item[n] for n in range(len(item))}, {})


def _pair(item: Any) -> bool:
    return isinstance(item, list) and len(item) == 2 and type(item[0]) is str


def _of_pairs(contract: Contract, message: Any, pairs: Any, begin: Any = ()) -> Any:
    """The reading of pairs; a name that is read may be there once."""
    members: dict[str, Any] = dict(begin)
    # Also those that texts, times and units are made of.
    paths = [s.path for s in all_sources(contract) if s.scope == "reading"]
    every = any(s.scope == "rest" for c in contract.columns for s in c.sources)
    if contract.melt == "numbers":
        every = True
    else:
        paths += [metric.path for metric in contract.melt or ()]
    for name, value in pairs:
        if name not in members:
            members[name] = value
        elif every or any(path[0] == name for path in paths):
            return "repeated_name"
    return (message, members, {})


def _of_objects(contract: Contract, message: Any, array: list[Any]) -> Any:
    assert contract.pairs is not None
    by = contract.pairs.by
    together: list[tuple[Any, list[Any]]] = []
    for item in array:
        key: Any = [_text(item.get(name)) for name in by] if isinstance(item, dict) else None
        if by and (key is None or NOT_A_VALUE_KINDS & {type(item.get(n)) for n in by}):
            together.append((None, [item]))
            continue
        same = [
            items for other, items in together if not by or (other is not None and other == key)
        ]
        if same:
            same[0].append(item)
        else:
            together.append((key, [item]))
    parts: list[Any] = []
    for index, (_, items) in enumerate(together):
        pairs = [_of_object(contract, item) for item in items]
        part: Any = "not_pairs"
        if None not in pairs:
            begin = {name: items[0][name] for name in by if name in items[0]}
            part = _of_pairs(contract, message, pairs, begin)
        parts.append((index if by else None, part))
    return parts


def _of_object(contract: Contract, item: Any) -> Any:
    pairs = contract.pairs
    assert pairs is not None
    if not isinstance(item, dict) or NOT_A_VALUE_KINDS & {type(item.get(n)) for n in pairs.by}:
        return None
    name = _member(item, pairs.name)
    if type(name) is not str:
        return None
    if pairs.value is not None:
        return name, _member(item, pairs.value)
    return name, {n: v for n, v in item.items() if n != pairs.name[0] and n not in pairs.by}


def _parallel(contract: Contract, message: Any, holder: Any) -> Any:
    if not isinstance(holder, dict):
        return [(None, "not_an_object")]
    paths = [s.path for c in contract.columns for s in _basic(c) if s.scope == "reading"]
    paths += [metric.path for metric in contract.melt or ()]  # type: ignore[union-attr]
    arrays = {}
    for name in {path[0] for path in paths}:
        if holder.get(name) is not None:  # type: ignore[call-overload]
            arrays[name] = holder[name]  # type: ignore[index]
    if not arrays or any(not isinstance(array, list) for array in arrays.values()):
        return [(None, "not_an_array")]
    parts: list[Any] = []
    for index in range(max(len(array) for array in arrays.values())):
        if any(len(array) <= index for array in arrays.values()):
            parts.append((index, "unequal_arrays"))
        else:
            item = {name: array[index] for name, array in arrays.items()}
            parts.append((index, (message, item, {})))
    return parts


def _basic(column: Column) -> list[Source]:
    """Sources within messages and envelopes that a column reads, by whatever way."""
    found = list(column.sources)
    if column.plus is not None:
        found += [
            *column.plus.sources,
            *([] if _is_number(column.plus.every) else column.plus.every),
        ]
    found += [] if column.unit_member is None else column.unit_member.sources
    basic = []
    while found:
        source = found.pop(0)
        if source.parts is not None:
            found = [*source.parts.sources, *found]
        elif source.pieces:
            found = [*(piece for piece in source.pieces if not isinstance(piece, str)), *found]
        else:
            basic.append(source)
    return basic


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _keyed(contract: Contract, message: Any, holder: dict[str, Any]) -> Any:
    depth = len(contract.readings or ())
    sources = [s for c in contract.columns for s in _basic(c)]
    apart = [
        s.path[depth] for s in sources
        if s.scope == "message" and s.path[:depth] == contract.readings and s.path[depth:]
    ]  # fmt: skip
    plain = not contract.melt and any(s.scope == "place" and s.path[0] == "value" for s in sources)
    parts = []
    for index, (key, value) in enumerate(holder.items()):
        if key in apart:
            continue
        if isinstance(value, dict):
            parts.append((index, (message, value, {"key": key})))
        elif plain:
            parts.append((index, (message, {}, {"key": key, "value": value})))
        else:
            parts.append((index, "not_an_object"))
    return parts


def _senml(contract: Contract, message: Any, pack: list[Any], arrived: int | None) -> Any:
    parts: list[Any] = []
    paths = [s.path for c in contract.columns for s in _basic(c) if s.scope == "reading"]
    paths += [metric.path for metric in contract.melt or () if contract.melt != "numbers"]
    named = [path[0] for path in paths if path in [("bn",), ("bt",), ("bu",), ("bv",), ("bs",)]]
    base = dict.fromkeys(("bn", "bt", "bu", "bv", "bs"))
    for index, item in enumerate(pack):
        if not isinstance(item, dict):
            parts.append((index, "not_an_object"))
            continue
        base.update({name: item[name] for name in base if name in item})
        if set(base) & set(item) and not {"v", "vs", "vb", "vd", "s"} & set(item):
            continue
        record = {name: value for name, value in item.items() if name not in base}
        name = [part for part in (base["bn"], item.get("n")) if part is not None]
        if name:
            record["n"] = "".join(name) if all(type(part) is str for part in name) else []
        if item.get("u") is None and base["bu"] is not None:
            record["u"] = base["bu"]
        for what in "vs":
            if item.get(what) is not None:
                record[what] = _added(base["b" + what], item[what])
        time = _added(base["bt"], item.get("t"))
        if time is None or (isinstance(time, Spelled) and float(time) < 268435456):
            now = None if arrived is None else Spelled(Decimal(arrived).scaleb(-3))
            time = None if now is None else _added(now, time)
        if time is not None or base["bt"] is not None or "t" in record:
            record["t"] = time
        record.update({name: base[name] for name in named if base[name] is not None})
        parts.append((index, (message, record, {})))
    return parts


def _added(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    if not isinstance(one, Spelled) or not isinstance(other, Spelled):
        return []
    with localcontext() as context:
        context.prec = 40
        try:
            return Spelled(Decimal(one) + Decimal(other))
        except ArithmeticError:
            return []


def _melt(contract: Contract, parts: Any, *, alone: bool) -> Any:
    if contract.melt is None:
        return parts
    scopes = ("reading", "message") if alone else ("reading",)
    used = {s.path[0] for c in contract.columns for s in _basic(c) if s.scope in scopes}
    melted: list[Any] = []
    for index, part in parts:
        if isinstance(part, str):
            melted.append((index, part))
            continue
        message, item, places = part
        if contract.melt == "numbers":
            metrics = {n: v for n, v in item.items() if isinstance(v, Spelled) and n not in used}
        else:
            metrics = {m.name: _member(item, m.path) for m in contract.melt}
        metrics = {name: value for name, value in metrics.items() if value is not None}
        if not metrics:
            melted.append((index, "no_metric"))
        for name, value in metrics.items():
            melted.append((index, (message, item, {**places, "metric": name, "value": value})))
    return melted


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


def _member(holder: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        if type(step) is str:
            holder = holder.get(step) if isinstance(holder, dict) else None
            continue
        try:
            holder = holder[step] if isinstance(holder, list) else None
        except IndexError:
            holder = None
    return holder


def _raw(column: Column, contract: Contract, envelope: dict[str, Any], reading: Any) -> Any:
    """The text that a column is to be read from, or ``None``."""
    message, item, places = reading
    for source in column.sources:
        if column.type == "jsonb":
            found = (
                _unnamed(item, contract)
                if source.scope == "rest"
                else _value(source, envelope, message, item, places, column)
            )
            if found is not None:
                return _json_text(found)
            continue
        text = _text(_value(source, envelope, message, item, places, column))
        if text is not None and not _is_missing(column, text):
            return _undressed(column, text)
    return None


def _made(source: Source, envelope: Any, reading: Any, column: Column) -> Any:
    """A text made of several; ``None`` where one of them is not there, or blank."""
    texts = [
        piece if isinstance(piece, str) else _text(_value(piece, envelope, *reading, column))
        for piece in source.pieces
    ]
    values = [t for t, p in zip(texts, source.pieces, strict=True) if not isinstance(p, str)]
    if any(
        value is None or (value is not NOT_A_VALUE and not value.strip(" \t\r\n"))
        for value in values
    ):
        return None
    if NOT_A_VALUE in values:
        return []
    if column.type != "text":
        texts = [
            t if isinstance(p, str) else t.strip(" \t\r\n")
            for t, p in zip(texts, source.pieces, strict=True)
        ]
    return "".join(texts)


def _part(source: Source, envelope: Any, reading: Any, column: Column) -> Any:
    """A part of a text; a list, which no type takes, where the text has no such parts."""
    parts = source.parts
    assert parts is not None
    for inner in parts.sources:
        whole = _text(_value(inner, envelope, *reading, column))
        if whole is None or (whole is not NOT_A_VALUE and whole.strip(" \t\r\n") in parts.missing):
            continue
        if whole is NOT_A_VALUE or whole == "\0":
            return []
        step: Any = source.path[1]
        if parts.pattern is not None:
            match = re.fullmatch(parts.pattern, whole)
            return [] if match is None else match[step]
        split = whole.split(parts.split)
        return split[step] if -len(split) <= step < len(split) else None
    return None


def _beside(column: Column, envelope: Any, reading: Any) -> list[Any]:
    """Texts of what is added to a time, or of a value's unit; ``None`` for what is not there."""

    def first(sources: Any) -> Any:
        for source in sources:
            text = _text(_value(source, envelope, *reading, column))
            if text is NOT_A_VALUE or (text is not None and text.strip(" \t\r\n")):
                return text if text is NOT_A_VALUE else text.strip(" \t\r\n")
        return None

    if column.unit_member is not None:
        return [first(column.unit_member.sources)]
    if column.plus is None:
        return []
    every = column.plus.every
    return [first(column.plus.sources), every if _is_number(every) else first(every)]


def _span(column: Column, beside: list[Any]) -> timedelta:
    assert column.plus is not None
    numbers, wholes = [], []
    for text in beside:
        number = float(text) if _is_number(text) else None
        if isinstance(text, str):
            number = _number(text)
        if number is None:
            raise BadError("invalid")
        numbers.append(number)
        spelled = isinstance(text, str) and WHOLE.fullmatch(text) and -(2**63) <= int(text) < 2**63
        if spelled:
            wholes.append(int(text))
        elif _is_number(text) and number.is_integer():
            wholes.append(int(number))
    product = numbers[0] * numbers[1]
    unit = {"us": 1, "ms": 10**3, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6}
    unit["d"] = 86_400 * 10**6
    micros = product * unit.get(column.plus.unit, 0.001)
    if not abs(micros) <= (LAST - FIRST) / timedelta(microseconds=1):
        raise BadError("invalid")
    if len(wholes) == 2 and abs(product) < 9e18:
        whole = wholes[0] * wholes[1]
        exact = whole // 1000 if column.plus.unit == "ns" else whole * unit[column.plus.unit]
        return timedelta(microseconds=exact)
    return timedelta(microseconds=round(micros))


def _undressed(column: Column, text: Any) -> Any:
    """A number without its unit, with a point for the first comma."""
    if text is NOT_A_VALUE or not (column.attached or column.decimal_comma):
        return text
    text = text.strip(" \t\r\n")
    for unit in sorted(column.attached, key=len, reverse=True):
        if text.endswith(unit):
            text = text[: -len(unit)].rstrip(" \t\u00a0\u202f")
            break
    return text.replace(",", ".", 1) if column.decimal_comma else text


def _unnamed(item: dict[str, Any], contract: Contract) -> Any:
    """What no other column takes of a reading."""
    taken = [
        source.path
        for column in contract.columns
        for source in _basic(column)
        if source.scope == "reading" or (source.scope == "message" and not contract.readings)
    ]
    taken += [metric.path for metric in contract.melt or () if contract.melt != "numbers"]
    taken += [path for path in (contract.readings, contract.parents) if path]
    taken = [path for path in taken if all(type(step) is str for step in path)]

    def left(holder: dict[str, Any], above: tuple[str, ...]) -> dict[str, Any]:
        kept = {}
        for name, value in holder.items():
            path = (*above, name)
            if path in taken:
                continue
            if any(other[: len(path)] == path for other in taken):
                inner = left(value, path) if isinstance(value, dict) else value
                if inner is not None and inner != {}:
                    kept[name] = inner
            else:
                kept[name] = value
        return kept

    return left(item, ()) or None


def _json_text(value: Any) -> Any:
    def spell(value: Any) -> str:
        if isinstance(value, Spelled):
            whole = format(Decimal(value), "f").lstrip("-").partition(".")
            if Decimal(value) and max(len(whole[0]), len(whole[2])) > 1000:
                raise ValueError("too many digits")
            if not Decimal(value) and not -1000 <= Decimal(value).as_tuple().exponent < 1000:
                raise ValueError("too many digits")
            return str(value)
        if isinstance(value, dict):
            return "{" + ",".join(f"{spell(k)}:{spell(v)}" for k, v in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ",".join(map(spell, value)) + "]"
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, str) and "\x00" in value:
            raise ValueError("U+0000")
        text.encode()
        return text

    try:
        return spell(value)
    except (ValueError, ArithmeticError):
        return NOT_A_VALUE


def _value(
    source: Source, envelope: Any, message: Any, item: Any, places: Any, column: Column
) -> Any:
    if source.pieces:
        return _made(source, envelope, (message, item, places), column)
    if source.parts is not None:
        return _part(source, envelope, (message, item, places), column)
    if source.scope == "reading":
        return _member(item, source.path)
    if source.scope == "message":
        return _member(message, source.path)
    if source.scope == "parent":
        return _member(places.get("parent"), source.path)
    if source.scope == "place":
        return places.get(source.path[0])
    if source.scope == "constant":
        return source.path[0]
    if source.path[0] == "received_at" and column.type == "timestamp":
        if envelope["received_at"] is None:
            return None
        try:
            moment = EPOCH + timedelta(milliseconds=envelope["received_at"])
        except OverflowError:
            return None
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return _envelope_value(source, envelope)


def _envelope_value(source: Source, envelope: Any) -> Any:
    value = envelope[source.path[0]]
    if value is None:
        return None
    if len(source.path) > 1:
        levels = value.split("/")
        level = int(source.path[1])
        return levels[level] if -len(levels) <= level < len(levels) else None
    return Spelled(value) if source.path[0] == "received_at" else value


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
    number = _number(_undressed(column, text))
    for marker in column.missing:
        if isinstance(marker, bool):
            same = text == str(marker).lower()
        elif isinstance(marker, str) and (column.type == "text" or _number(marker) is None):
            same = text == (marker if column.type == "text" else marker.strip())
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


def _clean(column: Column, text: Any, received_at: int | None, beside: list[Any]) -> Any:
    """The value. Raises :class:`BadError` where the reading is to be rejected."""
    value = None
    if text is not None:
        try:
            if text is NOT_A_VALUE:
                raise BadError("invalid")
            value = _read(column, text, received_at, beside)
            low, high = column.range
            if column.type == "decimal":
                low = None if low is None else Decimal(str(low))
                high = None if high is None else Decimal(str(high))
            if (low is not None and value < low) or (high is not None and value > high):
                raise BadError("out_of_range")
            if column.max_length is not None and len(value) > column.max_length:
                if column.on_too_long == "truncate":
                    value = value[: column.max_length]
                else:
                    raise BadError("too_long")
            if column.type == "timestamp":
                _judge_by_arrival(column, value, received_at)
            if column.type == "real":
                value = struct.unpack("f", struct.pack("f", value))[0]
        except BadError:
            if column.on_invalid == "reject":
                raise
            value = None
    if value is None and column.required:
        raise BadError("missing")
    return value


def _judge_by_arrival(column: Column, moment: datetime, received_at: int | None) -> None:
    try:
        arrival = EPOCH + timedelta(milliseconds=received_at)  # type: ignore[arg-type]
    except (TypeError, OverflowError):
        return
    micros = timedelta(microseconds=1)
    if column.max_age is not None and (arrival - moment) // micros > column.max_age:
        raise BadError("too_old")
    if column.max_future is not None and (moment - arrival) // micros > column.max_future:
        raise BadError("in_future")


def _read(column: Column, text: str, received_at: int | None, beside: list[Any]) -> Any:
    if column.type == "jsonb":
        return text
    if column.type == "text":
        if "\x00" in text or (column.pattern and not re.fullmatch(column.pattern, text)):
            raise BadError("invalid")
        return text
    text = text.strip(" \t\r\n")
    if column.type == "enum":
        return _meant(text, [(v, s) for v, also in column.values for s in (v, *also)])
    if column.type == "boolean":
        own = [(True, s) for s in column.true_values] + [(False, s) for s in column.false_values]
        try:
            return _meant(text, own)
        except BadError:
            return _boolean(text)
    if column.type == "decimal":
        return _decimal(column, text)
    if column.type == "timestamp":
        moment = _timestamp(column, text, received_at)
        if column.plus is None:
            return moment
        try:
            moment += _span(column, beside)
        except OverflowError:
            raise BadError("invalid") from None
        return moment
    number = _number(text)
    if column.type in ("real", "float"):
        return _double(column, number, beside)
    if WHOLE.fullmatch(text) and -(2**63) <= int(text) < 2**63:
        whole = int(text)
    elif number is None:
        raise BadError("invalid")
    else:
        number = _rounded(number, column.round)
        if not number.is_integer():
            raise BadError("invalid")
        whole = int(number) if abs(number) < 2.0**51 else _large_whole(text, column)
    if not -(2 ** BITS[column.type]) <= whole < 2 ** BITS[column.type]:
        raise BadError("out_of_range")
    return whole


def _large_whole(text: str, column: Column) -> int:
    """Digit by digit: a double of that size is whole, whatever fraction was sent."""
    number = Decimal(text)
    if number.adjusted() >= 20:  # beyond every integer type, whatever its fraction
        raise BadError("out_of_range")
    last = Decimal(1) if column.round is not None else Decimal(1).scaleb(-18)
    number = number.quantize(last, ROUND_HALF_UP, Context(prec=1000))
    if number != number.to_integral_value():
        raise BadError("invalid")
    return int(number)


def _double(column: Column, number: float | None, beside: list[Any]) -> float:
    if number is None:
        raise BadError("invalid")
    member = column.unit_member
    if member is not None:
        sent = member.constant if beside[0] is None else beside[0]
        found = [n for n, (_, spellings) in enumerate(member.units) if sent in spellings]
        if not found:
            raise BadError("unknown_unit")
        steps = member.conversions[found[0]]
        number = (number * steps.multiply + steps.add) / steps.divide
    if column.conversion is not None:
        steps = column.conversion
        number = (number * steps.multiply + steps.add) / steps.divide
    number = _rounded(number, column.round)
    try:
        # "<": the machine's own format turns what is too large into an infinity
        struct.pack("<f" if column.type == "real" else "<d", number)
    except OverflowError:
        raise BadError("out_of_range") from None
    if math.isinf(number):
        raise BadError("out_of_range")
    return number + 0.0


def _rounded(number: float, digits: int | None) -> float:
    if digits is None or not abs(number * 10.0**digits) < 2.0**52:
        return number
    whole = Decimal(number * 10.0**digits).quantize(Decimal(1), ROUND_HALF_UP)
    return float(whole) / 10.0**digits


def _decimal(column: Column, text: str) -> Decimal:
    if not NUMBER.fullmatch(text):
        raise BadError("invalid")
    mantissa, _, exponent = text.lower().partition("e")
    number, power = Decimal(mantissa), int(exponent or 0)
    last = Decimal(1).scaleb(-column.scale)
    if number == 0 or number.adjusted() + power < -100:
        return Decimal(0).quantize(last)
    if number.adjusted() + power > 100:
        raise BadError("out_of_range")
    exact = Context(prec=1000)
    number = number.scaleb(power, exact).quantize(last, ROUND_HALF_UP, exact)
    assert column.precision is not None
    if abs(number) >= Decimal(10) ** (column.precision - column.scale):
        raise BadError("out_of_range")
    return number or Decimal(0).quantize(last)


def _meant(text: str, spelled: list[tuple[Any, Any]]) -> Any:
    for meaning, spelling in spelled:
        if isinstance(spelling, bool):
            spelling = str(spelling).lower()  # noqa: PLW2901
        as_number = _number(spelling) if isinstance(spelling, str) else float(spelling)
        if text.lower() == str(spelling).lower() and as_number is None:
            return meaning
        if as_number is not None and _number(text) == as_number:
            return meaning
    raise BadError("invalid")


def _boolean(text: str) -> bool:
    if text.lower() in ("true", "t", "yes", "y", "on") or _number(text) == 1:
        return True
    if text.lower() in ("false", "f", "no", "n", "off") or _number(text) == 0:
        return False
    raise BadError("invalid")


def _timestamp(column: Column, text: str, received_at: int | None) -> datetime:
    for name in column.formats:
        try:
            if "%" in name:
                moment = _patterned(text, name)
            else:
                moment = _iso(text) if name == "iso8601" else _epoch(text, name)
            if moment is not None and moment.tzinfo is None:
                moment = _placed(moment, column, received_at)
        except (ValueError, OverflowError):
            continue
        if moment is not None and FIRST <= moment <= LAST:
            return moment
    raise BadError("invalid")


def _placed(local: datetime, column: Column, received_at: int | None) -> datetime:
    """The instant of a local time. Raises :class:`BadError` where it is not to be told."""
    rules = zone(column.timezone)
    first, second = (local.replace(tzinfo=rules, fold=n).astimezone(UTC) for n in (0, 1))
    if first == second:
        return first
    if first.astimezone(rules).replace(tzinfo=None) != local:
        if column.nonexistent == "reject":
            raise BadError("nonexistent_time")
        return first
    if column.ambiguous in ("earliest", "latest"):
        return first if column.ambiguous == "earliest" else second
    try:
        arrival = EPOCH + timedelta(milliseconds=received_at)  # type: ignore[arg-type]
    except (TypeError, OverflowError):
        raise BadError("ambiguous_time") from None
    if column.ambiguous == "reject":
        raise BadError("ambiguous_time")
    return second if second <= arrival + timedelta(minutes=5) else first


def _iso(text: str) -> datetime | None:
    """A time in UTC, or a local one without a zone."""
    match = ISO.fullmatch(text)
    if match is None:
        return None
    parts = [int(match[n]) for n in range(1, 7)]
    ended = parts[3:] == [24, 0, 0] and not (match[7] or "").strip("0")
    parts[3] = 0 if ended else parts[3]
    local = datetime(*parts, int((match[7] or "0")[:6].ljust(6, "0")))  # type: ignore[misc]
    local += timedelta(days=int(ended))
    if match[8]:
        return local.replace(tzinfo=UTC)
    if match[9]:
        hours, minutes = int(match[10]), int(match[11] or 0)
        if hours > 23 or minutes > 59:
            return None
        east = timedelta(hours=hours, minutes=minutes) * (1 if match[9] == "+" else -1)
        return local.replace(tzinfo=timezone(east)).astimezone(UTC)
    return local


def _epoch(text: str, name: str) -> datetime | None:
    names = {"epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}
    if name == "epoch_auto":
        size = abs(float(text)) if _number(text) is not None else 0
        name = "epoch_s" if size < 1e11 else "epoch_ms" if size < 1e14 else "epoch_us"
        name = "epoch_ns" if size >= 1e17 else name
    per_second = names[name]
    if WHOLE.fullmatch(text) and -(2**63) <= int(text) < 2**63:
        return EPOCH + timedelta(microseconds=int(text) * 10**6 // per_second)
    number = _number(text)
    if number is None:
        return None
    return EPOCH + timedelta(microseconds=round(number * (10**6 / per_second)))


MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _patterned(text: str, pattern: str) -> datetime | None:
    """Eats the text from the left, a directive at a time."""
    found: dict[str, str] = {}
    pieces = re.findall(r"%.|[^%]", pattern, re.DOTALL)
    for at, piece in enumerate(pieces):
        if len(piece) == 1 or piece == "%%":
            if not text.startswith(piece[-1]):
                return None
            text = text[1:]
            continue
        beside = [*pieces[at + 1 : at + 2], *pieces[:at][-1:]]
        numbers = [other for other in beside if len(other) == 2 and other[1] not in "%bpzaZ"]
        two = r"\d\d" if numbers else r"\d\d?"
        three = r"\d{3}" if numbers else r"\d{1,3}"
        kinds = {"G": r"\d{4}", "u": "[1-7]", "a": "[A-Za-z]{3}", "Z": "[A-Za-z]{3}"}
        kinds |= {"Y": r"\d{4}", "j": three, "b": "[A-Za-z]{3}", "p": "[AaPp][Mm]", "y": r"\d\d"}
        kinds |= {"f": r"\d{1,9}", "z": r"Z|[+-]\d\d(?::?[0-9]{2})?"}
        match = re.match(kinds.get(piece[1], two), text, re.ASCII)
        if match is None:
            return None
        found[piece[1]], text = match[0], text[match.end() :]
    if text:
        return None
    if found.get("Z", "utc").lower() not in ("utc", "gmt"):
        return None
    hour = int(found.get("H", 0))
    if "p" in found:
        hour = int(found["I"])
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (found["p"].lower() == "pm")
    day = _day(found)
    if day is None or found.get("a", DAYS[day.weekday()]).lower() != DAYS[day.weekday()]:
        return None
    rest = f"{hour:02}:{int(found.get('M', 0)):02}:{int(found.get('S', 0)):02}"
    rest += "." + found["f"] if "f" in found else ""
    rest += "Z" if "Z" in found else found.get("z", "")
    return _iso(f"{day.year:04}-{day.month:02}-{day.day:02}T{rest}")


def _day(found: dict[str, str]) -> date | None:
    if "G" in found:
        return date.fromisocalendar(*(int(found[letter]) for letter in "GVu"))
    year = (
        int(found["Y"])
        if "Y" in found
        else int(found["y"]) + (1900 if found["y"] >= "69" else 2000)
    )
    if "j" in found:
        day = date(year, 1, 1) + timedelta(days=int(found["j"]) - 1)
        return None if day.year != year or not int(found["j"]) else day
    month = MONTHS.index(found["b"].lower()) + 1 if "b" in found else int(found["m"])
    return date(year, month, int(found["d"]))
