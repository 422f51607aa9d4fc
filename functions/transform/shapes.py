"""Unpacks the readings of a message: one small function per shape, from JSON values to parts.

This is the definition, one message at a time, for the careful reader. A part is a reading before
its values are taken out of it. What each shape takes is described in ``docs/contract.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation, Overflow
from typing import Any

from telemetry.contract import Contract
from telemetry.contract.composed import sources_of
from telemetry.contract.model import MemberPath

__all__ = [
    "BASE",
    "RELATIVE_BELOW",
    "SENML_VALUES",
    "Number",
    "Part",
    "Unpacker",
    "base_sources",
    "member",
    "parallel_arrays",
    "readings_in",
]

RELATIVE_BELOW = 2**28
"""SenML times below are seconds from now (RFC 8428, 4.5.3); now is when the message arrived."""
SUMS = ("t", "v", "s")
BASE = ("bn", "bt", "bu", "bv", "bs")
SENML_VALUES = ("v", "vs", "vb", "vd", "s")

_exactly = Context(prec=40, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, Overflow])


class Number(str):
    """A number, as JSON spells it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A reading of a message, or what stands where one should be."""

    index: int | None
    """Its place in the array or keyed object, or among those of the message's parents; ``None``
    where it is the message itself."""
    holder: dict[str, Any] = field(default_factory=dict)
    """Its members."""
    fault: str | None = None
    """Reason why it isn't a reading."""
    places: dict[str, Any] = field(default_factory=dict)
    """Values of ``$key``, ``$metric`` and ``$value``."""
    parent: Any = None
    """The object around its array, where there are two levels."""


def member(holder: Any, path: MemberPath) -> Any:
    """The value at a path; ``None`` where a step is absent, null or of another kind."""
    for step in path:
        if isinstance(step, int):
            holder = _element(holder, step)
        elif isinstance(holder, dict):
            holder = holder.get(step)
        else:
            return None
    return holder


def _element(holder: Any, place: int) -> Any:
    if not isinstance(holder, list) or not -len(holder) <= place < len(holder):
        return None
    return holder[place]


def base_sources(contract: Contract) -> tuple[str, ...]:
    """Base values of SenML that the contract takes by name, each as it holds at a record."""
    sources = [s for column in contract.columns for s in sources_of(column)]
    paths = {s.path for s in sources if s.scope == "reading"}
    if isinstance(contract.melt, tuple):
        paths |= {metric.path for metric in contract.melt}
    return tuple(name for name in BASE if (name,) in paths)


