"""Unpacks the readings of a message: one small function per shape, from JSON values to parts.

This is the definition, one message at a time, for the careful reader. A part is a reading before
its values are taken out of it. What each shape takes is described in ``docs/contract-messages.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation, Overflow
from typing import Any

from functions.transform.pairs import groups_of_pairs, is_pair, named_value
from functions.transform.parts import Number, Part, is_text, member
from telemetry.contract import Contract
from telemetry.contract.composed import all_sources

__all__ = [
    "BASE",
    "RELATIVE_BELOW",
    "SENML_VALUES",
    "Unpacker",
    "base_sources",
    "names_of_arrays",
    "parallel_arrays",
    "places_of_parents",
    "readings_in",
]

RELATIVE_BELOW = 2**28
"""SenML times below are seconds from now (RFC 8428, 4.5.3); now is when the message arrived."""
SUMS = ("t", "v", "s")
BASE = ("bn", "bt", "bu", "bv", "bs")
SENML_VALUES = ("v", "vs", "vb", "vd", "s")

_exactly = Context(prec=40, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, Overflow])


def base_sources(contract: Contract) -> tuple[str, ...]:
    """Base values of SenML that the contract takes by name, each as it holds at a record."""
    paths = {s.path for s in all_sources(contract) if s.scope == "reading"}
    if isinstance(contract.melt, tuple):
        paths |= {metric.path for metric in contract.melt}
    return tuple(name for name in BASE if (name,) in paths)


class Unpacker:
    """Unpacks messages by the shape in one contract."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        sources = all_sources(contract)
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
        metrics = contract.melt if isinstance(contract.melt, tuple) else ()
        every = contract.melt == "numbers" or any(s.scope == "rest" for s in sources)
        self._names = None if every else self._used | {metric.path[0] for metric in metrics}

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
        places = places_of_parents(self._contract, parents)
        found = zip(parents, places, strict=True)
        return [part for parent, at in found for part in self._of_parent(parent, at, arrived)]

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
        if contract.shape == "pairs":
            return self._paired(found)
        read = READ[contract.shape]
        return [read(contract, index, item) for index, item in enumerate(found)]

    def _paired(self, found: list[Any]) -> list[Part]:
        """Readings of pairs of name and value: arrays of two, or objects."""
        if self._contract.pairs is not None:
            groups = groups_of_pairs(self._contract.pairs, found)
            alone = not self._contract.pairs.by
            return [
                self._of_objects(None if alone else index, [found[at] for at in group])
                for index, group in enumerate(groups)
            ]
        if found and all(is_pair(pair) for pair in found):
            return [self._of_arrays(None, found)]
        return [self._of_arrays(index, item) for index, item in enumerate(found)]

    def _of_arrays(self, index: int | None, item: Any) -> Part:
        if not isinstance(item, list) or not all(is_pair(pair) for pair in item):
            return Part(index, fault="not_pairs")
        return self._joined(index, {}, item)

    def _of_objects(self, index: int | None, items: list[Any]) -> Part:
        pairs = self._contract.pairs
        assert pairs is not None  # noqa: S101 - it is only called where there are
        found = [named_value(pairs, item) for item in items]
        sound = [pair for pair in found if pair is not None]
        if len(sound) < len(found):
            return Part(index, fault="not_pairs")
        held = {name: items[0][name] for name in pairs.by if name in items[0]}
        return self._joined(index, held, sound)

    def _joined(self, index: int | None, held: dict[str, Any], pairs: Sequence[Any]) -> Part:
        """The reading of these pairs, and of what they have in common.

        Of two values for a name that counts, neither can be chosen. Of others the first stays.
        """
        for name, value in pairs:
            if name in held and (self._names is None or name in self._names):
                return Part(index, fault="repeated_name")
            held.setdefault(name, value)
        return Part(index, held)

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


def names_of_arrays(contract: Contract) -> set[str | int]:
    """Names of the arrays side by side of which columns take elements."""
    names = {s.path[0] for s in all_sources(contract) if s.scope == "reading"}
    if isinstance(contract.melt, tuple):
        names |= {metric.path[0] for metric in contract.melt}
    return names


def parallel_arrays(contract: Contract, found: Any) -> dict[str, list[Any]] | None:
    """The arrays side by side that the contract names; ``None`` where none is there, or something
    else is in its place."""
    if not isinstance(found, dict):
        return None
    names = names_of_arrays(contract)
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
    if contract.pairs is not None and isinstance(found, list) and found:
        return len(groups_of_pairs(contract.pairs, found)) if contract.pairs.by else None
    if contract.shape == "pairs" and found and all(is_pair(pair) for pair in found):
        return None
    return len(found)


def places_of_parents(contract: Contract, parents: list[Any]) -> list[int]:
    """Place of the first reading of each element of the outer array, counted through all of it."""
    places: list[int] = []
    start = 0
    for parent in parents:
        places.append(start)
        number = readings_in(contract, parent)
        start += 1 if number is None else number
    return places


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


READ: dict[str, Callable[[Contract, int, Any], Part]] = {
    "objects": _object,
    "rows": _row,
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
        found["n"] = "".join(names) if all(is_text(part) for part in names) else []
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
    """The exact sum of two numbers; an empty list, which no type takes, where there is none."""
    if other is None:
        return one
    if not isinstance(one, Number) or not isinstance(other, Number):
        return []
    try:
        return Number(_exactly.add(Decimal(one), Decimal(other)))
    except (InvalidOperation, Overflow):
        return []
