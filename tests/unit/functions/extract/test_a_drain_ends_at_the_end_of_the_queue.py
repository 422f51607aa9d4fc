"""A drain takes what was in the queue when it began; what comes in meanwhile doesn't keep it going."""

from __future__ import annotations

import json
import random
import threading
import time

import pytest

from functions.extract.batches import BatchLimits, MicroBatch
from functions.extract.draining import NEW_IN_A_ROW, drain
from functions.extract.queue import Message

LONG = 30.0
"""Seconds that a drain may take here; each of these ends at once."""


class Steady:
    """A queue with a backlog, into which devices send without end."""

    def __init__(self, backlog: int, *, tells_times: bool = True) -> None:
        self.backlog = backlog
        self.tells_times = tells_times
        self.new = 0
        self.received = 0
        self.deleted = 0
        self.lock = threading.Lock()
        self.before = time.time() - 1

    def receive(self) -> list[Message]:
        with self.lock:
            old = min(10, self.backlog)
            self.backlog -= old
            new = 10 - old if old else 2
            self.new += new
            self.received += old + new
            last = self.received
        sent = [self.before] * old + [time.time() + 1] * new
        body = json.dumps({"payload": "e30=", "topic": "t", "client_id": "c", "received_at": 1})
        return [
            Message(
                f"m{last - place}", body, f"r{last - place}", when if self.tells_times else None
            )
            for place, when in enumerate(sent)
        ]

    def delete(self, receipts: list[str]) -> int:
        with self.lock:
            self.deleted += len(receipts)
        return 0


@pytest.mark.parametrize("backlog", [0, 5, 10, 4_321])
@pytest.mark.parametrize("receivers", [1, 8])
def test_a_drain_ends_although_messages_keep_coming(backlog: int, receivers: int) -> None:
    queue, staged = Steady(backlog), []
    done = drain(queue, staged.append, BatchLimits(), receivers=receivers, seconds=LONG)
    assert queue.backlog == 0
    # An older message whose receiver was late with counting it starts the row again.
    answers = NEW_IN_A_ROW * (1 + receivers) + receivers
    assert queue.new <= 2 * answers + 10, "all receivers end after some new answers in a row"
    assert done.messages == queue.received == queue.deleted == lines_of(staged)


class Unordered(Steady):
    """Gives any of its messages, one at a time, as SQS may; one new one comes for five that it gives."""

    def __init__(self, backlog: int) -> None:
        super().__init__(backlog)
        self.present = 0
        """New messages in the queue."""
        self.random = random.Random(5)

    def receive(self) -> list[Message]:
        with self.lock:
            self.present += self.received % 5 == 0
            is_old = self.random.random() * (self.backlog + self.present) < self.backlog
            self.backlog -= is_old
            self.present -= not is_old
            self.received += 1
            name = str(self.received)
        sent = self.before if is_old else time.time() + 1
        body = json.dumps({"payload": "e30=", "topic": "t", "client_id": "c", "received_at": 1})
        return [Message(name, body, name, sent)]


def test_a_drain_leaves_few_old_messages_behind_new_ones() -> None:
    """Else a queue that gives few messages at a time gets longer from drain to drain."""
    queue, staged = Unordered(1_000), []
    done = drain(queue, staged.append, BatchLimits(), receivers=8, seconds=LONG)
    assert queue.backlog <= 30
    assert done.messages == queue.received == queue.deleted == lines_of(staged)


def test_where_the_queue_tells_no_times_the_limit_ends_it() -> None:
    queue, staged = Steady(0, tells_times=False), []
    done = drain(queue, staged.append, BatchLimits(), receivers=2, seconds=0.05)
    assert done.messages == queue.received == queue.deleted == lines_of(staged) > 6


def lines_of(staged: list[MicroBatch]) -> int:
    return sum(len(batch.lines) for batch in staged)
