"""Units by name, worked out when a contract is packaged: no function imports a units library.

Units go to and from degrees by steps of exact fractions, so ``degF`` to ``degC`` becomes times 5,
minus 160, by 9: 68 °F is 20 °C and not a bit more.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

from telemetry.contract import Column, Contract
from telemetry.contract.conversions import needs_conversions
from telemetry.contract.model import Conversion
from telemetry.errors import ContractError

__all__ = ["conversion", "resolve_units"]

EXACT = 2**53
"""Whole numbers below it are doubles."""


def resolve_units(contract: Contract) -> Contract:
    """The contract with the numbers of every conversion.

    Raises one ``ContractError`` that lists every pair of units that can't be converted.
    """
    if not needs_conversions(contract):
        return contract
    columns, problems = [], []
    for column in contract.columns:
        try:
            columns.append(_resolved(column))
        except ValueError as error:
            problems.append(f"{contract.name}: columns.{column.name}.unit_from: {error}")
    if problems:
        raise ContractError("\n".join(problems))
    return replace(contract, columns=tuple(columns))


def _resolved(column: Column) -> Column:
    if not column.unit_from or not column.unit:
        return column
    return replace(column, conversion=conversion(column.unit_from, column.unit))


def conversion(unit_from: str, unit: str) -> Conversion:
    """What makes a value in ``unit`` of one in ``unit_from``.

    Raises ``ValueError`` where a unit is not known, or one can't be made of the other by a factor
    and an offset.
    """
    units = _registry()
    zero, one, two = (_convert(units, Fraction(n), unit_from, unit) for n in (0, 1, 2))
    factor = one - zero
    # Approximately: where pi is in it, the fractions are those of doubles.
    if factor == 0 or abs(two - one - factor) > abs(factor) * Fraction(1, 10**9):
        raise ValueError(
            f"{unit_from!r} is no multiple of {unit!r} plus an offset; convert it in the device"
        )
    divide = factor.denominator * zero.denominator // _common(factor.denominator, zero.denominator)
    numbers = (factor * divide, zero * divide, Fraction(divide))
    if all(abs(number) < EXACT for number in numbers):
        return Conversion(*(float(number) for number in numbers))
    return Conversion(float(factor), float(zero))


def _common(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a


def _convert(units: Any, value: Fraction, unit_from: str, unit: str) -> Fraction:
    import pint

    try:
        start = units.Quantity(value, units.parse_units(unit_from))
        return Fraction(start.to(units.parse_units(unit)).magnitude)
    except pint.UndefinedUnitError as error:
        raise ValueError(f"{error}; write a unit such as 'degC', 'hPa' or 'km/h'") from error
    except pint.DimensionalityError as error:
        raise ValueError(f"{unit_from!r} is another kind of quantity than {unit!r}") from error
    except (pint.PintError, ValueError, TypeError, AssertionError, ArithmeticError) as error:
        raise ValueError(f"{unit_from!r} can't be converted to {unit!r} ({error})") from error


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry(non_int_type=Fraction, cache_folder=None)
