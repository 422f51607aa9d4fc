"""One join of the two listings, of raw objects and of outcomes, for the sweep and for operators."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from telemetry.batches import Batch, batches_below
from telemetry.layout import outcome_key
from telemetry.storage import StoredObject

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PREFIX = "raw/2026/11/23/"
KEY = f"{PREFIX}staging/batch-1.n10.ndjson.gz"
OTHER = f"{PREFIX}staging/batch-2.n3.ndjson.gz"


def stored(key: str, minute: int = 0, size: int = 100) -> StoredObject:
    return StoredObject(key, size, NOW + timedelta(minutes=minute))


def ended(key: str, execution: str, status, minute: int) -> StoredObject:
    return stored(outcome_key(key, execution, status), minute)


def listed(*objects: StoredObject) -> list[Batch]:
    """The batches below the day, of a bucket that lists its objects in the order of their keys."""

    def listing(prefix: str) -> list[StoredObject]:
        found = [one for one in objects if one.key.startswith(prefix)]
        return sorted(found, key=lambda one: one.key)

    return batches_below(listing, PREFIX)


def test_each_batch_has_its_own_outcomes():
    first, second = listed(
        stored(KEY), stored(OTHER, 1, 7), ended(OTHER, "run", "loaded", 5), stored(f"{PREFIX}notes")
    )
    assert (first.key, first.raw.messages, first.status) == (KEY, 10, "staged")
    assert (second.key, second.size, second.staged_at) == (OTHER, 7, NOW + timedelta(minutes=1))
    assert [(o.execution, o.status, o.settled) for o in second.outcomes] == [
        ("run", "loaded", True)
    ]
    assert (first.settled, second.settled) == (False, True)


def test_outcomes_come_in_the_order_of_time_not_of_their_names():
    (batch,) = listed(
        stored(KEY),
        ended(KEY, "a-release", "loaded", 30),
        ended(KEY, "b-drain", "failed", 10),
        ended(KEY, "c-sweep", "quarantined", 20),
        ended(KEY, "d-sweep", "failed", 5),
    )
    assert [o.execution for o in batch.outcomes] == ["d-sweep", "b-drain", "c-sweep", "a-release"]
    assert batch.status == "loaded"
    assert [o.execution for o in batch.failures] == ["d-sweep", "b-drain"]


def test_a_failure_after_a_load_does_not_unsettle_a_batch():
    (batch,) = listed(stored(KEY), ended(KEY, "a", "failed", 9), ended(KEY, "b", "loaded", 5))
    assert (batch.status, batch.settled) == ("loaded", True)
    (failed,) = listed(stored(KEY), ended(KEY, "a", "failed", 9))
    assert (failed.status, failed.settled) == ("failed", False)


def test_a_raw_object_is_listed_before_its_outcomes():
    """An outcome written between the two listings is seen, and not a batch without its outcome."""
    bucket = [stored(KEY)]

    def listing(prefix: str) -> list[StoredObject]:
        found = [one for one in bucket if one.key.startswith(prefix)]
        bucket.append(ended(KEY, "run", "loaded", 1))
        return found

    assert [batch.settled for batch in batches_below(listing, PREFIX)] == [True]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["loaded", "quarantined", "discarded", "failed"]),
            st.integers(0, 10**4),
            st.text("abc", min_size=1, max_size=3),
        ),
        max_size=6,
        unique_by=lambda found: (found[0], found[2]),
    )
)
def test_what_settles_a_batch_is_any_outcome_but_a_failure(outcomes):
    (batch,) = listed(
        stored(KEY), *(ended(KEY, name, status, minute) for status, minute, name in outcomes)
    )
    assert batch.settled == any(status != "failed" for status, _, _ in outcomes)
    assert len(batch.outcomes) == len(outcomes)
    assert [o.written_at for o in batch.outcomes] == sorted(o.written_at for o in batch.outcomes)
