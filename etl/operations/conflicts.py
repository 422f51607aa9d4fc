"""Finds the readings that lost against a row of the table, as the devices sent them.

``etl.conflicts`` has the values of what lost, not the bytes: these are in the raw objects. So the
raw object of a conflict is read again as Transform reads it, and PostgreSQL finds the reading with
the values of the conflict. The former values of a row that was replaced came with another batch,
which is searched among those whose times meet.

Under ``fill_missing`` a reading that lost may have been made of several in its batch, and a row of
several in any batch. Then all readings of the key come back whose values are among those of the
conflict; one that contradicts them is a conflict of its own.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etl.aws.target import Target
from etl.operations.batches import Batch, batches_of
from etl.operations.contract_choice import chosen_contracts, has_several
from etl.operations.device_names import DeviceNames
from etl.operations.rejects import Reject, parse_lines
from telemetry.contract.model import STAMPED_AT_ARRIVAL, Contract
from telemetry.ddl import CONFLICTS, LEDGER, qualified, quote_name, quote_text
from telemetry.layout import parse_raw_key

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

    from functions.transform.clean_batch import CleanBatch

__all__ = ["ConflictCount", "conflicting_batches", "count_conflicts", "read_conflicts"]

READINGS = '"conflict readings"'
WANTED = '"conflict wanted"'
OnUnreadable = Callable[[str], None]


@dataclass(frozen=True)
class ConflictCount:
    """Number of conflicts of one batch."""

    batch_id: str
    raw_key: str
    readings: int
    """Readings that lost against a row."""
    rows: int
    """Former values of rows that a reading of the batch replaced."""
    contract: str
    """Name of the contract whose table they are conflicts with."""


def count_conflicts(
    target: Target, most: int = 1000, contract: str | None = None
) -> list[ConflictCount]:
    """The batches with conflicts with a table, those with the most first.

    ``contract``: its name; without it, those of all contracts of the pipeline.
    """
    names = [one.name for one in chosen_contracts(target, contract)]
    with closing(target.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT batch_id, raw_key, count(*) FILTER (WHERE lost = 'reading'), "  # noqa: S608
            f"count(*) FILTER (WHERE lost = 'row'), contract FROM {CONFLICTS} "
            "WHERE contract = ANY(%s) GROUP BY 1, 2, contract ORDER BY count(*) DESC, 1 LIMIT %s",
            (names, most),
        )
        return [ConflictCount(*row) for row in cursor.fetchall()]


def conflicting_batches(target: Target, contract: str | None = None) -> list[Batch]:
    """The batches that a corrected contract must load again, so that no conflict is left out.

    ``contract``: its name; without it, those of all contracts of the pipeline.
    """
    keys: set[str] = set()
    with closing(target.connect()) as connection, connection.cursor() as cursor:
        for one in chosen_contracts(target, contract):
            _prepare(cursor, one)
            cursor.execute(
                f"SELECT raw_key FROM {WANTED} UNION SELECT l.raw_key FROM {LEDGER} AS l "  # noqa: S608
                f"WHERE l.status = 'loaded' AND {_of_contract(target, one)}{_may_hold(one)}"
            )
            keys |= {key for (key,) in cursor.fetchall()}
            connection.rollback()
    return batches_of(target, sorted(keys))


def _of_contract(target: Target, contract: Contract) -> str:
    """Condition on a ledger row ``l`` that its batch is the contract's, where there are several."""
    return f"l.contract = {quote_text(contract.name)} AND " if has_several(target) else ""


def read_conflicts(
    target: Target,
    *,
    batches: tuple[str, ...] = (),
    contract: str | None = None,
    unreadable: OnUnreadable = lambda _: None,
) -> Iterator[Reject]:
    """The readings that lost, verbatim; all, or those of these batches, or of the named contract.

    They are in the order of raw keys, those of one contract after those of another.

    ``unreadable`` gets a sentence for each raw object that can't be read, and the number of
    conflicts whose reading was not found.
    """
    for one in chosen_contracts(target, contract):
        found = _conflicts_of(target, one, batches, unreadable)
        named = has_several(target)
        yield from (replace(f, contract=one.name) for f in found) if named else found


