from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import layout

STARTED = datetime(2026, 11, 23, 1, 30, tzinfo=timezone(timedelta(hours=2)))


def test_a_prefix_has_the_utc_date_of_the_start():
    assert layout.raw_prefix("run", STARTED) == "raw/2026/11/22/run/"


@given(
    batch_id=st.from_regex(r"[A-Za-z0-9_-]{1,80}", fullmatch=True),
    execution=st.text(st.characters(blacklist_characters="/\n", codec="utf-8"), min_size=1),
    messages=st.integers(0, 10**9),
)
def test_a_raw_key_says_what_it_was_made_of(batch_id, execution, messages):
    key = layout.raw_key(layout.raw_prefix(execution, STARTED), batch_id, messages)
    raw = layout.parse_raw_key(key)
    assert raw is not None
    assert (raw.date, raw.execution, raw.batch_id, raw.messages) == (
        "2026-11-22",
        execution,
        batch_id,
        messages,
    )


@pytest.mark.parametrize(
    "key",
    [
        "raw/2026/11/22/run/",
        "raw/2026/11/22/run/batch.ndjson.gz",
        "raw/2026/11/22/run/batch.n3.ndjson",
        "raw/2026/11/22/batch.n3.ndjson.gz",
        "clean/2026/11/22/run/batch.n3.ndjson.gz",
        "raw/2026/11/22/run/more/batch.n3.ndjson.gz",
    ],
)
def test_other_keys_are_not_raw_keys(key):
    assert layout.parse_raw_key(key) is None


RAW_KEY = "raw/2026/11/22/run.7/batch-0001.n3.ndjson.gz"


def test_the_outcomes_of_a_batch_lie_under_the_name_of_its_raw_object():
    key = layout.outcome_key(RAW_KEY, "replay-1", "loaded")
    assert key == "outcomes/2026/11/22/run.7/batch-0001.n3.ndjson.gz/replay-1.loaded.json"
    assert key.startswith(layout.outcomes_prefix(RAW_KEY))
    assert key.startswith(layout.outcomes_prefix(layout.day_prefix(date(2026, 11, 22))))


@given(
    execution=st.from_regex(r"[A-Za-z0-9_.-]{1,80}", fullmatch=True),
    status=st.sampled_from(["loaded", "quarantined", "discarded", "failed"]),
)
def test_an_outcome_key_says_what_it_was_made_of(execution, status):
    outcome = layout.parse_outcome_key(layout.outcome_key(RAW_KEY, execution, status))
    assert outcome == layout.OutcomeKey(RAW_KEY, execution, status)
    assert outcome.settled == (status != "failed")


@pytest.mark.parametrize(
    "key",
    [
        "outcomes/2026/11/22/run/batch.n3.ndjson.gz/",
        "outcomes/2026/11/22/run/batch.n3.ndjson.gz/other.json",
        "outcomes/2026/11/22/run/batch.n3.ndjson.gz/other.lost.json",
        "outcomes/2026/11/22/run/batch.json/other.loaded.json",
        "outcomes/run/batch.json",
        RAW_KEY,
    ],
)
def test_other_keys_are_not_outcome_keys(key):
    assert layout.parse_outcome_key(key) is None
