"""Rules on one column of a contract: one small function per rule, as in ``rules``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from telemetry import zones
from telemetry.contract.model import Column, Marker
from telemetry.contract.patterns import TimePatternError, read_pattern
from telemetry.contract.problems import Problem
from telemetry.contract.regular_expressions import pattern_fault

__all__ = ["COLUMN_RULES", "NUMBER", "same_spelling"]

MAX_PRECISION = 38
"""Digits that polars holds; PostgreSQL would hold 1,000."""
MAX_ROUND = 15
MAX_TEXT_CHARACTERS = 10_485_760
INTEGER_BITS = {"smallint": 15, "integer": 31, "bigint": 63}
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_ATTACHED = re.compile(r"[^\s0-9.,+\-](?:[^0-9.,+\-]*[^\s0-9.,+\-])?\Z")


def required_is_not_forgiven(column: Column) -> Iterator[Problem]:
    """A required column can't become NULL."""
    if column.required and column.on_invalid == "null":
        yield Problem(
            f"columns.{column.name}.on_invalid",
            "a required column can't become NULL; remove it or required",
        )


def sources_are_named_once(column: Column) -> Iterator[Problem]:
    """Naming a source twice is a slip."""
    if len(set(column.sources)) < len(column.sources):
        yield Problem(f"columns.{column.name}.from", "names a source twice; name each once")


def range_is_within_the_type(column: Column) -> Iterator[Problem]:
    """A limit that the type can't hold would never be reached."""
    bits = INTEGER_BITS.get(column.type)
    if bits is None:
        return
    for limit in column.range:
        if limit is not None and not -(2**bits) <= limit < 2**bits:
            yield Problem(
                f"columns.{column.name}.range", f"{limit} does not fit a {column.type}; narrow it"
            )


def length_is_positive(column: Column) -> Iterator[Problem]:
    """A text needs room for one character at least."""
    length = column.max_length
    if length is not None and not 1 <= length <= MAX_TEXT_CHARACTERS:
        yield Problem(
            f"columns.{column.name}.max_length", f"{length} is not a length; write 1 or more"
        )


def formats_are_distinct(column: Column) -> Iterator[Problem]:
    """Two epoch formats can't be distinguished by the number alone."""
    epochs = [name for name in column.formats if name.startswith("epoch_")]
    if len(epochs) > 1:
        yield Problem(
            f"columns.{column.name}.formats",
            f"{' and '.join(epochs)} look alike; keep one, or write 'epoch_auto' alone",
        )


def arrival_needs_iso8601(column: Column) -> Iterator[Problem]:
    """``$received_at`` reaches a timestamp column as ISO 8601 text."""
    arrives = any(s.scope == "envelope" and s.path == ("received_at",) for s in column.sources)
    if column.type == "timestamp" and arrives and "iso8601" not in column.formats:
        yield Problem(
            f"columns.{column.name}.formats", "$received_at is read as iso8601; add it to the list"
        )


def zone_is_known(column: Column) -> Iterator[Problem]:
    """The zone is one of the IANA database, in its spelling: other names mean something else on
    each machine (``localtime``), or nothing to PostgreSQL."""
    name = column.timezone
    if name != "UTC" and name not in zones.zone_names():
        meant = zones.similar_zone_name(name) or "Europe/London"
        yield Problem(
            f"columns.{column.name}.timezone",
            f"{name!r} is not the name of a zone in the IANA database; write one such as {meant!r}",
        )


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
    if fault := pattern_fault(column.pattern):
        yield Problem(f"columns.{column.name}.pattern", fault)


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
    if (column.unit_from or column.unit_member) and not column.unit:
        yield Problem(f"columns.{column.name}.unit", "is missing; write what unit_from becomes")
    if column.unit_member and any(source.scope == "constant" for source in column.sources):
        yield Problem(
            f"columns.{column.name}.constant", "has no unit in a member; write unit_from as a text"
        )


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
    elif not set(scopes) <= {"reading", "parent", "message", "rest"}:
        yield Problem(f"{where}from", "a jsonb is a member or $rest; use type = 'text' for others")


COLUMN_RULES: tuple[Callable[[Column], Iterator[Problem]], ...] = (
    required_is_not_forgiven,
    sources_are_named_once,
    range_is_within_the_type,
    length_is_positive,
    formats_are_distinct,
    arrival_needs_iso8601,
    zone_is_known,
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
