"""Rules on the keys of a column's values: one small function per rule, as in ``rules``."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from telemetry.contract.model import Column, Marker
from telemetry.contract.patterns import TimePatternError, read_pattern
from telemetry.contract.problems import Problem

__all__ = ["NUMBER", "VALUE_RULES", "same_spelling"]

MAX_PRECISION = 38
"""Digits that polars holds; PostgreSQL would hold 1,000."""
MAX_ROUND = 15
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_ATTACHED = re.compile(r"[^\s0-9.,+\-](?:[^0-9.,+\-]*[^\s0-9.,+\-])?\Z")
_ELSEWHERE = re.compile(r"\(\?(?:[=!>(#]|<[=!]|P[=>])|\\[1-9ZGX]|\\[kgpP]")
"""Look-around, back-references and others that a linear-time engine lacks or reads differently."""


def decimal_fits(column: Column) -> Iterator[Problem]:
    """A decimal needs its number of digits."""
    key = f"columns.{column.name}.precision"
    if column.type != "decimal":
        return
    if column.precision is None:
        yield Problem(key, "is missing; write how many digits the number has in all, such as 10")
    elif not 1 <= column.precision <= MAX_PRECISION:
        yield Problem(key, f"{column.precision} is not valid here; write 1 to {MAX_PRECISION}")
    elif not 0 <= column.scale <= column.precision:
        yield Problem(
            f"columns.{column.name}.scale",
            f"{column.scale} digits after the point are not among {column.precision};"
            f" write 0 to {column.precision}",
        )


def spellings_mean_one_thing(column: Column) -> Iterator[Problem]:
    """A spelling stands for one value, in any case; values can be stored and distinguished."""
    where = f"columns.{column.name}."
    if column.type == "enum" and not column.values:
        yield Problem(f"{where}values", "is missing; list what it may be")
    for value, _ in column.values:
        if not value or "\0" in value or value != value.strip():
            yield Problem(
                f"{where}values", f"{value!r} is empty, or has outer blanks or U+0000; correct it"
            )
    groups: list[tuple[str, tuple[Marker, ...]]] = [
        (value, (value, *spellings)) for value, spellings in column.values
    ]
    groups += [("true", column.true_values), ("false", column.false_values)]
    seen: dict[object, str] = {}
    for value, spellings in groups:
        for spelling in dict.fromkeys(map(same_spelling, spellings)):
            other = seen.setdefault(spelling, value)
            if other != value:
                yield Problem(
                    f"{where}{'values' if column.values else 'true_values'}",
                    f"{spelling!r} would mean both {other} and {value}; keep one",
                )


def same_spelling(spelling: Marker) -> Any:
    """Key under which two spellings that can't be distinguished are equal."""
    if isinstance(spelling, bool):
        return "true" if spelling else "false"
    if isinstance(spelling, str) and not NUMBER.fullmatch(spelling.strip()):
        return spelling.strip().lower()
    return float(spelling)


def pattern_is_linear(column: Column) -> Iterator[Problem]:
    """The engine that runs it takes time in proportion to the text, whatever the pattern."""
    if column.pattern is None:
        return
    key = f"columns.{column.name}.pattern"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # such as of nested sets, which others read otherwise
            re.compile(column.pattern)
    except (re.error, Warning, OverflowError, RecursionError) as error:
        yield Problem(key, f"is not a regular expression ({error}); correct it")
        return
    if found := _ELSEWHERE.search(column.pattern.replace("\\\\", "")):
        yield Problem(
            key, f"has {found[0]!r}; write it without look-around, back-references and \\p"
        )
    elif not column.pattern:
        yield Problem(key, "is empty; write what the whole text must match, or leave it out")


def cutting_has_a_length(column: Column) -> Iterator[Problem]:
    """A text that is truncated needs a length."""
    if column.on_too_long == "truncate" and column.max_length is None:
        yield Problem(f"columns.{column.name}.on_too_long", "needs a max_length; add it")


def attached_units_end_a_number(column: Column) -> Iterator[Problem]:
    """A unit can't hold what a number may end with."""
    for unit in column.attached:
        if not _ATTACHED.match(unit):
            yield Problem(
                f"columns.{column.name}.attached",
                f"{unit!r} can't follow a number; write a unit without digits and signs",
            )


def rounding_is_to_digits(column: Column) -> Iterator[Problem]:
    """A whole number has no digits after the point."""
    if column.round is None:
        return
    most = MAX_ROUND if column.type in ("real", "float") else 0
    if not 0 <= column.round <= most:
        yield Problem(
            f"columns.{column.name}.round", f"{column.round} is not valid here; write 0 to {most}"
        )


def conversion_knows_both_units(column: Column) -> Iterator[Problem]:
    """One unit is converted to another."""
    if column.unit_from and not column.unit:
        yield Problem(f"columns.{column.name}.unit", "is missing; write what unit_from becomes")


def patterns_of_times_are_known(column: Column) -> Iterator[Problem]:
    """Each directive is one of ours, and a date can be made of them."""
    for name in column.formats:
        if "%" in name:
            try:
                read_pattern(name)
            except TimePatternError as error:
                yield Problem(f"columns.{column.name}.formats", str(error))


def json_is_of_the_message(column: Column) -> Iterator[Problem]:
    """Only members have JSON texts, and undeclared members need a jsonb column."""
    where = f"columns.{column.name}."
    scopes = [source.scope for source in column.sources]
    if column.type != "jsonb":
        if "rest" in scopes:
            yield Problem(f"{where}type", "$rest is an object; write type = 'jsonb'")
    elif "rest" in scopes and len(scopes) > 1:
        yield Problem(f"{where}from", "$rest stands alone; remove the others")
    elif not set(scopes) <= {"reading", "message", "rest"}:
        yield Problem(f"{where}from", "a jsonb is a member or $rest; use type = 'text' for others")


VALUE_RULES: tuple[Callable[[Column], Iterator[Problem]], ...] = (
    decimal_fits,
    spellings_mean_one_thing,
    pattern_is_linear,
    cutting_has_a_length,
    attached_units_end_a_number,
    rounding_is_to_digits,
    conversion_knows_both_units,
    patterns_of_times_are_known,
    json_is_of_the_message,
)
