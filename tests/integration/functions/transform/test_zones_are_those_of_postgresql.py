"""PostgreSQL reads local times of a zone by the same rules, from 1970 to 2037.

PostgreSQL comes with a time zone database of its own, or uses its system's, which may be of an
earlier or later release than the ``tzdata`` package. What differs for that reason is listed here;
any other difference fails: then the zone's rules are wrong, or the list is out of date.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from telemetry import zones
from tests.fixtures.examples import MANY_EXAMPLES, SLOW_WITH_MANY
from tests.fixtures.telemetry_database import TelemetryDatabase

pytestmark = SLOW_WITH_MANY

START, END = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (1970, 2038))
STEP = (5 if MANY_EXAMPLES else 60) * zones.DAY
"""In no zone are clocks set twice within 6 days. Around each of our changes all is compared."""
FOR_GOOD = "2038-01-01"
CHANGED: dict[tuple[str, ...], tuple[str, str, str]] = {
    ("Africa/Casablanca", "Africa/El_Aaiun"): (
        "2026-09-20", FOR_GOOD, "From that day on clocks are no longer set around Ramadan (2026).",
    ),
    (
        "America/Edmonton", "America/Inuvik", "America/Yellowknife", "Canada/Mountain",
        "America/Winnipeg", "America/Rainy_River", "Canada/Central",
    ): ("2026-11-01", FOR_GOOD, "Clocks are not set back in autumn 2026, nor afterwards (2026)."),
    ("America/Havana", "Cuba"): (
        "2026-11-01", FOR_GOOD, "Clocks are not set back in autumn 2026, nor afterwards (2026).",
    ),
    ("America/Bogota",): ("1992-05-02", "1992-05-04", "Start of summer time corrected (2026)."),
    ("Asia/Tehran", "Iran"): ("1979-05-25", "1979-05-28", "Start of summer time corrected (2026)."),
}  # fmt: skip
"""Zones to the first day, the end, and what a later release says about the time between."""

OFFSETS = "SELECT s, extract(timezone FROM to_timestamp(s))::int FROM unnest(%s) AS s ORDER BY s"


def changes(name: str) -> Iterator[tuple[int, int]]:
    """Epoch second and offset, of the start and of each change."""
    at_start = zones.zone(name).utcoffset(datetime(1970, 1, 1))
    yield START, int(at_start.total_seconds())
    last = START
    for year in range(1970, 2038):
        for period in zones.local_periods(name, year):
            instant = period.start - min(period.before, period.after)
            # A change at the turn of a year is in the periods of both.
            if period.before != period.after and instant > last + zones.DAY:
                last = instant
                yield instant, period.after


def differences(cursor: Any, name: str) -> list[int]:
    """Epoch seconds at which PostgreSQL has another offset: on a grid, and around our changes."""
    ours = dict(changes(name))
    asked = {second for instant in ours for second in (instant - 1, instant)} - {START - 1}
    asked |= set(range(START, END, STEP))
    cursor.execute("SELECT set_config('TimeZone', %s, true)", [name])
    cursor.execute(OFFSETS, [sorted(asked)])
    east, found = 0, []
    for second, their_east in cursor:
        east = ours.get(second, east)
        if east != their_east:
            found.append(second)
    return found


def is_explained(name: str, second: int) -> bool:
    day = f"{zones.EPOCH + timedelta(seconds=second):%Y-%m-%d}"
    return any(name in names and first <= day < end for names, (first, end, _) in CHANGED.items())


def test_all_zones_have_the_same_offsets(empty_database: TelemetryDatabase) -> None:
    unexplained = {}
    with closing(empty_database.connect_owner()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_timezone_names")
        names = sorted({name for (name,) in cursor} & zones.zone_names())
        assert len(names) > 400
        for name in names:
            found = [s for s in differences(cursor, name) if not is_explained(name, s)]
            if found:
                unexplained[name] = f"{zones.EPOCH + timedelta(seconds=found[0])}"
    assert unexplained == {}, "zones, and the first time at which PostgreSQL has other rules"


def test_no_name_is_an_abbreviation_with_other_rules(empty_database: TelemetryDatabase) -> None:
    found = empty_database.query(
        "SELECT abbrev, extract(epoch FROM utc_offset) FROM pg_timezone_abbrevs"
    )
    for name, east in found:
        if name in zones.zone_names():
            assert {offset for _, offset in changes(name)} == {int(east)}, name
