"""The numbers that make one unit of another, as they ship beside a contract.

They are worked out where a contract is packaged (``etl.authoring.units``), so that no function
needs a units library: ``units.json`` lies beside ``contract.toml`` in a function's zip and holds,
for each column with ``unit_from``, the three numbers of a :class:`Conversion`, or of several by the
name of the unit.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from telemetry.contract.model import Column, Contract, Conversion, UnitMember
from telemetry.errors import ContractError

__all__ = ["UNITS_FILE", "dump_conversions", "needs_conversions", "with_conversions"]

UNITS_FILE = "units.json"


def needs_conversions(contract: Contract) -> bool:
    """True if a column is sent in another unit."""
    return any(column.unit_from or column.unit_member for column in contract.columns)


def dump_conversions(contract: Contract) -> bytes:
    """``units.json`` of a contract that has its conversions."""
    content: dict[str, Any] = {}
    for column in contract.columns:
        member = column.unit_member
        if column.conversion is not None:
            units = {"unit_from": column.unit_from, "unit": column.unit}
            content[column.name] = units | asdict(column.conversion)
        elif member is not None:
            steps = zip(member.units, member.conversions, strict=True)
            several = {unit: asdict(conversion) for (unit, _), conversion in steps}
            content[column.name] = {"unit": column.unit, "units": several}
    return json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True).encode()


def with_conversions(contract: Contract, content: bytes) -> Contract:
    """The contract with the numbers of a ``units.json``.

    Raises ``ContractError`` where they aren't those of its columns.
    """
    try:
        found = json.loads(content)
        columns = []
        for column in contract.columns:
            if column.unit_member is not None:
                column = _with_several(column, column.unit_member, found[column.name])  # noqa: PLW2901
            if column.unit_from:
                numbers = dict(found[column.name])
                units = (numbers.pop("unit_from"), numbers.pop("unit"))
                if units != (column.unit_from, column.unit):
                    raise ValueError(f"{column.name} has different units")
                conversion = Conversion(**{name: float(n) for name, n in numbers.items()})
                column = replace(column, conversion=conversion)  # noqa: PLW2901
            columns.append(column)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ContractError(
            f"{UNITS_FILE}: belongs to another contract than {contract.name!r} ({error}); "
            "deploy it again"
        ) from error
    return replace(contract, columns=tuple(columns))


def _with_several(column: Column, member: UnitMember, numbers: Any) -> Column:
    """The column with a conversion of each unit that its values may have."""
    if numbers["unit"] != column.unit or set(numbers["units"]) != {u for u, _ in member.units}:
        raise ValueError(f"{column.name} has different units")
    conversions = tuple(
        Conversion(**{name: float(n) for name, n in numbers["units"][unit].items()})
        for unit, _ in member.units
    )
    return replace(column, unit_member=replace(member, conversions=conversions))
