"""A queue that holds more than one drain can take: bounded in time, size and memory."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from functions.extract import handler
from functions.extract.batches import BatchLimits, MicroBatch
from functions.extract.draining import drain
from functions.extract.queue import Message, Queue
from telemetry.errors import StorageUnavailableError
from tests.fixtures.aws_fakes import FakeAws, LambdaContext

KIB, MIB = 1 << 10, 1 << 20


class Endless(Queue):
    """A queue that never ends, of large messages."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._numbers = itertools.count()
        self.deleted = 0

    def receive(self) -> list[Message]:
        numbers = itertools.islice(self._numbers, 10)
        return [Message(f"m{n}", "x" * self._size, f"r{n}") for n in numbers]

    def delete(self, receipts) -> int:
        self.deleted += len(receipts)
        return 0


class SlowStage:
    """S3 on a bad day; remembers how large the objects were and how many came at once."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._busy = threading.Lock()
        self.sizes: list[int] = []
        self.messages = 0

    def __call__(self, batch: MicroBatch) -> None:
        assert self._busy.acquire(blocking=False), "two at once"
        time.sleep(self._seconds)
        self.sizes.append(batch.size)
        self.messages += len(batch.lines)
        self._busy.release()


def pieces(aws: FakeAws) -> dict[str, list[str]]:
    """Object to the bodies in it."""
    return {
        key: [
            base64.b64decode(json.loads(line)["payload"]).decode()
            for line in gzip.decompress(content).splitlines()
        ]
        for key, content in aws.s3.objects.items()
        if key.startswith("raw/")
    }


def run(name: str, remaining_ms: int = 60_000) -> dict[str, object]:
    event = {"execution": name, "started": "2026-11-23T06:00:00Z"}
    result: dict[str, object] = handler.drain(event, LambdaContext(remaining_ms=remaining_ms))
    return result


@pytest.mark.parametrize("seconds", [0.0, 0.15])
def test_memory_is_bounded_however_long_the_queue_and_slow_the_storage(seconds: float) -> None:
    queue, stage = Endless(16 * KIB), SlowStage(seconds)
    limits = BatchLimits(bytes=8 * MIB)
    tracemalloc.start()
    try:
        done = drain(queue, stage, limits, receivers=8, seconds=1.5)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert done.messages == stage.messages == queue.deleted
    assert max(stage.sizes) <= limits.bytes
    # One being staged, one or two that wait, an open one, and what eight receivers have in their hands.
    assert peak < 4 * limits.bytes + 8 * 10 * 100 * KIB
    assert sum(stage.sizes) > peak


def test_a_drain_ends_in_time_though_the_storage_is_slow() -> None:
    begin = time.monotonic()
    drain(Endless(64 * KIB), SlowStage(0.2), BatchLimits(bytes=MIB), receivers=4, seconds=0.5)
    assert time.monotonic() - begin < 2.5


def test_a_storage_that_fails_ends_the_drain_and_no_one_waits_for_room() -> None:
    def refuse(batch: MicroBatch) -> None:
        time.sleep(0.05)
        raise StorageUnavailableError("SlowDown")

    queue = Endless(64 * KIB)
    with pytest.raises(StorageUnavailableError):
        drain(queue, refuse, BatchLimits(bytes=MIB), receivers=8, seconds=30)
    assert queue.deleted == 0


def test_a_backlog_takes_several_executions_and_each_stays_within_its_limits(
    aws: FakeAws, monkeypatch
) -> None:
    monkeypatch.setenv("BATCH_MESSAGES", "500")
    monkeypatch.setenv("DRAIN_SECONDS", "0.1")
    sent = [f"body {number}" for number in range(20_000)]
    aws.sqs.send(*sent)
    taken = []
    while aws.sqs.left:
        before = aws.sqs.left
        run(f"run-{len(taken)}")
        taken.append(before - aws.sqs.left)
    assert len(taken) > 2
    assert min(taken) > 0
    found = pieces(aws)
    assert max(map(len, found.values())) <= 500
    assert sorted(itertools.chain(*found.values())) == sorted(sent)


def test_two_executions_at_once_share_a_backlog(aws: FakeAws, monkeypatch) -> None:
    monkeypatch.setenv("BATCH_MESSAGES", "300")
    sent = [f"body {number}" for number in range(5_000)]
    aws.sqs.send(*sent)
    with ThreadPoolExecutor(2) as both:
        one, other = both.map(run, ["one", "other"])
    assert aws.sqs.left == 0
    assert min(one["messages"], other["messages"]) > 0  # type: ignore[type-var]
    assert one["messages"] + other["messages"] == 5_000  # type: ignore[operator]
    assert sorted(itertools.chain(*pieces(aws).values())) == sorted(sent)


def test_an_execution_that_finds_nothing_more_says_so(aws: FakeAws) -> None:
    aws.sqs.send("only one")
    assert run("first")["batches"] == 1
    assert run("second")["batches"] == 0
