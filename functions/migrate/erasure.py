"""Deletes the rows and the conflicts of one device, and corrects the ledger of its batches.

The loader's role can't delete; the migrate function connects as the owner. A request (an *erasure*)
is many calls: each works for the time it has, in transactions that are complete in themselves, and
the caller repeats it until nothing is left. Done twice, the second time changes nothing.

Rows deleted are counted in ``etl.erasures`` in the transaction that deletes them, so that rows in
the table and rows inserted by the ledger still agree.
"""

# ruff: noqa: S608 - the statements are made of quoted names and literals

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from telemetry.contract import Contract
from telemetry.database import database_errors
from telemetry.ddl import (
    BATCH_LOCKS,
    BATCH_SLOTS,
    CONFLICTS,
    ERASURES,
    LEDGER,
    qualified,
    quote_name,
    quote_text,
)
from telemetry.ddl.analytics import SETTING, levels_of, service_name
from telemetry.errors import ConfigurationError

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

__all__ = ["Erasure", "erase", "parse_erasure"]

ROWS_AT_ONCE = 50_000
"""Rows that one transaction deletes: a second's work, in which few loads wait."""
LOCK_SECONDS = 30
COUNTS = ("accepted", "duplicates", "conflicts", "rejected", "set_aside", "forgotten")

_LOCK = f"SELECT FROM {BATCH_LOCKS} WHERE slot = hashtext(%s) & {BATCH_SLOTS - 1} FOR UPDATE"
_SETTLE = f"""
UPDATE {LEDGER} AS l SET read = n.read, {", ".join(f"{name} = n.{name}" for name in COUNTS)},
    rejected_by = n.rejected_by, min_time = n.min_time, max_time = n.max_time,
    first_received_at = n.first_received_at, last_received_at = n.last_received_at,
    inserted = n.inserted, updated = n.updated, conflicts_in_table = n.lost,
    unchanged = CASE WHEN l.status = 'loaded' THEN n.accepted - n.lost - n.inserted - n.updated
        ELSE 0 END,
    inserted_before = l.inserted_before + l.inserted - n.inserted
FROM (
    SELECT o.*, least(o.was_inserted, o.left_over) AS inserted,
        least(o.was_updated, o.left_over - least(o.was_inserted, o.left_over)) AS updated
    FROM (
        SELECT l.inserted AS was_inserted, l.updated AS was_updated,
            least(greatest(l.conflicts_in_table - %(deleted)s, 0), %(accepted)s) AS lost,
            %(accepted)s - least(greatest(l.conflicts_in_table - %(deleted)s, 0), %(accepted)s)
                AS left_over,
            %(read)s::bigint AS read,
            {", ".join(f"%({name})s::bigint AS {name}" for name in COUNTS)},
            %(rejected_by)s::jsonb AS rejected_by,
            %(min_time)s::timestamptz AS min_time, %(max_time)s::timestamptz AS max_time,
            %(first_received_at)s::timestamptz AS first_received_at,
            %(last_received_at)s::timestamptz AS last_received_at
        FROM {LEDGER} AS l WHERE l.batch_id = %(batch_id)s
    ) AS o
) AS n WHERE l.batch_id = %(batch_id)s AND l.contract_digest = %(contract_digest)s"""
"""Only where the report is of the load that the row counts; else the row stays as it is. Of the
readings left, as many were inserted as before, if so many are left: each row that this batch
inserted and that was deleted since counts under ``inserted_before``."""


@dataclass(frozen=True)
class Erasure:
    """One call: the batches whose counts have changed, then the device's rows."""

    request: str
    device: str
    batches: Sequence[Mapping[str, Any]] = field(default=())
    """Counts of each batch's report, with its ``batch_id``."""


def parse_erasure(given: Any) -> Erasure:
    """The erasure of an event. Raises :class:`ConfigurationError` where it is none."""
    try:
        return Erasure(str(given["request"]), str(given["device"]), tuple(given.get("batches", ())))
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"The event describes no erasure: {error!r}.") from error


def erase(
    connection: Connection, contract: Contract, erasure: Erasure, seconds: float
) -> dict[str, Any]:
    """Erases for so many seconds at most.

    Result: ``rows``, those that the request has deleted so far; ``conflicts``, those that this call
    deleted; ``left``, true where rows are left.
    """
    deadline = time.monotonic() + seconds
    column, conflicts = device_column(contract), 0
    with database_errors():
        with connection, connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {ERASURES} (request, contract) VALUES (%s, %s) "
                "ON CONFLICT DO NOTHING",
                (erasure.request, contract.name),
            )
        for batch in erasure.batches:
            conflicts += _settle(connection, contract, column, erasure.device, batch)
        conflicts += _delete_conflicts(connection, contract, column, erasure.device)
        left = True
        while left and time.monotonic() < deadline:
            left = _delete_rows(connection, contract, column, erasure)
        with connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT rows FROM {ERASURES} WHERE request = %s", (erasure.request,))
            [(rows,)] = cursor.fetchall()
    return {"rows": int(rows), "conflicts": conflicts, "left": left}


