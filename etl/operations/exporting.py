"""Exports the rows of a contract's table as CSV or Parquet, all of them or what was written since.

One snapshot of one ``REPEATABLE READ`` transaction, as the analyst, who may only read. Lines of a
COPY go to the file chunk by chunk: memory does not depend on the number of rows. The order is: the
file is complete and in its place, then the cursor is written. What ends an export before that
leaves the cursor as it was, and the next export has the same rows again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from etl.operations.contract_choice import named_contract
from etl.operations.copy_out import Chunk, copy_out
from etl.operations.export_cursor import (
    ExportCursor,
    parse_cursor,
    read_cursor_file,
    read_position,
    write_cursor_file,
)
from etl.operations.export_destination import Destination, DestinationError
from etl.operations.export_query import (
    SPARE_COLUMN,
    Selection,
    copy_statement,
    frame_schema,
)
from telemetry.contract.model import Column, Contract
from telemetry.errors import UserError

if TYPE_CHECKING:
    import polars as pl
    from psycopg2.extensions import connection as Connection

    from etl.aws.target import Target

__all__ = ["Export", "ExportError", "Exported", "export_rows", "write_rows"]

Notify = Callable[[int, int], None]
"""Called with the rows and the bytes of text that have arrived so far."""
GROUP_ROWS = 100_000
"""Most rows of a row group; fewer where a row is long."""
LEAST_GROUP_ROWS = 500

SESSION = (
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL extra_float_digits = 1",  # the shortest digits that are exactly the number
    "SET LOCAL statement_timeout = 0",  # the analyst's is two minutes
    "SET LOCAL idle_in_transaction_session_timeout = 0",
)


class ExportError(UserError):
    """Raised where a row can't be written in the format."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """One request: the rows to export, and their destination."""

    destination: Destination
    selection: Selection = field(default_factory=Selection)
    contract: str | None = None
    """``None``: the pipeline's first one."""
    after: str | None = None
    """Text of the cursor of an earlier export; only rows written since are exported."""
    cursor_file: Path | None = None
    """File with that cursor, in whose place the new one is put; it may not exist yet."""

    def read_after(self) -> ExportCursor | None:
        """The cursor to go on from; ``None``: all rows. Raises ``CursorError``."""
        if self.after is not None:
            return parse_cursor(self.after)
        return None if self.cursor_file is None else read_cursor_file(self.cursor_file)