class Unpacker:
    """Unpacks messages by the shape in one contract."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        sources = [s for column in contract.columns for s in sources_of(column)]
        self._used = {s.path[0] for s in sources if s.scope == "reading"}
        self._used_alone = {s.path[0] for s in sources if s.scope in ("reading", "message")}
        array = contract.readings or ()
        around = "message" if contract.parents is None else "parent"
        self._apart = {
            s.path[len(array)]
            for s in sources
            if s.scope == around and s.path[: len(array)] == array and len(s.path) > len(array)
        }
        values = any(s.scope == "place" and s.path == ("value",) for s in sources)
        self._plain = values and contract.melt is None
        self._base = base_sources(contract)

    def parts(self, message: Any, arrived: int | None) -> str | list[Part]:
        """The readings of a message that is an object or array, or the reason why it has none.

        ``arrived`` is in epoch milliseconds.
        """
        found = self._found(message, arrived)
        if isinstance(found, str) or self._contract.melt is None:
            return found
        return [metric for part in found for metric in self._melted(part)]

    def _found(self, message: Any, arrived: int | None) -> str | list[Part]:
        if self._contract.parents is None:
            return self._unnested(message, arrived)
        parents = member(message, self._contract.parents)
        if parents is None or (isinstance(message, dict) and parents is message):
            return [Part(None, message)]
        if not isinstance(parents, list):
            return "not_an_array"
        parts: list[Part] = []
        start = 0
        for parent in parents:
            parts += self._of_parent(parent, start, arrived)
            number = readings_in(self._contract, parent)
            start += 1 if number is None else number
        return parts

    def _of_parent(self, parent: Any, start: int, arrived: int | None) -> Iterator[Part]:
        """Readings of an element of the outer array; their places count from ``start``."""
        if not isinstance(parent, dict):
            yield Part(start, fault="not_an_object")
            return
        found = self._unnested(parent, arrived)
        if isinstance(found, str):
            found = [Part(0, fault=found)]
        for part in found:
            yield replace(part, index=start + (part.index or 0), parent=parent)

    def _unnested(self, message: Any, arrived: int | None) -> str | list[Part]:
        """The readings in the array of a message, or of an element of the outer array."""
        contract = self._contract
        found = None if contract.readings is None else member(message, contract.readings)
        alone = contract.shape == "objects" and isinstance(message, dict) and found is message
        if found is None or alone:
            return [Part(None, message)]
        if contract.shape in ("keyed", "parallel"):
            return self._in_object(found)
        if not isinstance(found, list):
            return "not_an_array"
        if contract.shape == "senml":
            return list(_senml(found, arrived, self._base))
        if contract.shape == "pairs" and found and all(_is_pair(pair) for pair in found):
            return [Part(None, _first_counts(found))]
        read = READ[contract.shape]
        return [read(contract, index, item) for index, item in enumerate(found)]

    def _in_object(self, found: Any) -> str | list[Part]:
        """The readings of a shape that has an object in the place of an array."""
        if not isinstance(found, dict):
            return "not_an_object"
        keyed = self._contract.shape == "keyed"
        return list(self._keyed(found)) if keyed else self._side_by_side(found)

    def _side_by_side(self, found: dict[str, Any]) -> str | list[Part]:
        """Readings of arrays side by side: one for each place; a reading that is not in all of them
        is a fault, as it can't be known which element is missing."""
        arrays = parallel_arrays(self._contract, found)
        if arrays is None:
            return "not_an_array"
        sizes = [len(array) for array in arrays.values()]
        return [
            Part(index, {name: array[index] for name, array in arrays.items()})
            if index < min(sizes)
            else Part(index, fault="unequal_arrays")
            for index in range(max(sizes))
        ]

    def _keyed(self, found: dict[str, Any]) -> Iterator[Part]:
        """Readings of an object whose members' names are their time or their metric."""
        for index, (name, value) in enumerate(found.items()):
            if name in self._apart:
                continue
            places = {"key": name}
            if isinstance(value, dict):
                yield Part(index, value, places=places)
            elif self._plain:
                yield Part(index, places=places | {"value": value})
            else:
                yield Part(index, fault="not_an_object")

    def _melted(self, part: Part) -> Iterator[Part]:
        """A reading per metric, for a narrow table."""
        if part.fault is not None:
            yield part
            return
        none = True
        for name, value in self._metrics(part):
            if value is not None:
                none = False
                yield replace(part, places=part.places | {"metric": name, "value": value})
        if none:
            yield replace(part, fault="no_metric")

    def _metrics(self, part: Part) -> Iterator[tuple[str, Any]]:
        if isinstance(self._contract.melt, tuple):
            for metric in self._contract.melt:
                yield metric.name, member(part.holder, metric.path)
            return
        used = self._used_alone if part.index is None else self._used
        for name, value in part.holder.items():
            if isinstance(value, Number) and name not in used:
                yield name, value


def parallel_arrays(contract: Contract, found: Any) -> dict[str, list[Any]] | None:
    """The arrays side by side that the contract names; ``None`` where none is there, or something
    else is in its place."""
    if not isinstance(found, dict):
        return None
    names = {
        s.path[0] for column in contract.columns for s in sources_of(column) if s.scope == "reading"
    }
    if isinstance(contract.melt, tuple):
        names |= {metric.path[0] for metric in contract.melt}
    arrays = {name: value for name, value in found.items() if name in names and value is not None}
    if not arrays or not all(isinstance(value, list) for value in arrays.values()):
        return None
    return arrays


