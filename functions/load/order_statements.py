"""The SQL that gathers the readings of one key, so that their arrival orders them. Pure.

Five temporary tables of the transaction, each with the key's columns:

===============  ===============================================================================
``staging``      the batch's readings whose key may exist (:mod:`functions.load.statements`)
``disputed``     keys whose row depends on which reading came first
``gathered``     the readings of those keys with their places: those of this batch (origin 0),
                 and of others, numbered from the one that was loaded last
``unavailable``  batches whose readings can't be gathered: their range of time, and of places
``settled``      the row that the policy makes of them, and what becomes of the existing one
                 (:mod:`functions.load.settled_statements`)
===============  ===============================================================================

The SQL calls the existing row ``present`` and the batch's own reading ``excluded``, as
``ON CONFLICT`` does. Names of our own columns begin with a space: no column of a contract's does.
"""

# ruff: noqa: S608 - the statements are made of quoted names; values come as parameters

from __future__ import annotations

from collections.abc import Sequence

from functions.load.sql_parts import (
    contradicts,
    differs,
    key_object,
    names_of,
    same_key,
)
from functions.load.statements import STAGING
from telemetry.contract import Contract
from telemetry.ddl import CONFLICTS, LEDGER, qualified, quote_name, quote_text, sql_type

__all__ = [
    "DISPUTED",
    "GATHERED",
    "LATER",
    "ORIGIN",
    "PLACE",
    "add_gathered",
    "any_disputed",
    "copy_gathered",
    "create_disputed",
    "create_gathered",
    "create_unavailable",
    "drop_undisputed",
    "gather_present",
    "gather_staged",
    "index_gathered",
    "later_batches",
    "time_of_key",
    "values_of",
]

DISPUTED = "pg_temp.disputed"
GATHERED = "pg_temp.gathered"
UNAVAILABLE = "pg_temp.unavailable"
PRESENT = (1 << 31) - 1
"""Origin of an existing row that counts as a reading."""
AFTER_ALL = "'\\x02'::bytea"
"""A place after that of any message, which begins with a byte of 0 or 1."""
ORIGIN, PLACE, LATER = '" origin"', '" place"', '" later"'


def time_of_key(contract: Contract) -> str | None:
    """The key's timestamp, whose range the ledger has for each batch; ``None`` without one."""
    times = [name for name in reversed(contract.key) if contract.column(name).type == "timestamp"]
    return times[0] if times else None


def later_batches(contract: Contract) -> str:
    """True if a loaded batch may hold a reading that came after the first one of this batch.

    Parameters: batch id, first arrival, least and greatest time of a reading (or null).
    """
    near = ""
    if time_of_key(contract) is not None:
        near = (
            " AND coalesce(max_time, 'infinity') >= coalesce(%s, '-infinity'::timestamptz)"
            " AND coalesce(min_time, '-infinity') <= coalesce(%s, 'infinity'::timestamptz)"
        )
    return (
        f"SELECT EXISTS (SELECT FROM {LEDGER} WHERE contract = {quote_text(contract.name)} "
        "AND status = 'loaded' AND accepted > 0 AND batch_id <> %s "
        f"AND last_received_at >= %s::timestamptz{near})"
    )


def any_disputed(contract: Contract, columns: Sequence[str], *, again: bool, refill: bool) -> str:
    """True if :func:`create_disputed` would find a key."""
    return f"SELECT EXISTS ({_disputes(contract, columns, again=again, refill=refill)})"


def create_disputed(
    contract: Contract, columns: Sequence[str], *, again: bool, refill: bool
) -> str:
    """Finds the staged keys whose row depends on which reading came first.

    ``again``: the batch was loaded before, so that the row may be a former version of its own
    reading; ``refill``: rows that are missing are found as well.
    """
    found = _disputes(contract, columns, again=again, refill=refill)
    time = time_of_key(contract)
    indexes = [f"CREATE UNIQUE INDEX ON {DISPUTED} ({names_of(contract.key)})"]
    if time is not None:
        indexes.append(f"CREATE INDEX ON {DISPUTED} ({quote_name(time)})")
    return (
        f"CREATE TEMPORARY TABLE disputed ON COMMIT DROP AS {found}; "
        f"{'; '.join(indexes)}; ANALYZE {DISPUTED}; SELECT count(*) FROM {DISPUTED}"
    )


def _disputes(contract: Contract, columns: Sequence[str], *, again: bool, refill: bool) -> str:
    values = values_of(contract, columns)
    row = ", ".join(f"t.{quote_name(name)}" for name in (contract.key[0], *values))
    condition = differs("present", "excluded", values) if again else _tied(contract, values)
    missing = f" OR present.{quote_name(contract.key[0])} IS NULL" if refill else ""
    join = "LEFT JOIN LATERAL" if refill else "CROSS JOIN LATERAL"
    # With LIMIT the planner can't turn it into a join, and so never scans a large table.
    return (
        f"SELECT {names_of(contract.key, 'excluded')} FROM {STAGING} AS excluded "
        f"{join} (SELECT {row} FROM {qualified(contract)} AS t "
        f"WHERE {same_key(contract, 't', 'excluded')} LIMIT 1) AS present"
        f"{' ON true' if refill else ''} WHERE {condition}{missing}"
    )


def _tied(contract: Contract, values: Sequence[str]) -> str:
    """Condition that the arrival decides between the existing row and the reading."""
    if contract.on_conflict == "fill_missing":  # no value contradicts none
        return contradicts("present", "excluded", values)
    other_values = differs("present", "excluded", values)
    if contract.on_conflict == "keep_greatest":
        greatest = quote_name(str(contract.greatest))
        return f"present.{greatest} IS NOT DISTINCT FROM excluded.{greatest} AND {other_values}"
    return other_values


