"""Marks how far an export has come, so that the next one takes only the rows written since.

The rows of a table carry no batch, and the ledger's ``loaded_at`` is the time at which a load
*began*: a load that begins first may commit last, so a mark made of times skips rows. But
PostgreSQL stamps each row with the transaction that wrote it (``xmin``), whatever it was: a load, a
replay, an update, a repair, a statement by hand. So the mark is the *horizon* of the export's own
snapshot: the oldest transaction that was still running then. Every transaction below it had ended,
so the export has seen its rows; every row that it has not seen is of a transaction at or above it.

Transactions between the horizon and the snapshot that had ended are exported twice. They can't be
left out: a load writes within a savepoint, such rows are stamped with the number of the savepoint,
and a snapshot does not list the savepoints of running transactions, so it would take them for
ended.

``xmin`` has 32 bits and a cursor 64. A row's number is completed to the greatest one that is not
above the snapshot, which is never too small; so a row of four billion transactions ago may be
exported again, and none is skipped. Numbers mean nothing in another server or table, or in one that
was restored, so a cursor has those, too, and is refused there.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from telemetry.contract import Contract
from telemetry.ddl import qualified
from telemetry.errors import UserError

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

__all__ = [
    "CursorError",
    "ExportCursor",
    "Position",
    "parse_cursor",
    "read_cursor_file",
    "read_position",
    "write_cursor_file",
]

_FORM = re.compile(r"v1-(\d{1,20})-(\d{1,10})-(\d{1,10})-(\d{1,10})-(\d{1,20})-([0-9a-f]{12})")
_XMIN_MASK = 2**32 - 1
START_OVER = "Without a cursor all rows are exported, with a new cursor."

_POSITION = """
SELECT (SELECT system_identifier FROM pg_control_system()),
       (SELECT timeline_id FROM pg_control_checkpoint()),
       (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
       to_regclass(%s)::oid::bigint,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint"""


class CursorError(UserError):
    """Raised where a cursor can't be read, or is not of this table and this selection of rows."""


@dataclass(frozen=True)
class ExportCursor:
    """The position that an export has reached; ``etl export --after`` takes its text."""

    system: int
    """Identifier of the server's data, which a dump that is restored does not keep."""
    timeline: int
    """Changes where the server was restored to a moment, or a standby was promoted."""
    database: int
    table: int
    horizon: int
    """Oldest transaction that was running: rows of it and of later ones are exported next."""
    selection: str
    """Digest of the columns and conditions of the export."""

    def __str__(self) -> str:
        numbers = (self.system, self.timeline, self.database, self.table, self.horizon)
        return "-".join(("v1", *map(str, numbers), self.selection))


@dataclass(frozen=True)
class Position:
    """The cursor of the snapshot that an export reads, and the end of that snapshot."""

    cursor: ExportCursor
    end: int
    """The snapshot sees no transaction at or above this one."""

    def changed_since(self, after: ExportCursor) -> str:
        """The condition, in SQL, on rows that an earlier export may not have seen.

        Raises :class:`CursorError` where the cursor is of something else.
        """
        self._check(after)
        age = f"({self.end} - xmin::text::bigint) & {_XMIN_MASK}"
        return f"{self.end} - ({age}) >= {after.horizon}"

    def _check(self, after: ExportCursor) -> None:
        own = self.cursor
        reason = None
        if (after.system, after.database) != (own.system, own.database):
            reason = "it is of another database"
        elif after.table != own.table:
            reason = "it is of another table, or of one that was created again since"
        elif after.timeline != own.timeline or after.horizon > self.end:
            reason = "the database was restored, or a standby took over, since it was made"
        elif after.selection != own.selection:
            reason = (
                "it is of an export with other columns, devices or times; a relative time, "
                "such as 2d, is another one at each export"
            )
        if reason is not None:
            raise CursorError(f"This cursor can't be used: {reason}. {START_OVER}")


def read_position(cursor: Cursor, contract: Contract, selection: str) -> Position:
    """Read the position of the transaction's snapshot; it must be ``REPEATABLE READ``.

    ``selection``: 12 hex digits. Raises :class:`CursorError` where there is no table.
    """
    table = qualified(contract)
    cursor.execute(_POSITION, (table,))
    [(system, timeline, database, oid, horizon, end)] = cursor.fetchall()
    if oid is None:
        raise CursorError(f"There is no table {table}: `etl deploy` creates it.")
    # PostgreSQL shows the identifier, of 64 bits, with a sign.
    found = ExportCursor(system % 2**64, timeline, database, oid, horizon, selection)
    return Position(found, end)


def parse_cursor(text: str) -> ExportCursor:
    """Parse the text of a cursor. Raises :class:`CursorError`."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise CursorError(
            f"not a valid cursor: {text.strip()[:80]!r}. `etl export` prints one, with --json too."
        )
    system, timeline, database, table, horizon, selection = found.groups()
    return ExportCursor(
        int(system), int(timeline), int(database), int(table), int(horizon), selection
    )


def read_cursor_file(file: Path) -> ExportCursor | None:
    """The cursor in a file; ``None`` where there is no file. Raises :class:`CursorError`."""
    try:
        text = file.read_bytes()[:1000].decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    try:
        return parse_cursor(text)
    except CursorError as error:
        raise CursorError(f"{file}: {error}") from None


def write_cursor_file(file: Path, cursor: ExportCursor) -> None:
    """Put the cursor into a file, at once and for good: a crash leaves the former one."""
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8") as out:
            out.write(f"{cursor}\n")
            out.flush()
            os.fsync(out.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
