"""Unit conversions as numbers, computed when a contract is packaged.

So no function needs a units library. The numbers are exact fractions: ``degF`` to ``degC`` is times
5, minus 160, divided by 9, so that 68 °F is exactly 20 °C.
"""

from __future__ import annotations

import math
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
"""Integers below it are exact as doubles."""


def resolve_units(contract: Contract) -> Contract:
    """The contract with the numbers of every unit conversion.

    Raises one ``ContractError`` that lists all pairs of units that can't be converted.
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
    if column.unit_member is not None and column.unit:
        units = [unit for unit, _ in column.unit_member.units]
        conversions = tuple(conversion(unit, column.unit) for unit in units)
        return replace(column, unit_member=replace(column.unit_member, conversions=conversions))
    if not column.unit_from or not column.unit:
        return column
    return replace(column, conversion=conversion(column.unit_from, column.unit))


def conversion(unit_from: str, unit: str) -> Conversion:
    """The conversion of a value in ``unit_from`` to ``unit``.

    Raises ``ValueError`` for an unknown unit, and where more than a factor and an offset would be
    needed.
    """
    units = _registry()
    zero, one, two = (_convert(units, Fraction(n), unit_from, unit) for n in (0, 1, 2))
    factor = one - zero
    # Approximately, because a factor with pi is the fraction of a double.
    if factor == 0 or abs(two - one - factor) > abs(factor) * Fraction(1, 10**9):
        raise ValueError(
            f"{unit_from!r} is not a multiple of {unit!r} plus an offset; convert it in the device"
        )
    divide = math.lcm(factor.denominator, zero.denominator)
    numbers = (factor * divide, zero * divide, Fraction(divide))
    if all(abs(number) < EXACT for number in numbers):
        return Conversion(*(float(number) for number in numbers))
    return Conversion(float(factor), float(zero))


def _convert(units: Any, value: Fraction, unit_from: str, unit: str) -> Fraction:
    import pint

    try:
        start = units.Quantity(value, units.parse_units(unit_from))
        return Fraction(start.to(units.parse_units(unit)).magnitude)
    except pint.UndefinedUnitError as error:
        raise ValueError(f"{error}; write a unit such as 'degC', 'hPa' or 'km/h'") from error
    except pint.DimensionalityError as error:
        raise ValueError(f"{unit_from!r} and {unit!r} measure different quantities") from error
    except (pint.PintError, ValueError, TypeError, AssertionError, ArithmeticError) as error:
        raise ValueError(f"{unit_from!r} can't be converted to {unit!r} ({error})") from error


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry(non_int_type=Fraction, cache_folder=None)