@dataclass(frozen=True)
class Exported:
    """The result of an export."""

    contract: str
    rows: int
    cursor: ExportCursor
    incremental: bool
    """False where all rows of the selection were exported."""

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for ``--json``."""
        return {
            "contract": self.contract,
            "rows": self.rows,
            "incremental": self.incremental,
            "cursor": str(self.cursor),
        }


def export_rows(
    target: Target, export: Export, notify: Notify = lambda _rows, _bytes: None
) -> Exported:
    """Write the rows to their destination, then the cursor to its file.

    Raises :class:`ExportError`, ``SelectionError``, ``CursorError``, ``DestinationError`` and
    ``ContractError``; then there is no new file, and the cursor is the former one.
    """
    contract = named_contract(target, export.contract)
    after, destination = export.read_after(), export.destination
    destination.check(target)
    _check_cursor_file(export)
    with closing(_connect(target)) as connection:
        with destination.open(target) as out:
            found = write_rows(connection, contract, export, after, out, notify)
        if export.cursor_file is not None:
            write_cursor_file(export.cursor_file, found.cursor)
    return found


def _check_cursor_file(export: Export) -> None:
    """Notice before the rows are read that the cursor could not be written after them."""
    file = export.cursor_file
    if file is None:
        return
    if not file.parent.is_dir():
        raise DestinationError(f"There is no folder {file.parent} for the cursor.")
    if file.resolve() == Path(export.destination.name).resolve():
        raise DestinationError("The cursor needs a file of its own, beside the rows.")


def _connect(target: Target) -> Connection:
    import psycopg2

    settings: dict[str, Any] = target.database_settings("analyst")
    connection: Connection = psycopg2.connect(
        application_name="etl export", keepalives_idle=30, **settings
    )
    return connection


def write_rows(
    connection: Connection,
    contract: Contract,
    export: Export,
    after: ExportCursor | None,
    out: IO[bytes],
    notify: Notify = lambda _rows, _bytes: None,
) -> Exported:
    """Write the rows of a new snapshot to a binary file, as :func:`export_rows` does."""
    import psycopg2

    selection, form = export.selection, export.destination.form
    columns = selection.columns_of(contract)
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    with connection.cursor() as cursor:
        for setting in SESSION:
            cursor.execute(setting)
        position = read_position(cursor, contract, selection.digest)
    changed = [] if after is None else [position.changed_since(after)]
    statement = copy_statement(contract, selection, form, changed)
    try:
        with copy_out(connection, statement) as chunks:
            counted = _counted(chunks, notify, header=form == "csv")
            if form == "csv":
                rows = _write_csv(counted, out)
            else:
                rows = _write_parquet(counted, columns, out)
    except (psycopg2.DataError, psycopg2.NotSupportedError) as error:
        raise ExportError(
            f"A value can't be exported as {form}: {str(error).splitlines()[0]}"
        ) from error
    connection.rollback()
    return Exported(contract.name, rows, position.cursor, after is not None)


@dataclass
class _Counted:
    """Chunks, and the rows in those that were taken."""

    chunks: Iterator[Chunk]
    rows: int


def _counted(chunks: Iterator[Chunk], notify: Notify, *, header: bool) -> _Counted:
    found = _Counted(iter(()), -1 if header else 0)

    def count() -> Iterator[Chunk]:
        size = 0
        for chunk in chunks:
            found.rows += chunk.lines
            size += len(chunk.body)
            notify(found.rows, size)
            yield chunk

    found.chunks = count()
    return found


def _write_csv(counted: _Counted, out: IO[bytes]) -> int:
    for chunk in counted.chunks:
        out.write(chunk.body)
    return counted.rows


def _write_parquet(counted: _Counted, columns: Sequence[Column], out: IO[bytes]) -> int:
    """Writes row groups as the chunks arrive, by polars' streaming engine."""
    import polars as pl
    from polars.io.plugins import register_io_source

    schema = frame_schema(columns)
    first = next(counted.chunks, Chunk(b"", 0))
    per_group = min(GROUP_ROWS, max(LEAST_GROUP_ROWS, 2 * first.lines)) if first.lines else 1
    failed: list[BaseException] = []

    def frames(*_options: Any) -> Iterator[pl.DataFrame]:
        try:
            yield _frame(first, columns)
            for chunk in counted.chunks:
                yield _frame(chunk, columns)
        except BaseException as error:
            failed.append(error)  # polars would wrap it
            raise

    try:
        source = register_io_source(frames, schema=schema)
        source.sink_parquet(out, row_group_size=per_group, engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise (_named(failed[0]) if failed else _named(error)) from error
    return counted.rows


def _named(error: BaseException) -> BaseException:
    import polars as pl

    if not isinstance(error, pl.exceptions.PolarsError):
        return error
    return ExportError(
        f"The table holds a value that its contract does not allow: {str(error).splitlines()[0]} "
        "As CSV it can be exported."
    )


def _frame(chunk: Chunk, columns: Sequence[Column]) -> pl.DataFrame:
    """The rows of a chunk; times arrive as microseconds since 1970."""
    import polars as pl

    schema = frame_schema(columns)
    spelled: dict[str, Any] = {
        column.name: pl.Int64 if column.type == "timestamp" else schema[column.name]
        for column in columns
    }
    if len(columns) == 1:
        spelled[SPARE_COLUMN] = pl.Int8
    if not chunk.body:
        return pl.DataFrame(schema=schema)
    frame = pl.read_csv(chunk.body, has_header=False, schema=spelled)
    return frame.select(pl.col(name).cast(kind) for name, kind in schema.items())
