"""Local times of a named zone as instants, many at once, by the zones of :mod:`telemetry.zones`.

polars could convert them, but by rules of its own, which are older: a reading would be hours off in
the zones that have changed theirs since.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from telemetry.zones import LocalPeriod, local_periods

__all__ = ["Instants", "read_local_times"]

SECOND = 10**6
FEW_YEARS = 8
"""Span of years that is taken whole: finding out which of them occur would take longer."""


class Instants(NamedTuple):
    """Instants of local times, in microseconds since 1970 UTC."""

    first: pl.Series
    """The only instant, or the earlier one of a local time that came twice. A local time that never
    came is taken as if the clock had not been set forward, as PostgreSQL takes it."""
    second: pl.Series | None = None
    """The later instant of a local time that came twice, null for others; ``None``: no such one."""
    nonexistent: pl.Series | None = None
    """True for local times that never came; ``None``: no such one."""


def read_local_times(local: pl.Series, zone: str) -> Instants:
    """Instants of local times in microseconds as if they were UTC, of the years 1 to 9999, or null.

    Raises ``KeyError`` for an unknown zone.
    """
    if local.null_count() == local.len():
        return Instants(local)
    periods = _periods(local, zone)
    starts = pl.Series([period.start * SECOND for period in periods], dtype=pl.Int64)
    place = starts.search_sorted(local.fill_null(starts[0]), side="right") - 1
    before, after = (_at(place, [p[field] * SECOND for p in periods]) for field in (1, 2))
    first = local - before
    if before.equals(after):
        return Instants(first)
    known = local.is_not_null()
    twice, never = (before > after) & known, (before < after) & known
    second = (local - after).zip_with(twice, local.clear(local.len())) if twice.any() else None
    return Instants(first, second, never if never.any() else None)


def _periods(local: pl.Series, zone: str) -> list[LocalPeriod]:
    """The periods of the years in which the local times are."""
    ends = pl.Series([local.min(), local.max()], dtype=pl.Int64)
    first, last = ends.cast(pl.Datetime("us")).dt.year()
    years = range(first, last + 1)
    if len(years) > FEW_YEARS:
        found = local.cast(pl.Datetime("us")).dt.year().unique().drop_nulls().sort().to_list()
        return [period for year in found for period in local_periods(zone, year)]
    return [period for year in years for period in local_periods(zone, year)]


def _at(place: pl.Series, values: list[int]) -> pl.Series:
    return pl.Series(values, dtype=pl.Int64).gather(place)
