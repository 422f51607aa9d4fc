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
from typing import Any

import pytest

from functions.extract import handler
from functions.extract.batches import BatchLimits, MicroBatch
from functions.extract.draining import drain
from functions.extract.queue import Message, Queue
from telemetry.errors import StorageUnavailableError
from tests.fixtures.aws_fakes import FakeAws, LambdaContext

KIB, MIB = 1 << 10, 1 << 20


class LargeMessages(Queue):
    """A queue of ``total`` bytes in messages of ``size`` bytes."""

    def __init__(self, size: int, total: int) -> None:
        self._size = size
        self._numbers = iter(range(total // size))
        self._lock = threading.Lock()
        self.received: list[float] = []
        """When each call of ``receive`` began."""
        self.deleted = 0

    def receive(self) -> list[Message]:
        with self._lock:
            self.received.append(time.monotonic())
            numbers = list(itertools.islice(self._numbers, 10))
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
        self.begun: list[float] = []
        """When the staging of each batch began."""
        self.messages = 0

    def __call__(self, batch: MicroBatch) -> None:
        self.begun.append(time.monotonic())
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


def run(name: str) -> dict[str, object]:
    event = {"execution": name, "started": "2026-11-23T06:00:00Z"}
    result: dict[str, object] = handler.drain(event, LambdaContext())
    return result


@pytest.mark.parametrize("seconds", [0.0, 0.15])
def test_memory_is_bounded_however_long_the_queue_and_slow_the_storage(seconds: float) -> None:
    queue, stage = LargeMessages(16 * KIB, 48 * MIB), SlowStage(seconds)
    limits = BatchLimits(bytes=4 * MIB)
    tracemalloc.start()
    try:
        done = drain(queue, stage, limits, receivers=8, seconds=3_600)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert done.messages == stage.messages == queue.deleted == 48 * MIB // (16 * KIB)
    assert max(stage.sizes) <= limits.bytes
    # One being staged, one or two that wait, an open one, and what eight receivers have in their hands.
    assert peak < 4 * limits.bytes + 8 * 10 * 100 * KIB
    assert sum(stage.sizes) > 2 * peak


def test_a_drain_ends_in_time_though_the_storage_is_slow() -> None:
    queue, stage = LargeMessages(64 * KIB, 64 * MIB), SlowStage(0.2)
    drain(queue, stage, BatchLimits(bytes=MIB), receivers=4, seconds=0.5)
    end = queue.received[0] + 0.5
    # A receiver may have looked at the clock right before its end.
    assert sum(begin > end for begin in queue.received) <= 4
    # One waits, four are in the hands of receivers, and the rest is staged last.
    assert sum(begin > end for begin in stage.begun) <= 6


def test_a_storage_that_fails_ends_the_drain_and_no_one_waits_for_room() -> None:
    def refuse(batch: MicroBatch) -> None:
        time.sleep(0.05)
        raise StorageUnavailableError("SlowDown")

    queue = LargeMessages(64 * KIB, 64 * MIB)
    with pytest.raises(StorageUnavailableError):
        drain(queue, refuse, BatchLimits(bytes=MIB), receivers=8, seconds=3_600)
    assert queue.deleted == 0


def test_a_backlog_takes_several_executions_and_each_stays_within_its_limits(
    aws: FakeAws, monkeypatch
) -> None:
    monkeypatch.setenv("BATCH_MESSAGES", "500")
    monkeypatch.setenv("DRAIN_SECONDS", "0.1")
    sent = [f"body {number}" for number in range(20_000)]
    aws.sqs.send(*sent)
    receive = aws.sqs.receive_message

    def receive_slowly(**asked: Any) -> dict[str, Any]:
        time.sleep(0.002)  # so that no machine is fast enough for all of them in one execution
        return receive(**asked)

    monkeypatch.setattr(aws.sqs, "receive_message", receive_slowly)
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


def test_two_executions_at_once_share_a_backlog(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATCH_MESSAGES", "300")
    sent = [f"body {number}" for number in range(5_000)]
    aws.sqs.send(*sent)
    both_began, receive = threading.Barrier(2), aws.sqs.receive_message

    def receive_beside_the_other(**asked: Any) -> dict[str, Any]:
        answer = receive(**asked)
        if threading.current_thread().name.startswith("both"):  # the first call of each drain
            both_began.wait(120)
        return answer

    monkeypatch.setattr(aws.sqs, "receive_message", receive_beside_the_other)
    with ThreadPoolExecutor(2, "both") as both:
        one, other = both.map(run, ["one", "other"])
    assert aws.sqs.left == 0
    assert min(one["messages"], other["messages"]) > 0  # type: ignore[type-var]
    assert one["messages"] + other["messages"] == 5_000  # type: ignore[operator]
    assert sorted(itertools.chain(*pieces(aws).values())) == sorted(sent)


def test_an_execution_that_finds_nothing_more_says_so(aws: FakeAws) -> None:
    aws.sqs.send("only one")
    assert run("first")["batches"] == 1
    assert run("second")["batches"] == 0
