"""Turns raw texts into typed values, a column at a time: one reader per column type.

A reader takes texts (null where there is none) and gives typed values, null where it can't read
the text; and which of the values are numbers that the type can't hold. What each accepts is
described in ``docs/contract-types.md``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import polars as pl

from functions.transform.decimals import read_decimals
from functions.transform.extraction_plan import NOT_A_VALUE
from functions.transform.timestamps import read_timestamps
from telemetry.contract import Column
from telemetry.contract.model import Marker, UnitMember
from telemetry.errors import ContractError

__all__ = ["NUMBER", "READERS", "Read", "is_one_of", "read_numbers", "read_timestamp"]

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

BLANK = " \t\r\n"
TRUE = ("true", "t", "yes", "y", "on")
FALSE = ("false", "f", "no", "n", "off")
BITS = {"smallint": 15, "integer": 31, "bigint": 63}


EXACT_BELOW = 2.0**51
"""A double below this tells quarters apart; what is larger is read digit by digit."""
CLOCK_AHEAD = 5 * 60 * 10**6
"""Microseconds that a local time may lie after its arrival and be taken as the later of the two
instants that it came at: a device's clock may be ahead by as much."""
LARGE_DIGITS, LARGE_SCALE = 38, 18
"""Digits that a large number is read with, and those after its point: 20 stand before it."""


class Read(NamedTuple):
    """A column's texts, read."""

    value: pl.Series
    """Typed values; null where there is no text, or where it can't be read or held."""
    beyond: pl.Series | None = None
    """True for texts that are whole numbers that the type can't hold; ``None``: none are."""
    faults: Mapping[str, pl.Series] = {}
    """Fault to mask of the texts that can be read, but have no value for that reason."""


def read_text(texts: pl.Series, column: Column) -> Read:
    """Any text that PostgreSQL can hold (all without U+0000) and that follows the pattern."""
    wrong = texts.str.contains("\x00", literal=True)
    if column.pattern is not None:
        wrong |= ~texts.str.contains(rf"\A(?:{column.pattern})\z")
    return Read(_blank_out(texts, wrong))


def read_json(texts: pl.Series, column: Column) -> Read:
    """JSON texts as they are; what PostgreSQL couldn't hold comes as :data:`NOT_A_VALUE`."""
    del column
    return Read(_blank_out(texts, texts == NOT_A_VALUE))


def read_float(texts: pl.Series, column: Column, units: pl.Series | None = None) -> Read:
    """Finite doubles, in the column's unit. There is one zero: ``-0`` is 0, however spelled.

    ``units`` are the units of the numbers, where they are sent with them.
    """
    typed = texts.dtype == pl.Float64
    value = texts if typed else read_numbers(texts.str.strip_chars(BLANK))
    if units is not None and column.unit_member is not None:
        number, value = value, _of_units(value, units, column.unit_member)
        read = _in_type(_rounded(value, column.round), column)
        unknown = number.is_not_null() & value.is_null()
        return read._replace(faults={"unknown_unit": unknown} if unknown.any() else {})
    value = _rounded(_converted(value, column), column.round)
    return _in_type(value, column)


def _in_type(value: pl.Series, column: Column) -> Read:
    """The doubles that the column's type holds."""
    zero = (value == 0).fill_null(value=False)
    value = value.zip_with(~zero, value.abs()) if zero.any() else value
    if column.type == "float" and column.unit_from is None and column.unit_member is None:
        return Read(value)  # finite as it was read; rounding keeps it so
    large = ~value.is_finite()
    if column.type == "real":
        large |= value.cast(pl.Float32, strict=False).is_infinite()
    large = large.fill_null(value=False)
    return Read(_blank_out(value, large), large) if large.any() else Read(value)


def read_whole(texts: pl.Series, column: Column) -> Read:
    """Integers of the column's size; a fraction or exponent is fine where the value is whole."""
    if texts.dtype == pl.String:
        texts = texts.str.strip_chars(BLANK)
    value = texts.cast(pl.Int64, strict=False)
    beyond = None
    if value.null_count() > texts.null_count():
        number = _blank_out(_rounded(read_numbers(texts), column.round), value.is_not_null())
        whole = (number == number.floor()).fill_null(value=False)
        held = whole & (number.abs() < EXACT_BELOW)
        found = number.zip_with(held, _none(number)).cast(pl.Int64)
        large = whole & ~held
        if large.any():
            at = large.arg_true()
            exact, too_large = _large_whole(texts.gather(at), column)
            found, large = found.scatter(at, exact), large.scatter(at, too_large)
        value = value.zip_with(value.is_not_null(), found)
        beyond = large
    limit = 2 ** BITS[column.type]
    if column.type != "bigint":
        large = ((value < -limit) | (value >= limit)).fill_null(value=False)
        value = _blank_out(value, large)
        beyond = large if beyond is None else beyond | large
    return Read(value, beyond)