def create_gathered(contract: Contract, columns: Sequence[str]) -> str:
    """The table of all readings of the disputed keys."""
    defined = ", ".join(f"{quote_name(name)} {sql_type(contract.column(name))}" for name in columns)
    return (
        f"CREATE TEMPORARY TABLE gathered ({ORIGIN} integer, {PLACE} bytea, {LATER} bytea[], "
        f"{defined}) ON COMMIT DROP"
    )


def add_gathered(columns: Sequence[str]) -> str:
    """Adds columns of another batch that this one doesn't have."""
    added = (f"ADD COLUMN IF NOT EXISTS {quote_name(name)} text" for name in columns)
    return f"ALTER TABLE {GATHERED} {', '.join(added)}"


def copy_gathered(columns: Sequence[str]) -> str:
    """COPY of the lines of a batch with these columns, and their places."""
    names = f"{ORIGIN}, {PLACE}, {LATER}, {names_of(columns)}"
    return f"COPY {GATHERED} ({names}) FROM STDIN WITH (FORMAT csv)"


def gather_staged(contract: Contract, columns: Sequence[str]) -> str:
    """Takes the batch's own readings from the staged ones. Parameter: the place of all of them."""
    return (
        f"INSERT INTO {GATHERED} ({ORIGIN}, {PLACE}, {names_of(columns)}) "
        f"SELECT 0, %s, {names_of(columns, 'excluded')} FROM {STAGING} AS excluded "
        f"JOIN {DISPUTED} AS d ON {same_key(contract, 'd', 'excluded')}"
    )


def drop_undisputed(contract: Contract) -> str:
    """Drops the readings of other keys. Parameter: their origin."""
    return (
        f"DELETE FROM {GATHERED} AS g WHERE {ORIGIN} = %s AND NOT EXISTS "
        f"(SELECT FROM {DISPUTED} AS d WHERE {same_key(contract, 'd', 'g')})"
    )


def index_gathered(contract: Contract) -> str:
    """Makes the readings of one key quick to find: else each key is a scan of all of them."""
    return f"CREATE INDEX ON {GATHERED} ({names_of(contract.key)}); ANALYZE {GATHERED}"


def create_unavailable() -> str:
    """The table of batches that can't be read. Parameters: arrays of their least and greatest times
    and of their first and last places."""
    return (
        "CREATE TEMPORARY TABLE unavailable ON COMMIT DROP AS SELECT * FROM "
        "unnest(%s::timestamptz[], %s::timestamptz[], %s::bytea[], %s::bytea[]) "
        "AS u (least, most, first, last)"
    )


def gather_present(contract: Contract, columns: Sequence[str], *, again: bool) -> str:
    """Takes the existing row for a reading of a batch that can't be read, where it may be one.

    That is where no batch that can be read explains it. Its place is one at which it stays if in
    doubt. ``again``: it may also be a former version of the batch's own reading, and is taken for
    that unless its key has had a conflict. Under ``fill_missing`` it may be of both without one:
    then it comes after all readings, fills what none of them has, and what it loses is kept.
    """
    values, time = values_of(contract, columns), time_of_key(contract)
    latest = contract.on_conflict == "keep_last"
    order = "u.last ORDER BY u.last DESC" if latest else "u.first ORDER BY u.first"
    near = "true"
    if time is not None:
        near = f"d.{quote_name(time)} BETWEEN u.least AND u.most"
    place, whose = "doubt.place", ""
    if again:
        key = key_object(contract, "d")
        contested = (
            f"EXISTS (SELECT FROM {CONFLICTS} AS c "
            f"WHERE c.contract = {quote_text(contract.name)} AND c.key = {key})"
        )
        if contract.on_conflict == "fill_missing":
            place = f"CASE WHEN {contested} THEN doubt.place ELSE {AFTER_ALL} END"
        else:
            whose = f" AND {contested}"
    return (
        f"INSERT INTO {GATHERED} ({ORIGIN}, {PLACE}, {names_of((*contract.key, *values))}) "
        f"SELECT {PRESENT}, {place}, {names_of(contract.key, 'd')}, "
        f"{names_of(values, 'present')} "
        f"FROM {DISPUTED} AS d CROSS JOIN LATERAL (SELECT {names_of(values, 't')} "
        f"FROM {qualified(contract)} AS t "
        f"WHERE {same_key(contract, 't', 'd')} LIMIT 1) AS present "
        f"CROSS JOIN LATERAL (SELECT (array_agg({order}))[1] AS place "
        f"FROM {UNAVAILABLE} AS u WHERE {near}) AS doubt "
        f"WHERE doubt.place IS NOT NULL AND NOT {_explained(contract, values, 'd')}{whose}; "
        f"ANALYZE {GATHERED}"
    )


def _explained(contract: Contract, values: Sequence[str], keys: str) -> str:
    """Condition that the existing row is what the gathered readings of other batches say."""
    others = f"FROM {GATHERED} AS g WHERE g.{ORIGIN} > 0 AND {same_key(contract, 'g', keys)}"
    if contract.on_conflict == "fill_missing":  # its values may be of several readings
        each = " AND ".join(
            f"(present.{n} IS NULL OR coalesce(bool_or(g.{n} = present.{n}), false))"
            for n in map(quote_name, values)
        )
        return f"(SELECT count(*) > 0 AND {each} {others})"
    return f"EXISTS (SELECT {others} AND NOT {differs('present', 'g', values)})"


def values_of(contract: Contract, columns: Sequence[str]) -> list[str]:
    """Return the columns that are not in the key."""
    return [name for name in columns if name not in contract.key]