def readings_in(contract: Contract, parent: Any) -> int | None:
    """Number of places that the readings of an element of the outer array take; ``None`` where it
    is one reading itself, or none."""
    found = member(parent, contract.readings or ())
    if contract.shape == "parallel":
        arrays = parallel_arrays(contract, found)
        return None if arrays is None else max(map(len, arrays.values()))
    if not isinstance(found, dict if contract.shape == "keyed" else list):
        return None
    if contract.shape == "pairs" and found and all(_is_pair(pair) for pair in found):
        return None
    return len(found)


def _object(contract: Contract, index: int, item: Any) -> Part:
    del contract
    return Part(index, item) if isinstance(item, dict) else Part(index, fault="not_an_object")


def _row(contract: Contract, index: int, item: Any) -> Part:
    """Positions have names; one too many may mean that all of them have shifted."""
    if not isinstance(item, list):
        return Part(index, fault="not_an_array")
    if len(item) > len(contract.fields):
        return Part(index, fault="too_many_fields")
    return Part(index, dict(zip(contract.fields, item, strict=False)))


def _pairs(contract: Contract, index: int, item: Any) -> Part:
    del contract
    if isinstance(item, list) and all(_is_pair(pair) for pair in item):
        return Part(index, _first_counts(item))
    return Part(index, fault="not_pairs")


def _is_pair(item: Any) -> bool:
    return isinstance(item, list) and len(item) == 2 and _is_text(item[0])


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Number)


def _first_counts(pairs: list[Any]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        members.setdefault(name, value)
    return members


READ: dict[str, Callable[[Contract, int, Any], Part]] = {
    "objects": _object,
    "rows": _row,
    "pairs": _pairs,
}


def _senml(pack: list[Any], arrived: int | None, wanted: Sequence[str]) -> Iterator[Part]:
    """Records with their base values resolved (RFC 8428, 4.6).

    A resolved record has no base values, but for the ``wanted`` ones as they hold for it.
    """
    base: dict[str, Any] = {}
    for index, record in enumerate(pack):
        if not isinstance(record, dict):
            yield Part(index, fault="not_an_object")
            continue
        base |= {name: value for name, value in record.items() if name in BASE}
        if not any(name in record for name in SENML_VALUES) and any(n in record for n in BASE):
            continue  # nothing but base values for those that follow
        held = {name: base[name] for name in wanted if name in base}
        yield Part(index, _resolved(record, base, arrived) | held)


def _resolved(record: dict[str, Any], base: dict[str, Any], arrived: int | None) -> dict[str, Any]:
    found = {name: value for name, value in record.items() if name not in BASE}
    names = [part for part in (base.get("bn"), record.get("n")) if part is not None]
    if names:
        found["n"] = "".join(names) if all(_is_text(part) for part in names) else names
    if record.get("u") is None and base.get("bu") is not None:
        found["u"] = base["bu"]
    for name in SUMS:
        if base.get(f"b{name}") is not None and (name == "t" or record.get(name) is not None):
            found[name] = _sum(base[f"b{name}"], record.get(name))
    time = found.get("t")
    if time is None:
        time = Number("0")
    if isinstance(time, Number) and float(time) < RELATIVE_BELOW:
        now = None if arrived is None else Number(Decimal(arrived).scaleb(-3))
        if now is not None:
            found["t"] = _sum(now, time)
        elif "t" in found:
            found["t"] = None
    return found


def _sum(one: Any, other: Any) -> Any:
    """The exact sum of two numbers; what can't be added stays as a list, which no type takes."""
    if other is None:
        return one
    if not isinstance(one, Number) or not isinstance(other, Number):
        return [one, other]
    try:
        return Number(_exactly.add(Decimal(one), Decimal(other)))
    except (InvalidOperation, Overflow):
        return [one, other]