def _large_whole(texts: pl.Series, column: Column) -> tuple[pl.Series, pl.Series]:
    """Integers of numbers that doubles don't hold exactly, and which of them a bigint can't hold;
    neither where there is a fraction."""
    exact, long = read_decimals(texts, LARGE_DIGITS, LARGE_SCALE if column.round is None else 0)
    whole = (exact == exact.floor()).fill_null(value=False)
    value = _blank_out(exact, ~whole).cast(pl.Int64, strict=False)
    too_large = whole & value.is_null()
    return value, too_large if long is None else too_large | long


def read_boolean(texts: pl.Series, column: Column) -> Read:
    """true/false, t/f, yes/no, y/n, on/off in any case, 1 and 0, and the column's own."""
    if texts.dtype == pl.Boolean:
        return Read(texts)
    usual: list[tuple[Marker, bool]] = [(word, True) for word in (*TRUE, 1)]
    usual += [(word, False) for word in (*FALSE, 0)]
    own = [(_as_text(spelling), True) for spelling in column.true_values]
    own += [(_as_text(spelling), False) for spelling in column.false_values]
    return Read(_meaning(texts, [*usual, *own], pl.Boolean()))


def read_enum(texts: pl.Series, column: Column) -> Read:
    """The values of the column, for them and their other spellings, in any case."""
    spelled = [
        (_as_text(spelling), value)
        for value, spellings in column.values
        for spelling in (value, *spellings)
    ]
    return Read(_meaning(texts, spelled, pl.String()))


def _as_text(spelling: Marker) -> Marker:
    return str(spelling).lower() if isinstance(spelling, bool) else spelling


def _meaning(
    texts: pl.Series, spelled: Sequence[tuple[Marker, object]], kind: pl.DataType
) -> pl.Series:
    """Value of each text; a later spelling counts more than an earlier one.

    Spellings that are numbers are compared as numbers, all others as words in any case.
    """
    words: dict[str, object] = {}
    numbers: dict[float, object] = {}
    for spelling, meaning in spelled:
        if isinstance(spelling, str) and not NUMBER.fullmatch(spelling.strip(BLANK)):
            words[spelling.strip(BLANK).lower()] = meaning
        else:
            numbers[float(spelling) + 0.0] = meaning
    plain = texts.str.strip_chars(BLANK).str.to_lowercase()
    found = plain.replace_strict(words, default=None, return_dtype=kind)
    if numbers and found.null_count() > texts.null_count():
        number = read_numbers(plain) + 0.0  # one zero
        other = number.replace_strict(numbers, default=None, return_dtype=kind)
        found = found.zip_with(found.is_not_null(), other)
    return found


def read_decimal(texts: pl.Series, column: Column) -> Read:
    """Exact numbers of so many digits, rounded half away from zero as PostgreSQL does."""
    assert column.precision is not None  # noqa: S101 - the contract's rules
    return Read(*read_decimals(texts.str.strip_chars(BLANK), column.precision, column.scale))


def read_timestamp(texts: pl.Series, column: Column, received: pl.Series | None) -> Read:
    """Instants in UTC, to the microsecond.

    ``received`` is when each text's message arrived, in UTC, null where that is not known.
    """
    if texts.dtype != pl.String:  # a time already
        return Read(texts)
    found = read_timestamps(texts.str.strip_chars(BLANK), column.formats, column.timezone)
    value, faults = found.first, {}
    if found.second is not None:
        value, unclear = _one_of_two(value, found.second, column, received)
        if unclear is not None:
            faults["ambiguous_time"] = unclear
    if found.nonexistent is not None and column.nonexistent == "reject":
        faults["nonexistent_time"] = found.nonexistent
    for mask in faults.values():
        value = _blank_out(value, mask)
    return Read(value.cast(pl.Datetime("us", "UTC")), faults=faults)


