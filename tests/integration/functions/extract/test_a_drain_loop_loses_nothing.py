"""One execution that drains several times: each drain's batches once, also after a dead attempt."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.extract import handler
from functions.summarize import handler as summarize
from telemetry.errors import QueueUnavailableError
from telemetry.layout import outcome_key
from telemetry.manifest import parse_manifest
from tests.fixtures.aws_fakes import BUCKET, FakeAws, aws_error

STARTED = datetime(2026, 11, 23, 23, 59, 30, tzinfo=UTC)
EVENT = {"execution": "loop.1", "started": STARTED.isoformat()}
BEGIN = STARTED + timedelta(seconds=45)  # the next day, which must not show in the keys
WHOLE = "manifests/loop.1.json"


class Clock(datetime):
    """The time of the handler."""

    at = BEGIN

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return cls.at


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    monkeypatch.setattr(handler, "datetime", Clock)
    monkeypatch.setenv("BATCH_MESSAGES", "20")
    Clock.at = BEGIN
    return Clock


def asked(seconds: float = 60) -> dict[str, Any]:
    scheduled = (BEGIN - timedelta(seconds=60)).isoformat()
    return {"drains": {"scheduled": scheduled, "every": 25, "seconds": seconds}}


def call(given: Any) -> dict[str, Any]:
    answer: dict[str, Any] = handler.drain({**EVENT, "input": given}, None)
    assert len(json.dumps(answer)) < 4096
    return answer


def wait(answer: dict[str, Any]) -> None:
    Clock.at = datetime.fromisoformat(answer["again"]["at"])


def raw(aws: FakeAws) -> list[str]:
    return sorted(key for key in aws.s3.objects if key.startswith("raw/"))


def named(aws: FakeAws, key: str) -> list[str]:
    return [item.key for item in parse_manifest(aws.s3.objects[key], key)]


def test_each_drain_has_a_manifest_of_its_own_batches_and_the_end_one_of_all(aws: FakeAws) -> None:
    aws.sqs.send(*"abc")
    first = call(asked())
    assert (first["batches"], first["messages"]) == (1, 3)
    assert first["again"]["at"] == "2026-11-24T00:00:40.000Z"
    assert named(aws, first["manifest"]) == raw(aws)
    assert first["manifest"] == "manifests/loop.1/0000.json"
    assert first["prefix"] == "raw/2026/11/23/loop.1/loop-1-d0000-"

    wait(first)
    idle = call(first)
    assert (idle["batches"], idle["again"]["loaded"]) == (0, [0])
    assert idle["manifest"] not in aws.s3.objects  # nothing to read, so nothing written

    wait(idle)
    before = raw(aws)
    aws.sqs.send(*"de")
    last = call(idle)
    assert "again" not in last
    assert (last["batches"], last["manifest"]) == (1, "manifests/loop.1/0002.json")
    assert set(named(aws, last["manifest"])) == set(raw(aws)) - set(before)
    assert last["whole"] == {
        "manifest": WHOLE,
        "manifest_sha256": hashlib.sha256(aws.s3.objects[WHOLE]).hexdigest(),
        "batches": 2,
    }
    assert named(aws, WHOLE) == raw(aws)
    assert aws.sqs.left == 0


def test_a_last_drain_without_messages_still_names_those_of_the_earlier_ones(aws: FakeAws) -> None:
    aws.sqs.send("a")
    first = call(asked(seconds=26))
    wait(first)
    last = call(first)
    assert (last["batches"], last["whole"]["batches"], "again" in last) == (0, 1, False)
    assert named(aws, WHOLE) == raw(aws)


def test_a_loop_without_messages_writes_nothing(aws: FakeAws) -> None:
    answer = call(asked())
    while "again" in answer:
        wait(answer)
        answer = call(answer)
    assert answer["batches"] == 0
    assert "whole" not in answer
    assert aws.s3.objects == {}


def test_one_drain_with_messages_needs_one_manifest_only_where_it_is_the_last(
    aws: FakeAws,
) -> None:
    first = call(asked(seconds=26))
    wait(first)
    aws.sqs.send("a")
    last = call(first)
    assert (last["manifest"], last["batches"], "whole" in last) == (WHOLE, 1, False)
    assert named(aws, WHOLE) == raw(aws)


def test_before_its_interval_it_waits_and_leaves_the_queue_alone(aws: FakeAws) -> None:
    aws.sqs.send("a")
    Clock.at = BEGIN - timedelta(seconds=40)
    early = call(asked())
    assert (early["batches"], aws.sqs.left) == (0, 1)
    assert datetime.fromisoformat(early["again"]["at"]) == BEGIN
    Clock.at = BEGIN - timedelta(seconds=1)  # another machine's clock
    assert call(early)["batches"] == 1


def test_after_its_interval_it_leaves_the_queue_to_the_next_execution(aws: FakeAws) -> None:
    aws.sqs.send("a")
    Clock.at = BEGIN + timedelta(minutes=5)
    assert call(asked())["batches"] == 0
    assert aws.sqs.left == 1


def test_a_retried_attempt_finds_what_a_dead_one_staged_in_this_drain_alone(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.sqs.send("a")
    first = call(asked())
    wait(first)
    earlier = raw(aws)
    aws.sqs.send(*"bcd")

    def dies(*_: Any, **__: Any) -> Any:
        raise aws_error("SlowDown", 503)

    with monkeypatch.context() as dying:
        dying.setattr(handler, "list_staged", dies)
        with pytest.raises(Exception, match="SlowDown"):
            call(first)
    assert aws.sqs.left == 0  # staged and deleted, and no manifest names the batch
    again = call(first)
    assert named(aws, again["manifest"]) == sorted(set(raw(aws)) - set(earlier))
    assert again["messages"] == 3


def test_a_retry_after_the_end_of_the_interval_still_finds_them(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = call(asked(seconds=26))
    wait(first)
    aws.sqs.send("a")
    with monkeypatch.context() as dying:
        dying.setattr(handler, "list_staged", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            call(first)
    Clock.at += timedelta(minutes=2)
    aws.sqs.send("of the next execution")
    last = call(first)
    assert (last["messages"], aws.sqs.left) == (1, 1)
    assert named(aws, WHOLE) == raw(aws)


def test_a_batch_that_came_too_late_for_its_manifest_is_left_to_the_sweep(aws: FakeAws) -> None:
    aws.sqs.send("a")
    first = call(asked(seconds=26))
    late = f"{first['prefix']}abcdef-0000.n1.ndjson.gz"
    wait(first)
    aws.s3.objects[late] = b""
    call(first)
    assert late not in named(aws, WHOLE)


def test_summarize_judges_the_batches_of_all_drains(aws: FakeAws) -> None:
    aws.sqs.send("a")
    first = call(asked(seconds=26))
    wait(first)
    aws.sqs.send("b")
    last = call(first)
    lost, loaded = named(aws, first["manifest"]), named(aws, last["manifest"])
    outcome = {"status": "loaded", "raw_key": loaded[0], "read": 1, "inserted": 1}
    aws.s3.objects[outcome_key(loaded[0], "loop.1", "loaded")] = json.dumps(outcome).encode()
    event = {
        "bucket": BUCKET, "manifest": last["manifest"], "execution": "loop.1", "input": last,
    }  # fmt: skip
    result = summarize.handle(event, None)
    assert (result["batches"], result["loaded"], result["failed"]) == (2, 1, 1)
    assert [failure["raw_key"] for failure in result["failures"]] == lost


def test_an_older_definition_gets_the_answer_that_it_knows(aws: FakeAws) -> None:
    aws.sqs.send("a")
    answer = handler.drain(EVENT, None)  # without "input"
    assert not {"again", "whole"} & set(answer)
    assert (answer["manifest"], answer["prefix"]) == (WHOLE, "raw/2026/11/23/loop.1/")


def test_a_failing_queue_fails_the_drain_and_not_its_place_in_the_loop(aws: FakeAws) -> None:
    first = call(asked())
    wait(first)
    aws.sqs.fail("receive_message", aws_error("ServiceUnavailable", 503))
    with pytest.raises(QueueUnavailableError):
        call(first)
    aws.sqs.send("a")
    assert call(first)["messages"] == 1