def device_column(contract: Contract) -> str:
    """The column of the key that names the device.

    Raises :class:`ConfigurationError` where there is none.
    """
    if contract.device_column is None:
        raise ConfigurationError(f"The key of the contract {contract.name} names no device.")
    return contract.device_column


def _prepare(cursor: Cursor) -> None:
    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")


def _settle(
    connection: Connection, contract: Contract, column: str, device: str, batch: Mapping[str, Any]
) -> int:
    """Corrects the ledger's row of a batch, which no load of it changes meanwhile; returns how many
    of its conflicts were deleted."""
    batch_id = batch["batch_id"]
    with connection, connection.cursor() as cursor:
        _prepare(cursor)
        cursor.execute(_LOCK, (batch_id,))
        cursor.execute(
            f"DELETE FROM {CONFLICTS} WHERE contract = %s AND batch_id = %s "
            f"AND key ->> {quote_text(column)} = %s RETURNING lost",
            (contract.name, batch_id, device),
        )
        lost = [kind for (kind,) in cursor.fetchall()]
        values = {
            **batch,
            "rejected_by": json.dumps(batch["rejected_by"]),
            "deleted": lost.count("reading"),
        }
        cursor.execute(_SETTLE, values)
    return len(lost)


def _delete_conflicts(connection: Connection, contract: Contract, column: str, device: str) -> int:
    """Deletes the device's conflicts that came with other batches, whose raw object has expired."""
    with connection, connection.cursor() as cursor:
        _prepare(cursor)
        cursor.execute(
            f"DELETE FROM {CONFLICTS} WHERE contract = %s AND key ->> {quote_text(column)} = %s",
            (contract.name, device),
        )
        return int(cursor.rowcount)


def _delete_rows(connection: Connection, contract: Contract, column: str, erasure: Erasure) -> bool:
    """Deletes the oldest rows of the device; returns true where some are left."""
    table, name = qualified(contract), f"{quote_name(column)}::text"
    last_of_key = contract.column(contract.key[-1])
    time_column = last_of_key.name if last_of_key.type == "timestamp" else None
    is_text = contract.column(column).type == "text"
    own = f"{quote_name(column) if is_text else name} = %(device)s"
    until, values = "", {"device": erasure.device, "request": erasure.request}
    with connection, connection.cursor() as cursor:
        _prepare(cursor)
        if time_column is not None:
            moment = quote_name(time_column)
            cursor.execute(
                f"SELECT {moment}::text FROM {table} WHERE {own} ORDER BY {moment} "
                f"OFFSET {ROWS_AT_ONCE} LIMIT 1",
                values,
            )
            last = cursor.fetchone()
            if last is not None:
                until, values["until"] = f" AND {moment} <= %(until)s::timestamptz", last[0]
        _mark(cursor, contract, own + until, values)
        cursor.execute(f"DELETE FROM {table} WHERE {own}{until}", values)
        values["rows"] = str(cursor.rowcount)
        cursor.execute(
            f"UPDATE {ERASURES} SET rows = rows + %(rows)s::bigint WHERE request = %(request)s",
            values,
        )
    return bool(until)


def _mark(cursor: Cursor, contract: Contract, where: str, values: Mapping[str, Any]) -> None:
    """Marks the spans of the rows for a refresh of the rollups, before they are deleted.

    Without it the table's trigger would mark everything.
    """
    if not levels_of(contract):
        return
    cursor.execute("SELECT to_regproc(%s) IS NOT NULL", (service_name(contract, "mark_groups"),))
    [(exists,)] = cursor.fetchall()
    if not exists:
        return
    cursor.execute("SELECT set_config(%s, %s, true)", (SETTING, qualified(contract)))
    series = [quote_name(name) for name in contract.key[:-1]]
    moment = quote_name(contract.key[-1])
    arrays = ", ".join(f"array_agg({one})" for one in (*series, "a", "b", "n"))
    texts = ", ".join(f"{one}::text AS {one}" for one in series)
    cursor.execute(
        f"SELECT {service_name(contract, 'mark_groups')}({arrays}) FROM ("
        f"SELECT {texts}, min({moment}) AS a, max({moment}) AS b, count(*) AS n "
        f"FROM {qualified(contract)} WHERE {where} GROUP BY {', '.join(series)}) AS g",
        values,
    )