def _conflicts_of(
    target: Target, contract: Contract, batches: tuple[str, ...], unreadable: OnUnreadable
) -> Iterator[Reject]:
    with closing(target.connect()) as connection, connection.cursor() as cursor:
        _prepare(cursor, contract, batches)
        # Of their own batches first: the others are the former values of rows.
        own = f"SELECT raw_key FROM {WANTED} GROUP BY 1"  # noqa: S608 - a constant
        cursor.execute(f'{own} ORDER BY raw_key COLLATE "C"')
        searched = [key for (key,) in cursor.fetchall()]
        for key in searched:
            yield from _found_in(target, cursor, contract, key, unreadable)
        for key in _other_batches(target, cursor, contract):
            if contract.on_conflict != "fill_missing" or key not in searched:
                yield from _found_in(target, cursor, contract, key, unreadable)
        cursor.execute(f"SELECT count(*) FROM {WANTED} WHERE NOT found")  # noqa: S608
        [(left,)] = cursor.fetchall()
        connection.rollback()
    if left:
        unreadable(
            f"The readings of {left:,} conflicts were not found in the raw objects with this "
            "contract; their values are in etl.conflicts."
        )


def _prepare(cursor: Cursor, contract: Contract, batches: tuple[str, ...] = ()) -> None:
    columns = ", ".join(quote_name(column.name) for column in contract.columns)
    only = "AND batch_id = ANY(%(batches)s)" if batches else ""
    cursor.execute(
        f"CREATE TEMP TABLE {READINGS} AS SELECT {columns}, "  # noqa: S608 - quoted names
        f'0::bigint AS " m", 0::bigint AS " i" FROM {qualified(contract)} LIMIT 0; '
        f"CREATE TEMP TABLE {WANTED} AS SELECT batch_id, raw_key, lost, key, reading, digest, "
        "ARRAY(SELECT jsonb_object_keys(key) ORDER BY 1) AS names, false AS found "
        f"FROM {CONFLICTS} WHERE contract = %(contract)s {only}",
        {"contract": contract.name, "batches": list(batches)},
    )


def _other_batches(target: Target, cursor: Cursor, contract: Contract) -> list[str]:
    cursor.execute(
        f"SELECT l.raw_key FROM {LEDGER} AS l WHERE l.status = 'loaded' "  # noqa: S608
        f"AND {_of_contract(target, contract)}{_may_hold(contract)} "
        'ORDER BY l.raw_key COLLATE "C"'
    )
    return [key for (key,) in cursor.fetchall()]


def _may_hold(contract: Contract) -> str:
    """Condition on a ledger row ``l``: the former values of a row may have come with its batch."""
    *_, last = contract.key
    time = f"(w.key ->> {quote_text(last)})"
    if contract.column(last).type != "timestamp":
        within = "true"
    else:
        within = (
            f"(l.min_time IS NULL OR {time} IS NULL OR "
            f"{time}::timestamptz BETWEEN l.min_time AND l.max_time)"
        )
    return f"EXISTS (SELECT FROM {WANTED} AS w WHERE w.lost = 'row' AND {within})"


def _found_in(
    target: Target, cursor: Cursor, contract: Contract, key: str, unreadable: OnUnreadable
) -> Iterator[Reject]:
    """The conflicts whose readings are in this raw object."""
    from functions.transform.clean_batch import CleanBatch
    from functions.transform.clean_batch import Reject as Place
    from functions.transform.rejects import rejected_lines

    read = _readings_of(target, cursor, contract, key, unreadable)
    raw = parse_raw_key(key)
    if read is None or raw is None:
        return
    if contract.on_conflict == "fill_missing":
        places = _merged_places(cursor, contract, key)
    else:
        places = _places(cursor, contract)
    if not places:
        return
    found = [Place(m, None if index < 0 else index, ("conflict",)) for m, index in places]
    lines = rejected_lines(CleanBatch(read.messages, read.rows, rejects=found), contract)
    names = DeviceNames(contract)
    yield from parse_lines(raw.date, raw.batch_id, io.BytesIO(lines), names)


