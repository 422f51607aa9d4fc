"""The bounded drain of the queue: receive, stage in S3, and only then delete.

::

    receivers (threads) ──▶ open micro-batches ──full──▶ put to S3 ──▶ deleters (threads)

There is one open micro-batch for each contract of which messages came.

What comes in meanwhile is for the next drain, or a steady stream would keep this one going. A
message sent after the drain began doesn't mean that there are no older ones, though: SQS gives any
messages, in no order, and often fewer than ten. So a receiver ends at an empty response, or at one
of newer messages only which follows several such responses, whoever received them, or an empty one.
The drain ends when all of them have, or at the time limit. Nothing is received
while one micro-batch is being written to S3 and another is full: memory is bounded, however slow S3
and however long the queue. Whatever fails meanwhile, a message is either still in the queue, or in
S3, or in both, which the key in PostgreSQL makes harmless.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from functions.extract.batches import Accumulator, BatchLimits, Line, MicroBatch
from functions.extract.envelope import read_envelope
from functions.extract.queue import BATCH, Message, Queue

__all__ = ["Drained", "Stage", "drain"]

UNSTAGED = 2
"""Full micro-batches at which receiving pauses: one being staged and one waiting."""

NEW_IN_A_ROW = 8
"""Responses in a row, of all receivers, with newer messages only: the queue has hardly any others.
Simulated with random responses of one to three messages, 200 a second: at one in a row each drain
leaves more messages behind than the one before, at eight some one, for one more window."""

CLOCKS_DIFFER = 5.0
"""Most seconds by which the clock of SQS may be ahead of ours."""

Stage = Callable[[MicroBatch], None]
"""Puts a micro-batch into S3; when it returns, the batch is safe. One call at a time."""


@dataclass
class Drained:
    """Counts of one drain. What is staged is decided by a listing of the prefix, not by these."""

    messages: int = 0
    batches: int = 0
    not_deleted: int = 0
    """Staged messages that stay in the queue and will be staged again."""
    oldest: float | None = None
    """Epoch seconds at which the oldest received message was sent; ``None`` without messages."""


@dataclass
class _Drain:
    queue: Queue
    stage: Stage
    limits: BatchLimits
    until: float
    """``time.monotonic()`` after which nothing more is received."""
    started: float
    """``time.monotonic()`` at which the drain began."""
    began: float
    """The same in epoch seconds."""
    deleters: ThreadPoolExecutor
    deletions: list[Future[int]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    done: Drained = field(default_factory=Drained)
    lock: threading.Lock = field(default_factory=threading.Lock)
    staging: threading.Lock = field(default_factory=threading.Lock)
    room: threading.Condition = field(default_factory=threading.Condition)
    unstaged: int = 0
    new_in_a_row: int = 0
    """Latest responses without a message that was sent before the drain began."""

    def __post_init__(self) -> None:
        self.accumulator = Accumulator(self.limits)

    def receive_until_quiet(self) -> None:
        """Receives until nothing older than the drain comes.

        An error stops all receivers, and is raised.
        """
        try:
            while self.has_room():
                messages = self.queue.receive()
                ends = self.is_end(messages)
                if messages:
                    self.take(messages)
                if ends:
                    return
        except BaseException:
            self.stop.set()
            with self.room:
                self.room.notify_all()
            raise

    def is_end(self, messages: list[Message]) -> bool:
        """True if this response shows that the older messages have been received."""
        new = all(self.is_new(message) for message in messages)
        with self.lock:
            if not messages:  # SQS asked all its servers
                self.new_in_a_row = NEW_IN_A_ROW
            else:
                self.new_in_a_row = self.new_in_a_row + 1 if new else 0
            return self.new_in_a_row >= NEW_IN_A_ROW

    def is_new(self, message: Message) -> bool:
        """True if the message was sent after the drain began; False if in doubt.

        A message sent later than now shows that one of the two clocks is wrong.
        """
        if message.sent is None:
            return False
        return 0 < message.sent - self.began <= time.monotonic() - self.started + CLOCKS_DIFFER

    def has_room(self) -> bool:
        """Waits for room for more messages; returns whether there is time left for them."""
        with self.room:
            self.room.wait_for(
                lambda: self.unstaged < UNSTAGED or self.stop.is_set(),
                max(0.0, self.until - time.monotonic()),
            )
        return not self.stop.is_set() and time.monotonic() < self.until

    def take(self, messages: list[Message]) -> None:
        """Adds messages to the open micro-batches, and stages those that are full."""
        envelopes = [read_envelope(m.message_id, m.body) for m in messages]
        lines = [
            Line(envelope.line, m.receipt, envelope.contract)
            for envelope, m in zip(envelopes, messages, strict=True)
        ]
        sent = [m.sent for m in messages if m.sent is not None]
        with self.lock:
            earlier = [] if self.done.oldest is None else [self.done.oldest]
            self.done.oldest = min([*sent, *earlier], default=None)
        with self.room:  # counted before another receiver looks for room
            full = self.accumulator.add(lines)
            self.unstaged += len(full)
        while full:
            self.stage_and_delete(full.pop(0))

    def stage_and_delete(self, batch: MicroBatch) -> None:
        """Stages a micro-batch, then has its messages deleted in the background."""
        with self.staging:
            self.stage(batch)
        chunks = [batch.receipts[i : i + BATCH] for i in range(0, len(batch.receipts), BATCH)]
        with self.lock:
            self.done.messages += len(batch.lines)
            self.done.batches += 1
            self.deletions += [self.deleters.submit(self.queue.delete, chunk) for chunk in chunks]
        with self.room:
            self.unstaged -= 1
            self.room.notify_all()

    def finish(self) -> Drained:
        """Stages the rest and waits for the deletions."""
        for batch in self.accumulator.rest():
            self.stage_and_delete(batch)
        self.done.not_deleted = sum(deletion.result() for deletion in self.deletions)
        return self.done


def drain(
    queue: Queue, stage: Stage, limits: BatchLimits, *, receivers: int, seconds: float
) -> Drained:
    """Drains the queue for at most ``seconds`` of receiving, with ``receivers`` threads.

    Deleting takes about as long as receiving did, and comes on top for the last micro-batch.
    Raises the first :class:`TelemetryError`; what was staged until then stays staged.
    """
    started, began = time.monotonic(), time.time()
    first = queue.receive()
    if not first:  # an idle pipeline costs one request, not one for each receiver
        return Drained()
    with ThreadPoolExecutor(receivers, "delete") as deleters:
        work = _Drain(queue, stage, limits, started + seconds, started, began, deleters)
        work.take(first)
        with ThreadPoolExecutor(receivers, "receive") as threads:
            running = [threads.submit(work.receive_until_quiet) for _ in range(receivers)]
        failures = [error for future in running if (error := future.exception()) is not None]
        if failures:
            # Stage what has been received, if that works; the first failure is the one to report.
            with suppress(Exception):
                work.finish()
            raise failures[0]
        return work.finish()
