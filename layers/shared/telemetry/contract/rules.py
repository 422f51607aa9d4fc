"""Rules on a contract beyond its structure: one small function per rule.

Each rule takes the contract (or one column of it) and yields a :class:`Problem` per breach, whose
sentence says what is wrong and what to write instead. Limits are PostgreSQL 16's
(https://www.postgresql.org/docs/16/limits.html, read 2026-07).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from telemetry.contract.analytics import ANALYTICS_RULES
from telemetry.contract.column_rules import COLUMN_RULES
from telemetry.contract.composed import composed_sources, sources_of
from telemetry.contract.formats import FORMAT_RULES
from telemetry.contract.model import Column, Contract
from telemetry.contract.packing import PACKING_RULES
from telemetry.contract.problems import Problem
from telemetry.contract.table_life import TABLE_LIFE_RULES
from telemetry.contract.topic_rules import TOPIC_RULES
from telemetry.contract.value_rules import NAMED_VALUE_RULES, conditions_can_hold
from telemetry.layout import PARTITION

__all__ = ["Problem", "broken_rules"]

MAX_IDENTIFIER_BYTES = 63
MAX_COLUMNS = 1600
MAX_KEY_COLUMNS = 32
MAX_KEY_CHARACTERS = 600
"""Text in a key, all columns together: a B-tree entry holds ~2,700 bytes, a character up to 4."""
RESERVED_SCHEMAS = ("etl", "information_schema")
SYSTEM_COLUMNS = ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")
ORDERED_TYPES = ("smallint", "integer", "bigint", "real", "float", "decimal", "timestamp")
NUMERIC_TYPES = ("smallint", "integer", "bigint", "real", "float", "decimal")

_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]*\Z")
_NAME = re.compile(r"[a-z][a-z0-9-]*(_[a-z0-9-]+)*\Z")


def broken_rules(contract: Contract, *, skip: frozenset[str] = frozenset()) -> Iterator[Problem]:
    """All problems; those of the columns in ``skip`` have been reported already."""
    for rule in CONTRACT_RULES:
        for problem in rule(contract):
            if skip and problem.key.startswith("parts."):
                continue  # one of those columns may take them
            if not any(problem.key.startswith(f"columns.{name}.") for name in skip):
                yield problem
    for column in contract.columns:
        if column.name not in skip:
            problems = [problem for rule in COLUMN_RULES for problem in rule(column)]
            if not problems:  # its constant and its limits are judged by valid keys
                problems = [problem for rule in NAMED_VALUE_RULES for problem in rule(column)]
            yield from problems


def _identifier(key: str, name: str) -> Iterator[Problem]:
    if not name:
        return  # its absence is complained about by the reader
    if not _IDENTIFIER.match(name):
        yield Problem(
            key, f"{name!r} is not a plain SQL name; use a-z, 0-9 and _, not starting with a digit"
        )
    elif len(name) > MAX_IDENTIFIER_BYTES:
        yield Problem(
            key, f"{name!r} is {len(name)} bytes long; PostgreSQL keeps {MAX_IDENTIFIER_BYTES}"
        )


def name_fits_resources(contract: Contract) -> Iterator[Problem]:
    """The name becomes part of file and resource names."""
    if contract.name and (not _NAME.match(contract.name) or len(contract.name) > 40):
        yield Problem(
            "name", f"{contract.name!r} can't name resources; use up to 40 of a-z, 0-9, _ and -"
        )


def table_has_a_sound_name(contract: Contract) -> Iterator[Problem]:
    """Table and schema are plain names, and the schema is ours to fill."""
    yield from _identifier("table.name", contract.table)
    yield from _identifier("table.schema", contract.schema)
    if contract.schema in RESERVED_SCHEMAS or contract.schema.startswith("pg_"):
        yield Problem(
            "table.schema", f"{contract.schema!r} is reserved; use another, say telemetry"
        )


def columns_fit_a_table(contract: Contract) -> Iterator[Problem]:
    """There is at least one column and no more than a table holds."""
    if not contract.columns:
        yield Problem("columns", "there are none; add [columns.<name>] for each")
    elif len(contract.columns) > MAX_COLUMNS:
        yield Problem(
            "columns", f"{len(contract.columns)} are more than the {MAX_COLUMNS} a table holds"
        )


def columns_have_sound_names(contract: Contract) -> Iterator[Problem]:
    """Column names are plain and not PostgreSQL's own."""
    for column in contract.columns:
        yield from _identifier(f"columns.{column.name}", column.name)
        if column.name in SYSTEM_COLUMNS:
            yield Problem(f"columns.{column.name}", "is reserved by PostgreSQL; rename it")
        elif column.name.lower() == PARTITION:
            yield Problem(
                f"columns.{column.name}",
                "is the name of the Parquet files' partition, the day of staging; rename it",
            )