def _one_of_two(
    first: pl.Series, second: pl.Series, column: Column, received: pl.Series | None
) -> tuple[pl.Series, pl.Series | None]:
    """The instants that the contract chooses, and where it can't; ``second`` is null where there
    is just one."""
    twice = second.is_not_null()
    if column.ambiguous == "earliest":
        return first, None
    if column.ambiguous == "latest":
        return second.zip_with(twice, first), None
    if column.ambiguous == "reject" or received is None:
        return first, twice
    come = second <= received.cast(pl.Int64) + CLOCK_AHEAD
    return second.zip_with(come.fill_null(value=False), first), twice & received.is_null()


READERS: dict[str, Callable[[pl.Series, Column], Read]] = {
    "text": read_text,
    "smallint": read_whole,
    "integer": read_whole,
    "bigint": read_whole,
    "real": read_float,
    "float": read_float,
    "decimal": read_decimal,
    "boolean": read_boolean,
    "enum": read_enum,
    "jsonb": read_json,
}
"""Reader of each type but ``timestamp``, which takes the time of arrival: see
:func:`read_timestamp`."""


def _converted(value: pl.Series, column: Column) -> pl.Series:
    """The values in the column's unit. Raises ``ContractError`` where the factors are missing."""
    if column.unit_from is None:
        return value
    if column.conversion is None:
        raise ContractError(
            f"columns.{column.name}.unit_from: the contract was packaged without the factors that "
            f"convert {column.unit_from} to {column.unit}; deploy it with this version of etl."
        )
    steps = column.conversion
    return _divided(value * steps.multiply + steps.add, steps.divide)


def _of_units(value: pl.Series, units: pl.Series, member: UnitMember) -> pl.Series:
    """The values, each converted from its own unit; null where that is not one of the member's.

    Raises ``ContractError`` where the factors are missing.
    """
    if len(member.conversions) != len(member.units):
        raise ContractError(
            "unit_from: the contract was packaged without the factors that convert its units; "
            "deploy it with this version of etl."
        )
    if member.constant is not None:
        units = units.fill_null(member.constant)
    places = {text: n for n, (_, spellings) in enumerate(member.units) for text in spellings}
    place = units.replace_strict(places, default=None, return_dtype=pl.UInt32)
    multiply, add, divide = (
        pl.Series([getattr(steps, name) for steps in member.conversions], dtype=pl.Float64)
        for name in ("multiply", "add", "divide")
    )
    return (value * multiply.gather(place) + add.gather(place)) / divide.gather(place)


def _divided(value: pl.Series, by: float) -> pl.Series:
    """The quotient as the nearest double: by a scalar, polars would multiply with its inverse."""
    return value / pl.repeat(by, value.len(), dtype=pl.Float64, eager=True)


def _rounded(value: pl.Series, digits: int | None) -> pl.Series:
    """Half away from zero; doubles so large that they have no such digits stay as they are."""
    if digits is None:
        return value
    power = 10.0**digits
    scaled = value * power
    rounded = _divided(scaled.round(mode="half_away_from_zero"), power)
    return rounded.zip_with((scaled.abs() < 2.0**52).fill_null(value=False), value)


def read_numbers(texts: pl.Series) -> pl.Series:
    """Finite doubles, null for every other text."""
    number = texts.cast(pl.Float64, strict=False)
    return _blank_out(number, ~number.is_finite())


def is_one_of(texts: pl.Series, wanted: Sequence[float]) -> pl.Series:
    """Mask of the texts or numbers that equal one of the wanted numbers; null where there is none.

    Doubles can't tell large whole numbers apart: those written in digits are compared as such, so
    that the marker 9223372036854775807 does not take 9223372036854775806 with it.
    """
    numbers = read_numbers(texts) if texts.dtype == pl.String else texts.cast(pl.Float64)
    found = numbers.is_in([float(number) for number in wanted])
    large = [number for number in wanted if type(number) is int and abs(number) >= EXACT_BELOW]
    if not large or not found.any():
        return found
    at = found.fill_null(value=False).arg_true()
    digits = texts.gather(at).cast(pl.Int128, strict=False)
    same = digits.is_in(pl.Series([n for n in large if abs(n) < 2**127], dtype=pl.Int128).implode())
    small = numbers.gather(at).is_in([float(n) for n in wanted if n not in large])
    return found.scatter(at, small | same.fill_null(value=True))


def _blank_out(values: pl.Series, where: pl.Series) -> pl.Series:
    """``values`` with nulls where the mask is true; a null in the mask leaves the value."""
    where = where.fill_null(value=False)
    return values.zip_with(~where, _none(values)) if where.any() else values


def _none(like: pl.Series) -> pl.Series:
    return pl.Series([None], dtype=like.dtype).new_from_index(0, like.len())
