"""What is listed of a batch, in which order, and what an execution over batches is given."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from etl.operations import batches as staged
from telemetry.layout import (
    OutcomeKey,
    day_prefix,
    manifest_key,
    outcome_key,
    parse_raw_key,
    raw_key,
)
from tests.fixtures.aws_fakes import FakeS3, aws_error
from tests.fixtures.frozen_clock import freeze

DAY = date(2026, 10, 3)


class NoSuchKeyError(ClientError):
    """As boto3's client makes it."""


class Storage(FakeS3):
    exceptions = SimpleNamespace(NoSuchKey=NoSuchKeyError)

    def get_object(self, **named: Any) -> dict[str, Any]:
        if named["Key"] not in self.objects:
            raise NoSuchKeyError(aws_error("NoSuchKey", 404).response, "GetObject")
        return super().get_object(**named)


class States:
    """Remembers what was started."""

    def __init__(self) -> None:
        self.inputs: dict[str, dict[str, Any]] = {}

    def start_execution(self, *, name: str, input: str, **_: Any) -> dict[str, str]:
        self.inputs[name] = json.loads(input)
        return {"executionArn": f"arn:{name}"}


@pytest.fixture
def target() -> Any:
    clients = {"s3": Storage(), "stepfunctions": States()}
    return SimpleNamespace(
        client=clients.__getitem__, bucket="data", parameters={"MaxConcurrency": "6"},
        outputs={"StateMachineArn": "arn:machine"}, state_machine="arn:machine",
    )  # fmt: skip


def put(target: Any, name: str, day: date = DAY, messages: int = 3, size: int = 5) -> str:
    key = raw_key(f"{day_prefix(day)}run/", name, messages)
    target.client("s3").objects[key] = b"x" * size
    return key


def history(*statuses: str) -> staged.Batch:
    key = "raw/2026/10/03/run/b.n3.ndjson.gz"
    raw = parse_raw_key(key)
    assert raw is not None
    outcomes = tuple(
        OutcomeKey(key, f"run-{number}", status) for number, status in enumerate(statuses)
    )
    return staged.Batch(raw, key, 5, datetime(2026, 10, 3, tzinfo=UTC), outcomes)


@pytest.mark.parametrize(
    ("statuses", "status", "settled"),
    [
        ((), "staged", False),
        (("failed",), "failed", False),
        (("failed", "loaded"), "loaded", True),
        (("loaded", "failed"), "loaded", True),
        (("quarantined", "loaded"), "loaded", True),
        (("quarantined", "discarded", "failed"), "discarded", True),
    ],
)
def test_the_last_outcome_that_settled_a_batch_is_its_status(statuses, status, settled):
    one = history(*statuses)
    assert (one.status, one.settled) == (status, settled)


def test_both_ends_of_a_range_of_days_are_listed(target):
    keys = [put(target, f"b{back}", DAY + timedelta(days=back)) for back in range(4)]
    found = staged.batches_between(target, DAY + timedelta(days=1), DAY + timedelta(days=2))
    assert [one.key for one in found] == keys[1:3]


def test_batches_are_found_once_in_the_order_of_their_keys_as_given(target):
    first, second = put(target, "b"), put(target, "a", DAY - timedelta(days=1))
    gone = raw_key(f"{day_prefix(DAY)}run/", "gone", 1)
    found = staged.batches_of(target, [first, gone, second, first])
    assert [one.key for one in found] == [first, second]


def test_a_batch_is_sought_from_tomorrow_as_far_back_as_asked(target, monkeypatch):
    freeze(monkeypatch, staged, datetime(2026, 3, 1, tzinfo=UTC))
    today = date(2026, 3, 1)
    for back in (-1, 0, 9, 10):
        put(target, f"b{back}", today - timedelta(days=back))
    found = [staged.batch(target, f"b{back}", days=10) for back in (-1, 0, 9, 10)]
    assert [one.raw.batch_id if one else None for one in found] == ["b-1", "b0", "b9", None]


def test_an_execution_that_had_nothing_to_do_has_no_batches(target):
    assert staged.manifest_of(target, "idle") == []


def test_an_execution_states_how_much_it_is_given(target):
    keys = [put(target, "a", messages=3, size=5), put(target, "b", messages=4, size=6)]
    chosen = staged.batches_of(target, keys)
    staged.start_over(target, chosen, "replay", name="one")
    staged.start_over(target, chosen, "replay", name="two", concurrency=2)
    one, two = (target.client("stepfunctions").inputs[name] for name in ("one", "two"))
    assert (one["batches"], one["messages"], one["bytes"]) == (2, 7, 11)
    assert (one["concurrency"], two["concurrency"]) == (6, 2)
    assert [(item.key, item.purpose) for item in staged.manifest_of(target, "one")] == [
        (key, "replay") for key in keys
    ]


def test_an_execution_takes_so_many_batches_and_no_more(target, monkeypatch):
    monkeypatch.setattr(staged, "MOST_BATCHES", 2)
    chosen = staged.batches_of(target, [put(target, name) for name in "abc"])
    staged.start_over(target, chosen[:2], "load", name="two")
    for some in (chosen, []):
        with pytest.raises(ValueError, match="1 to 2 batches"):
            staged.start_over(target, some, "load", name="other")


def test_the_same_call_again_is_taken_and_another_under_its_name_is_not(target):
    chosen = staged.batches_of(target, [put(target, "a"), put(target, "b")])
    staged.start_over(target, chosen, "load", name="one")
    before = target.client("s3").objects[manifest_key("one")]
    staged.start_over(target, chosen, "load", name="one")
    with pytest.raises(ValueError, match="other batches"):
        staged.start_over(target, chosen[:1], "load", name="one")
    assert target.client("s3").objects[manifest_key("one")] == before


def test_a_storage_that_refuses_the_manifest_starts_nothing(target):
    chosen = staged.batches_of(target, [put(target, "a")])
    target.client("s3").objects[manifest_key("one")] = b"[]"
    target.client("s3").fail("put_object", aws_error("SlowDown", 503))
    with pytest.raises(ClientError, match="SlowDown"):
        staged.start_over(target, chosen, "load", name="one")
    assert target.client("stepfunctions").inputs == {}


def test_outcomes_belong_to_their_own_batch(target):
    one, other = put(target, "a"), put(target, "b")
    target.client("s3").objects[outcome_key(one, "run", "loaded")] = b"{}"
    assert [b.status for b in staged.batches_of(target, [one, other])] == ["loaded", "staged"]
