"""TOML text to :class:`Contract`: shapes and types here, meaning in :mod:`rules`.

Reading never stops at the first mistake: a wrong value is noted, its default takes its place, and
everything noted is raised at once. A column with a mistake in it is left out of the rules, so that
one slip doesn't draw a second complaint about its stand-in.
"""

from __future__ import annotations

import hashlib
import math
import tomllib
from dataclasses import replace
from typing import Any, get_args

from telemetry.contract.analytics import read_analytics
from telemetry.contract.column import ONLY_FOR, VALUE_KEYS, value_keys
from telemetry.contract.limits import beyond_limits, problem_lines
from telemetry.contract.message import read_message
from telemetry.contract.model import (
    Checks,
    Column,
    ColumnType,
    Contract,
    Marker,
    OnConflict,
    OnInvalid,
    Source,
    TextParts,
    TimestampFormat,
)
from telemetry.contract.parts import read_parts, read_sources
from telemetry.contract.problems import Problem
from telemetry.contract.reader import Reader as _Reader
from telemetry.contract.reader import finite as _finite
from telemetry.contract.rules import broken_rules
from telemetry.contract.table_life import TABLE_LIFE_KEYS, read_table_life
from telemetry.contract.topics import TopicFilter
from telemetry.errors import ContractError

__all__ = ["parse_contract"]


def parse_contract(text: bytes, source: str) -> Contract:
    """Read and check a contract; ``source`` is the name that messages call the file by.

    Raises one ``ContractError`` that lists every problem found, one a line.
    """
    try:
        tables = tomllib.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ContractError(f"{source}: is not UTF-8; save it as UTF-8") from error
    except RecursionError as error:
        raise ContractError(f"{source}: is not TOML: its values are nested too deeply") from error
    except ValueError as error:  # also of a number of 5,000 digits
        raise ContractError(f"{source}: is not TOML: {error}") from error
    problems = list(beyond_limits(tables))
    if not problems:
        reader = _Reader()
        contract = _contract(reader, tables, hashlib.sha256(text).hexdigest()[:16])
        problems = [*reader.problems, *broken_rules(contract, skip=frozenset(reader.broken))]
    if problems:
        raise ContractError("\n".join(f"{source}: {line}" for line in problem_lines(problems)))
    return contract


TOP_KEYS = (
    "name",
    "description",
    "topic",
    "table",
    "message",
    "parts",
    "columns",
    "checks",
    "analytics",
)
TABLE_KEYS = ("name", "schema", "key", "on_conflict", "greatest", "indexes", *TABLE_LIFE_KEYS)


def _contract(reader: _Reader, tables: dict[str, Any], digest: str) -> Contract:
    reader.only(tables, "", TOP_KEYS)
    table = reader.take(tables, "", "table", dict, {})
    reader.only(table, "table.", TABLE_KEYS)
    message = reader.take(tables, "", "message", dict, {})
    if "key" not in table:
        reader.note("table.key", "is missing; list the columns that identify a reading")
    columns = reader.take(tables, "", "columns", dict, {})
    topic = reader.require(tables, "", "topic")
    reader.topic_places = TopicFilter.parse(topic).places
    parts = read_parts(reader, tables)
    on_conflict: OnConflict = reader.choose(
        table, "table.", "on_conflict", OnConflict, "keep_first"
    )
    return Contract(
        name=reader.require(tables, "", "name"),
        description=reader.take(tables, "", "description", str, ""),
        topic=topic,
        schema=reader.take(table, "table.", "schema", str, "telemetry"),
        table=reader.require(table, "table.", "name"),
        key=tuple(reader.texts(table, "table.", "key")),
        on_conflict=on_conflict,
        greatest=reader.take(table, "table.", "greatest", str, "") or None,
        **read_table_life(reader, table),
        indexes=_indexes(reader, table),
        **read_message(reader, message),
        columns=tuple(_column(reader, name, value, parts) for name, value in columns.items()),
        parts=tuple(parts.values()),
        checks=_checks(reader, reader.take(tables, "", "checks", dict, {}), on_conflict),
        analytics=read_analytics(reader, reader.take(tables, "", "analytics", dict, {})),
        digest=digest,
    )


