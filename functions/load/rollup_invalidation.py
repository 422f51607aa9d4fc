"""Marks the ranges of time that a batch wrote to as dirty, and refreshes the rollups of those.

The marks are written in the transaction of the rows, so that a rollup never misses them;
:mod:`telemetry.ddl.analytics` says how. The SQL functions called here are created by the migration.
Where they don't exist, nothing is marked, and a trigger on the table invalidates all rollups.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from functions.load.batch import Group
from telemetry import metrics
from telemetry.contract import Contract
from telemetry.database import database_errors
from telemetry.ddl import qualified
from telemetry.ddl.analytics import SETTING, levels_of, service_name
from telemetry.errors import TelemetryError
from telemetry.logs import log

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

__all__ = ["RollupInvalidation", "array_of", "refresh", "spans_of"]

REST_SECONDS = 60
"""Least time between two refreshes, by any load."""
DIGITS = {"hourly": 13, "daily": 10}
"""Digits of a time that name its hour or day."""
SERIES_AT_ONCE = 5000
"""Most series that one transaction refreshes."""
REFRESH_SECONDS = 15.0
"""Most seconds that one load may spend refreshing rollups, after its batch is committed."""


class RollupInvalidation:
    """Marks the ranges of time that one load writes to."""

    def __init__(self, cursor: Cursor, contract: Contract, groups: Sequence[Group]) -> None:
        """Informs the table's trigger that this transaction marks its writes itself, if it can: the
        groups say where it writes, and the database has rollups."""
        self._cursor = cursor
        self._contract = contract
        self._groups = groups
        self._enabled = False
        if levels_of(contract) and groups and all(g.max_time != "infinity" for g in groups):
            cursor.execute(
                "SELECT set_config(%s, %s, true) WHERE to_regproc(%s) IS NOT NULL",
                (SETTING, qualified(contract), service_name(contract, "mark")),
            )
            self._enabled = bool(cursor.rowcount)

    def mark(self) -> None:
        """Marks the ranges; call it after the rows are in the table."""
        if not self._enabled:
            return
        spans, others = spans_of(self._groups, DIGITS[levels_of(self._contract)[0].name])
        width = len(self._contract.key) - 1
        calls, values = [], []
        for span, series in spans.items():
            calls.append(self._call("mark", ["text", *["text[]"] * width]))
            columns = zip(*series, strict=True) if width else ()
            values += [span, *(array_of(column) for column in columns)]
        if others:
            calls.append(
                self._call("mark_groups", [*["text[]"] * width, *["timestamptz[]"] * 2, "bigint[]"])
            )
            values += [array_of([group.key[i] for group in others]) for i in range(width)]
            values += [array_of([group.min_time for group in others])]
            values += [array_of([group.max_time for group in others])]
            values += [array_of([str(group.rows) for group in others])]
        self._cursor.execute(f"SELECT {', '.join(calls)}", values)

    def _call(self, part: str, kinds: Sequence[str]) -> str:
        places = ", ".join(f"%s::{kind}" for kind in kinds)
        return f"{service_name(self._contract, part)}({places})"


def spans_of(
    groups: Sequence[Group], digits: int
) -> tuple[dict[str, dict[tuple[str, ...], None]], list[Group]]:
    """Series by the hour or day that their rows are in, and the groups whose rows are in several.

    The first ``digits`` of a time, as the COPY object writes it, name its hour or day.
    """
    spans: dict[str, dict[tuple[str, ...], None]] = {}
    others = []
    for group in groups:
        span = group.min_time[:digits]
        if span == group.max_time[:digits] and span[4] == "-":  # no year of five digits
            spans.setdefault(span, {})[group.key] = None
        else:
            others.append(group)
    return spans, others


def array_of(values: Iterable[str]) -> str:
    """The texts as one array literal of PostgreSQL. psycopg2 would write an expression with each
    text, which takes the server longer to parse than the rows take to insert."""
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"


def refresh(connection: Connection, contract: Contract, *, seconds: float = REFRESH_SECONDS) -> int:
    """Refreshes dirty ranges if the last refresh is long enough ago; returns how many.

    Never raises an error of the database: the batch is loaded, and rollups are right without a
    refresh, only slower to read.
    """
    if not levels_of(contract):
        return 0
    name, deadline, total = service_name(contract, "refresh"), time.monotonic() + seconds, 0
    try:
        with database_errors():
            rest = REST_SECONDS
            while (left := deadline - time.monotonic()) > 0:
                refreshed = _refresh_some(connection, name, left, rest)
                if not refreshed:
                    break
                total, rest = total + refreshed, 0
    except TelemetryError as error:
        metrics.record("RollupRefreshesFailed", 1)
        log.warning(
            "Rollups were not refreshed; views read the dirty ranges from the rows",
            reason=str(error),
        )
    return total


def _refresh_some(connection: Connection, name: str, seconds: float, rest: int) -> int:
    with connection, connection.cursor() as cursor:
        cursor.execute(
            f"SET LOCAL statement_timeout = {max(1, int(seconds * 1000))}; "
            "SET LOCAL lock_timeout = '1s'"
        )
        cursor.execute("SELECT to_regproc(%s) IS NOT NULL", (name,))
        [(exists,)] = cursor.fetchall()
        if not exists:
            return 0
        cursor.execute(f"SELECT {name}(%s, make_interval(secs => %s))", (SERIES_AT_ONCE, rest))
        [(refreshed,)] = cursor.fetchall()
        return int(refreshed or 0)
