"""Zones come from the package alone, by the names that its database has."""

from __future__ import annotations

import struct
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from telemetry import zones


@pytest.fixture
def system_zones(tmp_path: Path) -> Iterator[Path]:
    """A folder that stands for the system's database."""
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=[str(tmp_path)])
    zoneinfo.ZoneInfo.clear_cache()
    zones.zone.cache_clear()
    yield tmp_path
    zoneinfo.reset_tzpath(to=before)
    zoneinfo.ZoneInfo.clear_cache()
    zones.zone.cache_clear()


def test_the_systems_database_is_not_used(system_zones: Path) -> None:
    wrong = zones.files("tzdata").joinpath("zoneinfo", "Asia", "Tokyo").read_bytes()
    (system_zones / "Europe").mkdir()
    (system_zones / "Europe" / "London").write_bytes(wrong)
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert noon.astimezone(zoneinfo.ZoneInfo("Europe/London")).hour == 21
    assert noon.astimezone(zones.zone("Europe/London")).hour == 12


@pytest.mark.parametrize(
    "name", ["localtime", "posixrules", "Factory", "europe/london", "../x", ""]
)
def test_a_name_that_the_database_lacks_is_no_zone(name: str) -> None:
    assert name not in zones.zone_names()
    with pytest.raises(KeyError):
        zones.zone(name)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("europe/london", "Europe/London"), ("posix/Europe/Berlin", "Europe/Berlin"),
        ("right/UTC", "UTC"), ("Europe/Belrin", "Europe/Berlin"), ("localtime", None),
        ("Mars/Olympus", None),
    ],
)  # fmt: skip
def test_a_wrong_name_is_answered_with_the_right_one(name: str, meant: str | None) -> None:
    assert zones.similar_zone_name(name) == meant


@pytest.mark.parametrize("year", [1, 1900, 1970, 2026, 2100, 9999])
def test_periods_cover_a_year_from_its_start_in_order(year: int) -> None:
    start = (datetime(year, 1, 1, tzinfo=UTC) - zones.EPOCH).total_seconds()
    for name in zones.zone_names():
        starts = [period.start for period in zones.local_periods(name, year)]
        assert starts[0] == start
        assert starts == sorted(set(starts))


def changes_in_file(name: str) -> list[tuple[int, int, int]]:
    """Epoch second of each change of the offset that the zone's file lists, the offsets before and
    after it: see RFC 9636. The rule of the time after the last one is not read."""
    body = zones.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()

    def counts(at: int) -> tuple[int, ...]:
        return struct.unpack(">6l", body[at + 20 : at + 44])

    utc, standard, leap, times, types, letters = counts(0)
    at = 44 + times * 5 + types * 6 + letters + leap * 8 + standard + utc  # the block of 32 bits
    times, types = counts(at)[3:5]
    at += 44
    seconds = struct.unpack(f">{times}q", body[at : at + 8 * times])
    kinds = body[at + 8 * times : at + 9 * times]
    at += 9 * times
    offsets = [struct.unpack(">l", body[at + 6 * n : at + 6 * n + 4])[0] for n in range(types)]
    after = [offsets[kind] for kind in kinds]
    return [
        (second, old, new)
        for second, old, new in zip(seconds, [offsets[0], *after], after, strict=False)
        if old != new
    ]


def test_no_change_that_a_zones_file_lists_is_overlooked() -> None:
    for name in zones.zone_names():
        found = changes_in_file(name)
        for second, old, new in found:
            local = second + min(old, new)
            year = (zones.EPOCH + timedelta(seconds=local)).year
            assert zones.LocalPeriod(local, old, new) in zones.local_periods(name, year), name
        seconds = [second for second, _, _ in found]
        assert all(b - a > zones.STEP for a, b in pairwise(seconds)), name


def test_every_zone_can_be_read() -> None:
    assert len(zones.zone_names()) > 500
    assert all(zones.zone(name).key == name for name in zones.zone_names())