def _indexes(reader: _Reader, table: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    value = reader.take(table, "table.", "indexes", list, [])
    sound = all(isinstance(columns, list) and columns for columns in value)
    if not sound or not all(isinstance(name, str) for columns in value for name in columns):
        reader.note("table.indexes", f"{value!r} is not valid; write lists, as in [['ts']]")
        return ()
    return tuple(tuple(columns) for columns in value)


COLUMN_KEYS = (
    "type",
    "from",
    "constant",
    "required",
    "on_invalid",
    "missing",
    "range",
    "max_length",
    "formats",
    "timezone",
    "unit",
    *VALUE_KEYS,
    "description",
)


def _column(reader: _Reader, name: str, table: Any, parts: dict[str, TextParts]) -> Column:
    before = len(reader.problems)
    where = f"columns.{name}."
    if not isinstance(table, dict):
        reader.note(f"columns.{name}", f"{table!r} is not a column; write [columns.{name}]")
        table = {"type": "text"}
    reader.only(table, where, COLUMN_KEYS)
    if "type" not in table:
        reader.note(f"{where}type", f"is missing; use one of {', '.join(get_args(ColumnType))}")
    column_type: ColumnType = reader.choose(table, where, "type", ColumnType, "text")
    column = Column(
        name=name,
        type=column_type,
        sources=_sources(reader, where, table, (name, column_type), parts),
        required=reader.take(table, where, "required", bool, False),
        on_invalid=reader.choose(table, where, "on_invalid", OnInvalid, "reject"),
        missing=_missing(reader, where, table),
        range=_range(reader, where, table),
        max_length=reader.take(table, where, "max_length", int, 0)
        if "max_length" in table
        else None,
        formats=_formats(reader, where, table),
        timezone=reader.take(table, where, "timezone", str, "UTC"),
        unit=reader.take(table, where, "unit", str, "") or None,
        **value_keys(reader, where, table, parts),
        description=reader.take(table, where, "description", str, ""),
    )
    problems = [*reader.problems[before:], *_not_for_this_type(where, table, column_type)]
    reader.problems[before:] = problems
    if problems:
        reader.broken.add(name)
    return column


def _not_for_this_type(where: str, table: dict[str, Any], column_type: str) -> list[Problem]:
    return [
        Problem(f"{where}{key}", f"does not apply to a {column_type}; it is for {', '.join(types)}")
        for key, types in ONLY_FOR.items()
        if key in table and column_type not in types
    ]


def _sources(
    reader: _Reader,
    where: str,
    table: dict[str, Any],
    named: tuple[str, str],
    parts: dict[str, TextParts],
) -> tuple[Source, ...]:
    """The sources of the column of that name and type."""
    name, column_type = named
    texts = reader.texts(table, where, "from") or ([] if "constant" in table else [name])
    sources = [
        replace(source, form="json") if column_type == "jsonb" else source
        for _, source in read_sources(reader, f"{where}from", texts, parts)
    ]
    if "constant" in table:
        sources.append(Source("constant", (_constant(reader, where, table["constant"]),)))
    return tuple(sources)


def _constant(reader: _Reader, where: str, value: Any) -> str:
    """A constant as the raw text that a device would have sent."""
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) in (str, int, float) and _finite(value):
        return str(value)
    reader.note(f"{where}constant", f"{value!r} is not valid here; write a text, number or true")
    return ""


def _missing(reader: _Reader, where: str, table: dict[str, Any]) -> tuple[Marker, ...]:
    markers = []
    for value in reader.take(table, where, "missing", list, [""]):
        if type(value) in (str, int, float, bool) and _finite(value):
            markers.append(value)
        else:
            reader.note(f"{where}missing", f"{value!r} can't be a marker; use texts, numbers, true")
    return tuple(markers)


