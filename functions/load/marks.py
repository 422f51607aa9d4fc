"""Marks the spans of time that a batch wrote to, and refreshes what is marked, for the rollups.

The marks are in the transaction of the rows, so that there is no moment at which a rollup misses
them; :mod:`telemetry.ddl.analytics` tells how. The functions that are called here were made by the
migration. Where there are none yet, or none any more, nothing is done, and a trigger sees to it
that no rollup is believed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from functions.load.batch import Group
from telemetry.contract import Contract
from telemetry.database import database_errors
from telemetry.ddl import qualified
from telemetry.ddl.analytics import SETTING, levels_of, service_name
from telemetry.errors import TelemetryError
from telemetry.logs import log

__all__ = ["Marking", "refresh"]

REST_SECONDS = 60
"""Between two refreshes, whoever does them."""
MARKS_AT_ONCE = 1000
REFRESH_SECONDS = 5.0
"""That one load spends on a refresh at most, once its batch is loaded and accounted for."""


class Marking:
    """Of one load."""

    def __init__(self, cursor: Any, contract: Contract, groups: Sequence[Group]) -> None:
        """Says that this transaction marks what it writes, if it can: it knows where it writes, and
        the database has rollups."""
        self._cursor = cursor
        self._contract = contract
        self._groups = groups
        self._promised = False
        if levels_of(contract) and groups and all(g.max_time != "infinity" for g in groups):
            cursor.execute(
                "SELECT set_config(%s, %s, true) WHERE to_regproc(%s) IS NOT NULL",
                (SETTING, qualified(contract), service_name(contract, "mark")),
            )
            self._promised = bool(cursor.rowcount)

    def mark(self) -> None:
        """After the rows are in the table."""
        if not self._promised:
            return
        groups, width = self._groups, len(self._contract.key) - 1
        arrays: list[list[Any]] = [[group.key[i] for group in groups] for i in range(width)]
        arrays.append([group.min_time for group in groups])
        arrays.append([group.max_time for group in groups])
        arrays.append([group.rows for group in groups])
        kinds = ["text"] * width + ["timestamptz"] * 2 + ["bigint"]
        values = ", ".join(f"%s::{kind}[]" for kind in kinds)
        self._cursor.execute(f"SELECT {service_name(self._contract, 'mark')}({values})", arrays)


def refresh(connection: Any, contract: Contract, *, seconds: float = REFRESH_SECONDS) -> int:
    """Refreshes what is marked, if it is time to; how many marks were taken.

    Never raises what is wrong with the database: the batch is loaded, and rollups are right without
    it, only slower to read.
    """
    if not levels_of(contract):
        return 0
    name, deadline, taken = service_name(contract, "refresh"), time.monotonic() + seconds, 0
    try:
        with database_errors():
            rest = REST_SECONDS
            while (left := deadline - time.monotonic()) > 0:
                found = _refresh_some(connection, name, left, rest)
                if not found:
                    break
                taken, rest = taken + found, 0
    except TelemetryError as error:
        log.warning("Rollups were not refreshed; they are read from the rows", reason=str(error))
    return taken


def _refresh_some(connection: Any, name: str, seconds: float, rest: int) -> int:
    with connection, connection.cursor() as cursor:
        cursor.execute(
            f"SET LOCAL statement_timeout = {max(1, int(seconds * 1000))}; "
            "SET LOCAL lock_timeout = '1s'"
        )
        cursor.execute("SELECT to_regproc(%s) IS NOT NULL", (name,))
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(f"SELECT {name}(%s, make_interval(secs => %s))", (MARKS_AT_ONCE, rest))
        return int(cursor.fetchone()[0] or 0)
