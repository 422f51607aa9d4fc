"""The keys of a column that say what its type takes and how devices spell it."""

from __future__ import annotations

import re
from typing import Any

from telemetry.contract.beside import read_plus, read_unit_member
from telemetry.contract.model import Ambiguous, Marker, Nonexistent, OnTooLong, TextParts
from telemetry.contract.reader import Reader, finite

__all__ = ["ONLY_FOR", "VALUE_KEYS", "value_keys"]

WHOLE = ("smallint", "integer", "bigint")
APPROXIMATE = ("real", "float")
NUMBERS = (*WHOLE, *APPROXIMATE, "decimal")

VALUE_KEYS = (
    "precision",
    "scale",
    "values",
    "true_values",
    "false_values",
    "pattern",
    "on_too_long",
    "attached",
    "decimal_comma",
    "round",
    "unit_from",
    "plus",
    "max_age",
    "max_future",
    "ambiguous",
    "nonexistent",
)
ONLY_FOR: dict[str, tuple[str, ...]] = {
    "range": NUMBERS,
    "max_length": ("text",),
    "on_too_long": ("text",),
    "pattern": ("text",),
    "precision": ("decimal",),
    "scale": ("decimal",),
    "values": ("enum",),
    "true_values": ("boolean",),
    "false_values": ("boolean",),
    "attached": NUMBERS,
    "decimal_comma": NUMBERS,
    "round": (*WHOLE, *APPROXIMATE),
    "unit_from": APPROXIMATE,
    "plus": ("timestamp",),
    "formats": ("timestamp",),
    "timezone": ("timestamp",),
    "ambiguous": ("timestamp",),
    "nonexistent": ("timestamp",),
    "max_age": ("timestamp",),
    "max_future": ("timestamp",),
    "missing": (*NUMBERS, "text", "boolean", "enum", "timestamp"),
}
"""Keys that mean nothing for the other types."""

_DURATION = re.compile(r"([0-9]{1,9}) ?(ms|s|min|h|d)\Z")
_MICROSECONDS = {"ms": 10**3, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}


def value_keys(
    reader: Reader, where: str, table: dict[str, Any], parts: dict[str, TextParts]
) -> dict[str, Any]:
    """Arguments of :class:`Column` for the keys of :data:`VALUE_KEYS`."""

    def whole(key: str) -> int | None:
        return reader.take(table, where, key, int, 0) if key in table else None

    return {
        "precision": whole("precision"),
        "scale": whole("scale") or 0,
        "values": _values(reader, where, table),
        "true_values": _markers(reader, where, "true_values", table.get("true_values", [])),
        "false_values": _markers(reader, where, "false_values", table.get("false_values", [])),
        "pattern": reader.take(table, where, "pattern", str, "") if "pattern" in table else None,
        "on_too_long": reader.choose(table, where, "on_too_long", OnTooLong, "invalid"),
        "attached": tuple(reader.texts(table, where, "attached")),
        "decimal_comma": reader.take(table, where, "decimal_comma", bool, False),
        "round": whole("round"),
        "unit_from": None
        if isinstance(table.get("unit_from"), dict)
        else reader.take(table, where, "unit_from", str, "") or None,
        "unit_member": read_unit_member(reader, where, table, parts),
        "plus": read_plus(reader, where, table, parts),
        "max_age": _duration(reader, where, table, "max_age"),
        "max_future": _duration(reader, where, table, "max_future"),
        "ambiguous": reader.choose(table, where, "ambiguous", Ambiguous, "by_arrival"),
        "nonexistent": reader.choose(table, where, "nonexistent", Nonexistent, "reject"),
    }


def _markers(reader: Reader, where: str, key: str, found: Any) -> tuple[Marker, ...]:
    """A list of texts, numbers, true and false."""
    markers = found if isinstance(found, list) else [found]
    for marker in markers:
        sound = type(marker) in (str, int, float, bool)
        if not sound or not finite(marker):
            reader.note(f"{where}{key}", f"{marker!r} can't be sent; use texts, numbers, true")
            return ()
    return tuple(markers)


def _values(
    reader: Reader, where: str, table: dict[str, Any]
) -> tuple[tuple[str, tuple[Marker, ...]], ...]:
    """A list of values, or a table of value to the other spellings of it."""
    found = table.get("values", [])
    if isinstance(found, dict):
        return tuple(
            (value, _markers(reader, f"{where}values.", value, spellings))
            for value, spellings in found.items()
        )
    return tuple((value, ()) for value in reader.texts(table, where, "values"))


def _duration(reader: Reader, where: str, table: dict[str, Any], key: str) -> int | None:
    """Microseconds of a text such as ``36h``."""
    if key not in table:
        return None
    text = reader.take(table, where, key, str, "0s")
    match = _DURATION.match(text)
    if match is None:
        reader.note(
            f"{where}{key}", f"{text!r} is not a duration; write a whole number of ms, s, min, h, d"
        )
        return None
    return int(match[1]) * _MICROSECONDS[match[2]]
