"""The result of transforming a raw object, and the check that two results are equal."""

from __future__ import annotations

import gzip
import io
import json
from dataclasses import dataclass
from typing import Any

import polars as pl

__all__ = ["SCHEMA", "DisagreementError", "Transformed", "must_agree"]

SCHEMA: dict[str, Any] = {
    "device_id": pl.String,
    "ts": pl.String,
    "seq": pl.Int64,
    "temperature_c": pl.Float64,
    "humidity_pct": pl.Float64,
    "pressure_hpa": pl.Float64,
    "battery_v": pl.Float64,
    "charging": pl.String,
    "status": pl.String,
    "firmware": pl.String,
    "received_at": pl.String,
}
"""Columns of the fleet's contract, for reading them back from CSV."""
TIMES = ("ts", "received_at")


class DisagreementError(AssertionError):
    """Raised when a peer's result differs from ours, which makes its time meaningless."""


@dataclass(frozen=True)
class Transformed:
    """Rows as CSV in key order, rejects as gzip-compressed JSON lines, the count of duplicates."""

    csv: bytes
    rejects: bytes
    duplicates: int

    def rows(self) -> pl.DataFrame:
        """The rows with typed columns."""
        frame = pl.read_csv(io.BytesIO(self.csv), has_header=False, schema=SCHEMA)
        moments = [
            pl.col(name).str.replace(" ", "T").str.to_datetime(time_zone="UTC", time_unit="us")
            for name in TIMES
        ]
        return frame.with_columns(
            *moments, charging=pl.col("charging").str.to_lowercase().str.head(1) == "t"
        )

    def reasons(self) -> list[tuple[str, int, tuple[str, ...]]]:
        """Message, index (-1 where it has none) and reasons of every reject."""
        lines = [json.loads(line) for line in gzip.decompress(self.rejects).splitlines()]
        return sorted(
            (
                line["message_id"],
                -1 if line["index"] is None else line["index"],
                tuple(line["reasons"]),
            )
            for line in lines
        )


def must_agree(name: str, theirs: Transformed, ours: Transformed) -> None:
    """Raises :class:`DisagreementError` if rows, rejects or duplicates differ."""
    if theirs.duplicates != ours.duplicates:
        raise DisagreementError(
            f"{name}: {theirs.duplicates} duplicates, ours are {ours.duplicates}"
        )
    if theirs.reasons() != ours.reasons():
        differ = sorted(set(theirs.reasons()) ^ set(ours.reasons()))
        raise DisagreementError(f"{name}: {len(differ)} rejects differ, such as {differ[:3]}")
    mine, others = ours.rows(), theirs.rows()
    if not mine.equals(others):
        raise DisagreementError(
            f"{name}: {others.height} rows, ours are {mine.height}; or they differ"
        )