def key_is_made_of_required_columns(contract: Contract) -> Iterator[Problem]:
    """Each key column exists once, is required, and compares exactly."""
    columns = {column.name: column for column in contract.columns}
    for name in dict.fromkeys(contract.key):
        if name not in columns:
            yield Problem("table.key", f"{name!r} is not a column; add [columns.{name}]")
        elif not columns[name].required:
            yield Problem(f"columns.{name}.required", "is in the key; write required = true")
        elif columns[name].type in ("real", "float", "jsonb"):
            kind = columns[name].type
            yield Problem(
                f"columns.{name}.type", f"a {kind} can't be in the key; use bigint or text"
            )
        elif columns[name].on_too_long == "truncate":
            yield Problem(f"columns.{name}.on_too_long", "would merge different keys; remove it")
    if len(set(contract.key)) < len(contract.key):
        yield Problem("table.key", "names a column twice; name each once")
    if len(contract.key) > MAX_KEY_COLUMNS:
        yield Problem("table.key", f"has more than the {MAX_KEY_COLUMNS} columns an index holds")


def time_is_last_in_the_key(contract: Contract) -> Iterator[Problem]:
    """Load compares with the newest time per device: the time comes after what names the device.

    Other timestamps before it, such as when a forecast was made, are part of what names it.
    """
    types = {column.name: column.type for column in contract.columns}
    times = [name for name in contract.key if types.get(name) == "timestamp"]
    if times and times[-1] != contract.key[-1]:
        yield Problem("table.key", f"{times[-1]!r} is a timestamp; put it last")


def key_texts_fit_an_index(contract: Contract) -> Iterator[Problem]:
    """An index entry that is too long would make PostgreSQL refuse the whole batch."""
    texts = [c for c in contract.columns if c.name in contract.key and c.type == "text"]
    for column in texts:
        if column.max_length is None:
            yield Problem(
                f"columns.{column.name}.max_length", "a text in the key needs one; say 128"
            )
    total = sum(column.max_length or 0 for column in texts)
    total += sum(
        max((len(value) for value, _ in column.values), default=0)
        for column in contract.columns
        if column.name in contract.key
    )
    if total > MAX_KEY_CHARACTERS:
        yield Problem(
            "table.key", f"its texts may take {total} characters; keep to {MAX_KEY_CHARACTERS}"
        )


def greatest_can_be_compared(contract: Contract) -> Iterator[Problem]:
    """Its values are in one order, here and in the database: texts are not, by their collation."""
    name = contract.greatest
    if (contract.on_conflict == "keep_greatest") != (name is not None):
        yield Problem(
            "table.greatest", "needs on_conflict = 'keep_greatest'; write both or neither"
        )
    if name is None:
        return
    types = {column.name: column.type for column in contract.columns}
    if name not in types:
        yield Problem("table.greatest", f"{name!r} is not a column; add [columns.{name}]")
    elif types[name] not in ORDERED_TYPES:
        yield Problem(
            "table.greatest",
            f"{name!r} is a {types[name]}; use a column of {', '.join(ORDERED_TYPES)}",
        )
    if name in contract.key:
        yield Problem("table.greatest", f"{name!r} is in the key, so it never differs")


def indexes_are_of_columns(contract: Contract) -> Iterator[Problem]:
    """An index names columns of the table, each once, and is not the key's over again."""
    names = {column.name for column in contract.columns}
    for columns in dict.fromkeys(contract.indexes):
        for name in columns:
            if name not in names:
                yield Problem("table.indexes", f"{name!r} is not a column; add [columns.{name}]")
        if len(set(columns)) < len(columns) or contract.indexes.count(columns) > 1:
            yield Problem("table.indexes", f"{list(columns)} is listed twice; name each once")
        if columns == contract.key[: len(columns)]:
            yield Problem("table.indexes", f"{list(columns)} is how the key begins; remove it")
        if len(columns) > MAX_KEY_COLUMNS:
            yield Problem("table.indexes", f"has more than {MAX_KEY_COLUMNS} columns")


