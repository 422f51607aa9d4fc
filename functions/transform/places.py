"""The tail of a COPY object: the places of its rows in the order of arrival."""

from __future__ import annotations

import polars as pl

from functions.transform.clean_batch import INDEX, MESSAGE, ROW, CleanBatch
from telemetry.checksums import Checksum
from telemetry.contract import Contract
from telemetry.places import write_places

__all__ = ["copy_tail"]


def copy_tail(batch: CleanBatch, lines: Checksum, contract: Contract) -> bytes:
    """The bytes that follow the lines, whose checksum is given; none where there are no rows."""
    if not batch.rows.height:
        return b""
    messages = batch.messages.select("received_at", "message_id").write_csv(include_header=False)
    later = batch.later_values.select("row", "column", "message", "index").get_columns()
    return write_places(
        lines,
        batch.rows.columns,
        contract.key,
        batch.rows.height,
        messages.encode(),
        [numbers.to_list() for numbers in _runs(batch.places)],
        [numbers.to_list() for numbers in later],
    )


def _runs(places: pl.DataFrame) -> list[pl.Series]:
    """Row, message and index of the first of each run of consecutive readings of one message."""
    goes_on = (pl.col(MESSAGE) == pl.col(MESSAGE).shift(1)) & (
        pl.col(INDEX) == pl.col(INDEX).shift(1) + 1
    )
    runs = places.with_row_index(ROW).filter(~goes_on.fill_null(value=False))
    return runs.select(ROW, MESSAGE, INDEX).get_columns()
