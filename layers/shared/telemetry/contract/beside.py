"""The keys of a column that name members beside the one of its value: ``plus``, ``unit_from``."""

from __future__ import annotations

from typing import Any, get_args

from telemetry.contract.model import Plus, Source, SpanUnit, TextParts, UnitMember
from telemetry.contract.parts import WITHIN, read_sources
from telemetry.contract.reader import Reader, finite

__all__ = ["read_plus", "read_unit_member"]

PLUS_KEYS = ("from", "unit", "every")
UNIT_KEYS = ("from", "units", "constant")


def read_plus(
    reader: Reader, where: str, table: dict[str, Any], parts: dict[str, TextParts]
) -> Plus | None:
    """The span that is added to a time; ``None`` where the column has none."""
    if "plus" not in table:
        return None
    plus = reader.take(table, where, "plus", dict, {})
    inner = f"{where}plus."
    reader.only(plus, inner, PLUS_KEYS)
    if "unit" not in plus:
        reader.note(f"{inner}unit", f"is missing; use one of {', '.join(get_args(SpanUnit))}")
    every: Any = plus.get("every", 1)
    if isinstance(every, str | list):
        every = _sources(reader, inner, "every", plus, parts)
    elif type(every) not in (int, float) or not finite(every) or not every:
        reader.note(f"{inner}every", f"{every!r} is not valid here; write a number or a source")
    return Plus(
        sources=_sources(reader, inner, "from", plus, parts),
        unit=reader.choose(plus, inner, "unit", SpanUnit, "s"),
        every=every,
    )


def read_unit_member(
    reader: Reader, where: str, table: dict[str, Any], parts: dict[str, TextParts]
) -> UnitMember | None:
    """The member that has the unit, and the units that it may have."""
    found = table.get("unit_from")
    if not isinstance(found, dict):
        return None
    inner = f"{where}unit_from."
    reader.only(found, inner, UNIT_KEYS)
    units = _units(reader, inner, found)
    if not units:
        reader.note(f"{inner}units", "is missing; list the units that may be there")
    meanings: dict[str, str] = {}
    for unit, spellings in units:
        for spelling in spellings:
            if meanings.setdefault(spelling, unit) != unit:
                reader.note(
                    f"{inner}units",
                    f"{spelling!r} would mean both {meanings[spelling]} and {unit}; keep one",
                )
            if not spelling or spelling != spelling.strip() or "\0" in spelling:
                reader.note(f"{inner}units", f"{spelling!r} is empty or has outer blanks")
    constant = reader.take(found, inner, "constant", str, "") or None
    if constant is not None and constant not in meanings:
        reader.note(f"{inner}constant", f"{constant!r} is not one of the units; correct it")
    return UnitMember(_sources(reader, inner, "from", found, parts), units, constant)


def _units(
    reader: Reader, where: str, table: dict[str, Any]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Each unit with its spellings, itself the first."""
    found = table.get("units", [])
    if not isinstance(found, dict):
        return tuple((unit, (unit,)) for unit in dict.fromkeys(reader.texts(table, where, "units")))
    return tuple(
        (unit, tuple(dict.fromkeys((unit, *_spellings(reader, where, found, unit)))))
        for unit in found
    )


def _spellings(reader: Reader, where: str, units: dict[str, Any], unit: str) -> list[str]:
    return [] if units[unit] == [] else reader.texts(units, f"{where}units.", unit)


def _sources(
    reader: Reader, where: str, key: str, table: dict[str, Any], parts: dict[str, TextParts]
) -> tuple[Source, ...]:
    sources = []
    if key not in table:
        reader.note(f"{where}{key}", "is missing; name the member")
    texts = reader.texts(table, where, key)
    for text, source in read_sources(reader, f"{where}{key}", texts, parts):
        if source.scope not in (*WITHIN, "part") or source.path == ("received_at",):
            reader.note(f"{where}{key}", f"{text!r} is not valid here; use a member or its part")
        sources.append(source)
    return tuple(sources)
