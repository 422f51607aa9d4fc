"""Local times without an offset: by the zone's present rules, twice in autumn, never in spring."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.transform.clean import clean
from functions.transform.clean_batch import CleanBatch
from functions.transform.report import describe
from telemetry import zones
from telemetry.contract import Contract
from tests.unit.functions.transform.envelopes_for import contract_of, line

LONDON = "type = 'timestamp'\ntimezone = 'Europe/London'\nrequired = true"
EARLIER, LATER = (
    datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
    datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
)
SPRING = "2026-03-29T01:30:00"
AUTUMN = "2026-10-25T01:30:00"


def contract_with(column: str) -> Contract:
    return contract_of(f"[columns.ts]\n{column}", table='key = ["id", "ts"]')


def sent(text: str, arrived: datetime | None, number: int = 1) -> bytes:
    millis = None if arrived is None else int(arrived.timestamp() * 1000)
    return line({"id": 1, "ts": text}, number, received_at=millis)


def cleaned(contract: Contract, *lines: bytes) -> CleanBatch:
    """The same either way of reading."""
    fast, slow = (clean(b"\n".join(lines), contract, bulk=bulk) for bulk in (True, False))
    assert fast.rows.equals(slow.rows)
    assert (fast.rejects, fast.conflicts) == (slow.rejects, slow.conflicts)
    return fast


def outcome(column: str, text: str, arrived: datetime | None) -> Any:
    """The instant, or the reason."""
    batch = cleaned(contract_with(column), sent(text, arrived))
    return batch.rejects[0].reasons[0] if batch.rejects else batch.rows["ts"][0]


@pytest.mark.parametrize(
    ("zone", "local", "instant"),
    [
        ("America/Vancouver", "2026-12-01T08:00:00", datetime(2026, 12, 1, 15, tzinfo=UTC)),
        ("America/Vancouver", "2025-12-01T08:00:00", datetime(2025, 12, 1, 16, tzinfo=UTC)),
        ("Europe/London", "2100-07-01T12:00:00.25", datetime(2100, 7, 1, 11, 0, 0, 250000, UTC)),
        ("Pacific/Kiritimati", "2026-01-01T00:00:00", datetime(2025, 12, 31, 10, tzinfo=UTC)),
        ("Pacific/Apia", "2011-12-31T00:00:00", datetime(2011, 12, 30, 10, tzinfo=UTC)),
        ("Pacific/Apia", "2011-12-30T12:00:00", "nonexistent_time:ts"),  # a day that never was
        ("Asia/Kathmandu", "2026-01-01T05:45:00", datetime(2026, 1, 1, tzinfo=UTC)),
        ("Asia/Tokyo", "0001-01-01T00:00:00", "invalid:ts"),  # in the year before
    ],
)
def test_local_times_follow_the_present_rules(zone: str, local: str, instant: Any) -> None:
    column = f"type = 'timestamp'\ntimezone = '{zone}'\nrequired = true"
    assert outcome(column, local, LATER) == instant


@pytest.mark.parametrize(
    ("arrived", "instant"),
    [
        (EARLIER, EARLIER),
        (EARLIER + timedelta(minutes=54, seconds=59), EARLIER),
        (EARLIER + timedelta(minutes=55), LATER),  # by a clock that is 5 minutes ahead
        (LATER, LATER),
        (LATER + timedelta(days=30), LATER),
        (EARLIER - timedelta(hours=1), EARLIER),  # by a clock that is an hour ahead
        (None, "ambiguous_time:ts"),
    ],
)
def test_the_arrival_tells_two_instants_apart(arrived: datetime | None, instant: Any) -> None:
    assert outcome(LONDON, AUTUMN, arrived) == instant


@pytest.mark.parametrize(
    ("ambiguous", "instant"),
    [("earliest", EARLIER), ("latest", LATER), ("reject", "ambiguous_time:ts")],
)
@pytest.mark.parametrize("arrived", [EARLIER, LATER, None])
def test_the_contract_may_choose(ambiguous: str, instant: Any, arrived: datetime | None) -> None:
    assert outcome(f"{LONDON}\nambiguous = '{ambiguous}'", AUTUMN, arrived) == instant


def test_a_time_that_never_came_is_rejected_or_read_by_the_offset_before() -> None:
    assert outcome(LONDON, SPRING, LATER) == "nonexistent_time:ts"
    shifted = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert outcome(f"{LONDON}\nnonexistent = 'shift'", SPRING, LATER) == shifted


def test_each_reading_of_the_repeated_hour_is_a_row() -> None:
    start = datetime(2026, 10, 24, 23, tzinfo=UTC)
    moments = [start + timedelta(minutes=10 * n) for n in range(24)]
    local = [f"{m.astimezone(zones.zone('Europe/London')):%Y-%m-%dT%H:%M:%S}" for m in moments]
    assert len(set(local)) == 18
    lines = [
        sent(text, moment + timedelta(seconds=3), number)
        for number, (text, moment) in enumerate(zip(local, moments, strict=True))
    ]
    batch = cleaned(contract_with(LONDON), *lines)
    assert batch.rows["ts"].to_list() == moments
    assert (batch.duplicates, batch.conflicts, batch.rejects) == (0, [], [])


def test_the_same_text_means_another_instant_in_each_message() -> None:
    lines = [sent(AUTUMN, moment, number) for number, moment in enumerate([EARLIER, LATER] * 50)]
    batch = cleaned(contract_with(LONDON), *lines)
    assert batch.rows["ts"].to_list() == [EARLIER, LATER]
    assert batch.duplicates == 98


def test_times_by_pattern_and_those_with_an_offset_are_told_apart() -> None:
    column = f"{LONDON}\nformats = ['iso8601', '%d.%m.%Y %H:%M', 'epoch_s']\nambiguous = 'reject'"
    assert outcome(column, "25.10.2026 01:30", LATER) == "ambiguous_time:ts"
    assert outcome(column, "2026-10-25T01:30:00+01:00", LATER) == EARLIER
    assert outcome(column, "1792891800", LATER) == LATER


def test_only_the_value_is_lost_where_the_contract_says_so() -> None:
    contract = contract_of(
        "[columns.ts]\ntype = 'timestamp'\ntimezone = 'Europe/London'\non_invalid = 'null'"
    )
    batch = cleaned(contract, sent(SPRING, LATER))
    assert batch.rows["ts"].to_list() == [None]
    report = describe(batch, contract)
    assert report["columns"]["ts"]["nonexistent_time"] == 1
    assert report["columns"]["ts"]["invalid"] == 0


def test_the_report_names_the_release_of_the_zones_where_they_are_used() -> None:
    local, utc = contract_with(LONDON), contract_with("type = 'timestamp'\nrequired = true")
    raw = sent("2026-07-01T12:00:00", LATER)
    assert describe(clean(raw, local), local)["tzdata"] == zones.VERSION
    assert describe(clean(raw, utc), utc)["tzdata"] is None