def columns_read_different_things(contract: Contract) -> Iterator[Problem]:
    """Two columns with the same sources that differ only in their names are one column copied."""
    seen: dict[Column, str] = {}
    for column in contract.columns:
        bare = replace(column, name="", description="")
        first = seen.setdefault(bare, column.name)
        if first != column.name:
            yield Problem(
                f"columns.{column.name}.from",
                f"is the same as {first}'s, and so is all else; remove one",
            )


def parents_are_there(contract: Contract) -> Iterator[Problem]:
    """``$parent`` is an object around an array, of which there are several in a message."""
    for column in contract.columns:
        if contract.parents is None and any(s.scope == "parent" for s in sources_of(column)):
            yield Problem(
                f"columns.{column.name}.from",
                "$parent is not known here; write two levels, as in readings = 'nodes[].sensors'",
            )


def places_are_there(contract: Contract) -> Iterator[Problem]:
    """``$key`` is of a keyed object, ``$metric`` of a melted reading, ``$value`` of either."""
    places = {"metric": contract.melt is not None, "key": contract.shape == "keyed"}
    places["value"] = any(places.values())
    for column in contract.columns:
        for source in sources_of(column):
            name = str(source.path[0])
            if source.scope == "place" and not places[name]:
                wanted = "shape = 'keyed'" if name == "key" else "melt = [...]"
                yield Problem(
                    f"columns.{column.name}.from",
                    f"${name} is not known here; add {wanted} to [message]",
                )


def parts_are_taken(contract: Contract) -> Iterator[Problem]:
    """Parts that no column takes are a slip."""
    taken = {
        source.path[0]
        for column in contract.columns
        for source in composed_sources(column)
        if source.scope == "part"
    }
    for parts in contract.parts:
        if parts.name not in taken:
            yield Problem(
                f"parts.{parts.name}",
                f"is not used; take from = '$parts.{parts.name}...', or remove it",
            )


def checks_are_shares(contract: Contract) -> Iterator[Problem]:
    """Shares are between 0 and 1, and the warning comes before the quarantine."""
    checks = contract.checks
    names = {column.name for column in contract.columns}
    shares = {
        "max_reject_share": checks.max_reject_share,
        "warn_reject_share": checks.warn_reject_share,
        "max_duplicate_share": checks.max_duplicate_share,
        "conflict_share_warn": checks.conflict_share_warn,
        "conflict_share": checks.conflict_share,
        **{f"completeness.{name}": share for name, share in checks.completeness.items()},
    }
    for key, share in shares.items():
        if not 0 <= share <= 1:
            yield Problem(f"checks.{key}", f"{share} is not a share; write a number from 0 to 1")
    for name in checks.completeness:
        if name not in names:
            yield Problem(f"checks.completeness.{name}", f"{name!r} is not a column")
    numeric = {column.name for column in contract.columns if column.type in NUMERIC_TYPES}
    for name, most in checks.drift.items():
        if name not in numeric:
            yield Problem(f"checks.drift.{name}", f"{name!r} is not a column of numbers")
        if not most > 0:
            yield Problem(f"checks.drift.{name}", f"{most} is not an index; write one such as 0.25")
    if checks.volume is not None and not 0 <= checks.volume[0] <= 1 <= checks.volume[1]:
        yield Problem("checks.volume", "the usual volume is 1; write a range such as [0.1, 10]")
    if checks.max_age_minutes is not None and not checks.max_age_minutes > 0:
        yield Problem("checks.max_age_minutes", "is not an age; write minutes such as 120")
    if checks.min_readings < 0:
        yield Problem("checks.min_readings", f"{checks.min_readings} is negative; write 0 or more")


CONTRACT_RULES: tuple[Callable[[Contract], Iterator[Problem]], ...] = (
    name_fits_resources,
    *TOPIC_RULES,
    table_has_a_sound_name,
    columns_fit_a_table,
    columns_have_sound_names,
    key_is_made_of_required_columns,
    time_is_last_in_the_key,
    key_texts_fit_an_index,
    greatest_can_be_compared,
    indexes_are_of_columns,
    columns_read_different_things,
    parents_are_there,
    places_are_there,
    parts_are_taken,
    checks_are_shares,
    conditions_can_hold,
    *TABLE_LIFE_RULES,
    *FORMAT_RULES,
    *PACKING_RULES,
    *ANALYTICS_RULES,
)
