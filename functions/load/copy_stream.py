"""COPY from a stream, and the lines of a COPY object whose rows exist in a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from functions.load import statements
from functions.load.batch import Group
from functions.load.copy_filter import Block
from functions.load.source import Readable
from telemetry.contract import Contract

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

__all__ = ["copy_stream", "find_blocks"]

READ_BYTES = 1 << 18
"""Bytes of one read of the COPY stream; psycopg2's default, 8 KiB, costs a third of the speed."""


def copy_stream(cursor: Cursor, statement: str, stream: Readable) -> int:
    """Streams CSV into a table; returns the number of rows."""
    kept = _FailureKeepingStream(stream)
    try:
        # The stub also asks for readline, which COPY doesn't call.
        cursor.copy_expert(statement, kept, size=READ_BYTES)  # type: ignore[arg-type]
    except Exception as error:
        # psycopg2 reports a failed read as a cancelled query and drops the exception.
        if kept.failure is not None:
            raise kept.failure from error
        raise
    return int(cursor.rowcount)


class _FailureKeepingStream:
    """A stream that keeps the exception that ended a read."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.failure: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(size)
        except Exception as error:
            self.failure = error
            raise


def find_blocks(
    cursor: Cursor, contract: Contract, groups: Sequence[Group], table: str | None = None
) -> list[Block]:
    """The groups, with the times of existing rows within their range.

    ``table``: another table with the contract's key, qualified and quoted, than the contract's.
    """
    if not groups:
        return []
    width = len(contract.key) - 1
    arrays: list[list[Any]] = [[group.key[i] for group in groups] for i in range(width)]
    arrays.append([group.min_time for group in groups])
    arrays.append([group.max_time for group in groups])
    arrays.append([group.rows for group in groups])
    cursor.execute(statements.existing_times(contract, table), arrays)
    found = {place: times.encode().split() for place, times in cursor.fetchall()}
    blocks = []
    for place, group in enumerate(groups, 1):
        times = found.get(place, [])
        few = len(times) <= group.rows * statements.TIMES_PER_ROW
        blocks.append(Block(group.range, frozenset(times) if few else None))
    return blocks