def _range(reader: _Reader, where: str, table: dict[str, Any]) -> tuple[float | None, float | None]:
    """Limits; TOML has no null, so an open end is written ``-inf`` or ``inf``."""
    if "range" not in table:
        return (None, None)
    value = table["range"]
    pair = isinstance(value, list) and len(value) == 2
    if not pair or not all(_finite(end) if type(end) is int else _is_limit(end) for end in value):
        reader.note(f"{where}range", f"{value!r} is not a range; write [least, most], inf for open")
        return (None, None)
    low, high = value
    if low > high:
        reader.note(f"{where}range", f"[{low}, {high}] is reversed; write [{high}, {low}]")
    return (None if low == -math.inf else low, None if high == math.inf else high)


def _is_limit(value: Any) -> bool:
    return type(value) is float and not math.isnan(value)


def _formats(reader: _Reader, where: str, table: dict[str, Any]) -> tuple[str, ...]:
    if "formats" not in table:
        return ("iso8601",)
    known = get_args(TimestampFormat)
    formats = reader.texts(table, where, "formats")
    for name in formats:
        if name not in known and "%" not in name:
            wanted = ", ".join(known)
            reader.note(
                f"{where}formats",
                f"{name!r} is not a format; use some of {wanted}, or a pattern such as '%Y-%m-%d'",
            )
    patterns = [name for name in dict.fromkeys(formats) if name not in known]
    return (*(name for name in known if name in formats), *patterns)


CHECK_KEYS = (
    "max_reject_share",
    "warn_reject_share",
    "max_duplicate_share",
    "conflict_share_warn",
    "conflict_share",
    "completeness",
    "max_age_minutes",
    "volume",
    "drift",
    "min_readings",
)


def _volume(reader: _Reader, table: dict[str, Any]) -> tuple[float, float] | None:
    value = table.get("volume")
    if value is None:
        return None
    pair = isinstance(value, list) and len(value) == 2
    if not pair or any(type(end) not in (int, float) or not _finite(end) for end in value):
        reader.note(
            "checks.volume", f"{value!r} is not valid; write [least, most], as in [0.1, 10]"
        )
        return None
    return (float(value[0]), float(value[1]))


def _checks(reader: _Reader, table: dict[str, Any], on_conflict: str) -> Checks:
    plain = Checks()
    if on_conflict != "keep_first":  # other values for a key are what such a contract expects
        plain = replace(plain, conflict_share_warn=1.0, conflict_share=1.0)
    shares = ("max_reject_share", "warn_reject_share", "max_duplicate_share")
    reader.only(table, "checks.", CHECK_KEYS)
    completeness = reader.take(table, "checks.", "completeness", dict, {})
    drift = reader.take(table, "checks.", "drift", dict, {})
    return Checks(
        max_reject_share=reader.take(table, "checks.", shares[0], float, plain.max_reject_share),
        warn_reject_share=reader.take(table, "checks.", shares[1], float, plain.warn_reject_share),
        max_duplicate_share=reader.take(
            table, "checks.", shares[2], float, plain.max_duplicate_share
        ),
        conflict_share_warn=reader.take(
            table, "checks.", "conflict_share_warn", float, plain.conflict_share_warn
        ),
        conflict_share=reader.take(table, "checks.", "conflict_share", float, plain.conflict_share),
        completeness={
            name: reader.take(completeness, "checks.completeness.", name, float, 0.0)
            for name in completeness
        },
        max_age_minutes=reader.take(table, "checks.", "max_age_minutes", float, 0.0)
        if "max_age_minutes" in table
        else None,
        volume=_volume(reader, table),
        drift={name: reader.take(drift, "checks.drift.", name, float, 0.25) for name in drift},
        min_readings=reader.take(table, "checks.", "min_readings", int, plain.min_readings),
    )
