"""A batch is in S3 while its messages or its readings are; days of other batches are not listed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from functions.migrate.stored_objects import missing_batches
from telemetry.storage import StoredObject

NOW = datetime(2026, 11, 20, tzinfo=UTC)
RAW = "raw/2026/11/19/run/{}.n3.ndjson.gz"
CLEAN = "clean/staged_on=2026-11-19/{}.parquet"


class Bucket:
    def __init__(self, *keys: str) -> None:
        self.keys = keys
        self.listed: list[str] = []

    def listing(self, prefix: str) -> Iterator[StoredObject]:
        self.listed.append(prefix)
        for key in self.keys:
            if key.startswith(prefix):
                yield StoredObject(key, 1, NOW)


def test_messages_or_readings_are_enough() -> None:
    bucket = Bucket(RAW.format("a"), CLEAN.format("b"), "raw/2026/11/18/run/c.n3.ndjson.gz")
    wanted = [RAW.format(name) for name in "abc"]
    assert missing_batches(bucket.listing, wanted) == [RAW.format("c")]
    assert bucket.listed == ["raw/2026/11/19/", "clean/staged_on=2026-11-19/"]


def test_the_clean_zone_is_listed_only_where_messages_are_missing() -> None:
    bucket = Bucket(RAW.format("a"))
    assert missing_batches(bucket.listing, [RAW.format("a")]) == []
    assert bucket.listed == ["raw/2026/11/19/"]


def test_a_key_of_another_form_counts_as_missing() -> None:
    bucket = Bucket("raw/by-hand.json")
    assert missing_batches(bucket.listing, ["raw/by-hand.json"]) == ["raw/by-hand.json"]
    assert bucket.listed == []


def test_nothing_wanted_is_nothing_missing() -> None:
    bucket = Bucket()
    assert missing_batches(bucket.listing, []) == []
    assert bucket.listed == []
