"""Local times of every zone, around all that its clocks were set, against ``fold`` of ``datetime``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from functions.transform.local_times import read_local_times
from functions.transform.values import read_timestamp
from telemetry import zones
from telemetry.contract import Column, Source

EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)
NAMES = sorted(zones.zone_names())
NEAR = [timedelta(0), -MICROSECOND, timedelta(minutes=29)]


def by_fold(local: datetime, name: str) -> tuple[datetime, datetime | None, bool]:
    """The first instant, the second where there are two, and whether the time never came."""
    rules = zones.zone(name)
    first, second = (local.replace(tzinfo=rules, fold=n).astimezone(UTC) for n in (0, 1))
    came = first.astimezone(rules).replace(tzinfo=None) == local
    return first, second if came and first != second else None, not came


def changes(name: str, year: int) -> list[datetime]:
    """Local times at which a period of the year starts."""
    return [EPOCH + timedelta(seconds=p.start) for p in zones.local_periods(name, year)]


def check(name: str, local: list[datetime]) -> None:
    micros = [(each - EPOCH) // MICROSECOND for each in local]
    found = read_local_times(pl.Series(micros, dtype=pl.Int64), name)
    nothing = [None] * len(local)
    second = nothing if found.second is None else _moments(found.second)
    never = [False] * len(local) if found.nonexistent is None else found.nonexistent.to_list()
    read = list(zip(_moments(found.first), second, never, strict=True))
    assert read == [by_fold(each, name) for each in local], name


def _moments(micros: pl.Series) -> list[datetime | None]:
    return micros.cast(pl.Datetime("us", "UTC")).to_list()


def check_changes(names: list[str]) -> None:
    for name in names:
        ends = [at for year in range(1970, 2038) for at in changes(name, year)]
        check(name, [at + near for at in ends for near in NEAR])


@pytest.mark.slow
def test_all_changes_of_all_zones_from_1970_to_2037() -> None:
    check_changes(NAMES)


def test_all_changes_of_some_zones_from_1970_to_2037() -> None:
    check_changes(NAMES[::16])


@given(
    st.sampled_from(NAMES),
    st.lists(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)), min_size=1, max_size=20),
)
@example("Africa/Monrovia", [datetime(1972, 1, 7, 0, 44, 29), datetime(1972, 1, 7, 0, 44, 30)])
@example("Europe/London", [datetime(9998, 10, 25, 1, 30), datetime(2, 1, 1)])
def test_any_local_times_of_any_zone(name: str, local: list[datetime]) -> None:
    check(name, local)


@st.composite
def arriving(draw: st.DrawFn) -> tuple[str, list[tuple[datetime, datetime | None]]]:
    """A zone and local times near a change of it, with the arrivals of their messages."""
    name = draw(st.sampled_from(NAMES))
    ends = changes(name, draw(st.integers(1970, 2037)))
    near = st.timedeltas(timedelta(hours=-3), timedelta(hours=3))
    times = []
    for _ in range(draw(st.integers(1, 12))):
        local = draw(st.sampled_from(ends)) + draw(near)
        rules = zones.zone(name)
        instant = local.replace(tzinfo=rules, fold=draw(st.integers(0, 1))).astimezone(UTC)
        late = st.timedeltas(timedelta(hours=-2), timedelta(hours=3)) | st.just(
            timedelta(minutes=-5)
        )
        times.append((local, draw(st.none() | late.map(instant.__add__))))
    return name, times


@given(
    arriving(),
    st.sampled_from(["by_arrival", "earliest", "latest", "reject"]),
    st.sampled_from(["reject", "shift"]),
)
def test_the_instant_of_two_is_chosen_as_documented(
    sent: tuple[str, list[tuple[datetime, datetime | None]]], ambiguous: str, nonexistent: str
) -> None:
    name, times = sent
    source = (Source("reading", ("ts",)),)
    column = Column(
        "ts", "timestamp", source, timezone=name, ambiguous=ambiguous, nonexistent=nonexistent
    )
    texts = pl.Series([local.isoformat() for local, _ in times])
    arrived = pl.Series([at for _, at in times], dtype=pl.Datetime("us", "UTC"))
    read = read_timestamp(texts, column, arrived)
    faults = {fault: mask.to_list() for fault, mask in read.faults.items()}
    for place, (local, at) in enumerate(times):
        reasons = [fault for fault, mask in faults.items() if mask[place]]
        found = reasons[0] if reasons else read.value[place]
        assert found == chosen(local, at, column), (local, at)


def chosen(local: datetime, arrived: datetime | None, column: Column) -> datetime | str:
    """The instant, or the fault."""
    first, second, never = by_fold(local, column.timezone)
    if never:
        return first if column.nonexistent == "shift" else "nonexistent_time"
    if second is None or column.ambiguous == "earliest":
        return first
    if column.ambiguous == "latest":
        return second
    if column.ambiguous == "reject" or arrived is None:
        return "ambiguous_time"
    return first if second - arrived > timedelta(minutes=5) else second