def _readings_of(
    target: Target, cursor: Cursor, contract: Contract, key: str, unreadable: OnUnreadable
) -> CleanBatch | None:
    """The messages of a raw object; its readings are in the temporary table afterwards."""
    import polars as pl

    from functions.transform.clean import placed_readings
    from functions.transform.clean_batch import ORDER, PLACE
    from functions.transform.copy import copy_csv

    s3 = target.client("s3")
    try:
        body = s3.get_object(Bucket=target.bucket, Key=key)["Body"].read()
        batch, readings = placed_readings(gzip.decompress(body), contract)
    except s3.exceptions.NoSuchKey:
        unreadable(f"{key} is missing: restore an older version of the object.")
        return None
    except (OSError, EOFError, zlib.error) as error:
        unreadable(f"{key} can't be read to its end: {error}")
        return None
    names = [column.name for column in contract.columns]
    rows = readings.select(
        *names, pl.col(ORDER).cast(pl.Int64), pl.col(PLACE).cast(pl.Int64).fill_null(-1)
    )
    listed = ", ".join(quote_name(name) for name in (*names, " m", " i"))
    cursor.execute(f"TRUNCATE {READINGS}")
    copy = f"COPY {READINGS} ({listed}) FROM STDIN (FORMAT csv)"
    cursor.copy_expert(copy, io.BytesIO(copy_csv(rows)))
    return batch


def _places(cursor: Cursor, contract: Contract) -> list[tuple[int, int]]:
    """Message and index of each conflict that is among the readings; it is wanted no longer.

    A conflict of an older contract is compared by the columns that this contract has as well.
    """
    found: list[tuple[int, int]] = []
    for names, same_key in _same_keys(cursor, contract):
        cursor.execute(
            "WITH matched AS (SELECT DISTINCT ON (w.batch_id, w.lost, w.digest) "  # noqa: S608
            f'w.batch_id, w.lost, w.digest, s." m", s." i" FROM {WANTED} AS w '
            f"JOIN {READINGS} AS s ON {same_key} "
            "WHERE w.names = %(names)s AND (SELECT bool_and(to_jsonb(s) -> e.key = e.value) "
            "FROM jsonb_each(w.reading) AS e WHERE to_jsonb(s) ? e.key) "
            'ORDER BY w.batch_id, w.lost, w.digest, s." m", s." i"), '
            f"resolved AS (DELETE FROM {WANTED} AS w USING matched AS f "
            "WHERE (w.batch_id, w.lost, w.digest) = (f.batch_id, f.lost, f.digest)) "
            'SELECT DISTINCT " m", " i" FROM matched ORDER BY 1, 2',
            {"names": names},
        )
        found += cursor.fetchall()
    return sorted(set(found))


def _merged_places(cursor: Cursor, contract: Contract, raw_key: str) -> list[tuple[int, int]]:
    """Message and index of each reading whose values are among those of a conflict.

    Such a conflict stays wanted: others of its readings may be in other batches.
    """
    stamped = [c.name for c in contract.columns if c.sources[:1] in STAMPED_AT_ARRIVAL]
    found: set[tuple[int, int]] = set()
    for names, same_key in _same_keys(cursor, contract):
        cursor.execute(
            "WITH matched AS (SELECT w.batch_id, w.lost, w.digest, "  # noqa: S608 - quoted names
            f's." m", s." i" FROM {WANTED} AS w JOIN {READINGS} AS s ON {same_key} '
            "WHERE w.names = %(names)s AND (w.lost = 'row' OR w.raw_key = %(raw_key)s) "
            "AND (SELECT bool_and(to_jsonb(s) -> e.key IN (e.value, 'null')) "
            "FROM jsonb_each(w.reading) AS e "
            "WHERE to_jsonb(s) ? e.key AND e.key <> ALL (%(stamped)s))), "
            f"resolved AS (UPDATE {WANTED} AS w SET found = true FROM matched AS f "
            "WHERE (w.batch_id, w.lost, w.digest) = (f.batch_id, f.lost, f.digest)) "
            'SELECT DISTINCT " m", " i" FROM matched',
            {"names": names, "raw_key": raw_key, "stamped": stamped},
        )
        found.update(cursor.fetchall())
    return sorted(found)


def _same_keys(cursor: Cursor, contract: Contract) -> Iterator[tuple[list[str], str]]:
    """The keys that conflicts have, by their columns, and the condition that a reading ``s`` has
    the key of such a conflict ``w``."""
    known = {column.name for column in contract.columns}
    cursor.execute(f"SELECT DISTINCT names FROM {WANTED}")  # noqa: S608 - a constant
    for (names,) in cursor.fetchall():
        shared = [name for name in names if name in known]
        key = ", ".join(f"{quote_text(name)}, s.{quote_name(name)}" for name in shared)
        wanted = "w.key" + "".join(f" - {quote_text(n)}" for n in names if n not in known)
        yield names, f"{wanted} = jsonb_build_object({key})"
