"""AWS Lambda's event source mapping for SQS: how messages gather into batches.

AWS: a mapping invokes the function when the batch is full (up to 10,000 messages with a window),
when the batching window has passed since the first message, or when the payload reaches 6 MB,
whichever comes first; without a window it takes what is there. Its pollers wait at the queue for
messages (long polling). MiniStack 1.5.33 takes at most 10 messages and knows no window; while
messages come in, its poller sleeps for 50 ms between two looks, which delays both the beginning of
a window and its end. Remove when the released emulator fills a batch of 100 within its window, and
hands over at its end. (Partial batch failures it reports as AWS does.)
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from ministack.core.concurrency import esm_wake
from ministack.services import lambda_svc, sqs

__all__ = ["RELIES_ON", "Gathering", "apply"]

RELIES_ON = (
    "core.concurrency.esm_wake", "services.lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS",
    "services.lambda_svc._iter_all_esms",
    "services.lambda_svc._sqs_esm_concurrency", "services.sqs._collect_msgs",
    "services.sqs._expire_retained", "services.sqs._get_q",
    "services.sqs._receive_messages_for_esm",
)  # fmt: skip

Message = dict[str, Any]

_PAYLOAD_BYTES = 6 * 1024 * 1024
"""Most that one invocation takes."""
_RECORD_OVERHEAD = 900
"""Bytes that a record's identifiers, attributes and receipt add to its body, about."""
_RECEIVE_STEP = 500
_LOOK_SECONDS = 0.01
"""Least time between two looks at the queues: each walks over what has been gathered."""


@dataclass
class Gathering:
    """Messages that one mapping has received and not yet handed to its function."""

    messages: list[Message] = field(default_factory=list)
    size: int = 0
    """Bytes they will take in the event."""
    since: float = 0.0
    """Time at which the first of them was received (monotonic seconds)."""

    def add(self, messages: list[Message], now: float) -> None:
        """Take more messages."""
        if messages and not self.messages:
            self.since = now
        self.messages.extend(messages)
        self.size += sum(_size(one) for one in messages)

    def drop_lapsed(self, now: float) -> None:
        """Forget messages that are visible to others again (epoch seconds)."""
        kept = [one for one in self.messages if one["visible_at"] > now]
        if len(kept) < len(self.messages):
            self.messages, self.size = kept, sum(_size(one) for one in kept)

    def is_due(self, batch_size: int, window: float, now: float) -> bool:
        """True once the batch is full or old enough."""
        if not self.messages:
            return False
        full = len(self.messages) >= batch_size or self.size >= _PAYLOAD_BYTES
        return full or now - self.since >= window

    def take(self, batch_size: int, now: float) -> list[Message]:
        """Take out one batch: as many as fit, in order; the rest begins the next one."""
        taken, size = 0, 0
        for message in self.messages[:batch_size]:
            size += _size(message)
            if taken and size > _PAYLOAD_BYTES:
                break
            taken += 1
        batch, rest = self.messages[:taken], self.messages[taken:]
        self.messages, self.size = [], 0
        self.add(rest, now)
        return batch


_gatherings: dict[str, Gathering] = {}
"""Gathered messages by queue URL."""


def apply() -> None:
    """Gather messages for each mapping as AWS does."""
    sqs._receive_messages_for_esm = _receive
    lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS = _LOOK_SECONDS
    _read_concurrency_as_number()


def _read_concurrency_as_number() -> None:
    """A parameter of a template arrives as text, which MiniStack compares with a number, in vain.

    Can go when a mapping whose ``MaximumConcurrency`` is a parameter takes messages.
    """
    original = lambda_svc._sqs_esm_concurrency

    def concurrency(mapping: Message, *arguments: Any) -> int:
        limit = (mapping.get("ScalingConfig") or {}).get("MaximumConcurrency")
        if limit is not None:
            mapping = {**mapping, "ScalingConfig": {"MaximumConcurrency": int(limit)}}
        result: int = original(mapping, *arguments)
        return result

    lambda_svc._sqs_esm_concurrency = concurrency


def _receive(queue_url: str, batch_size: int | str) -> list[Message]:
    """Answer MiniStack's poller with a batch that is due, or with nothing yet."""
    queue = sqs._get_q(queue_url)
    limit = int(batch_size)  # text where a template set it
    window = _window(queue)
    gathering = _gatherings.setdefault(queue_url, Gathering())
    visibility = int(queue["attributes"].get("VisibilityTimeout", "30"))
    sqs._expire_retained(queue)
    gathering.drop_lapsed(time.time())
    while len(gathering.messages) < limit and gathering.size < _PAYLOAD_BYTES:
        wanted = min(limit - len(gathering.messages), _RECEIVE_STEP)
        # Copies: their receipt handle has to stay the one of this receive.
        received = [dict(one) for one in sqs._collect_msgs(queue, wanted, visibility)]
        began = not gathering.messages
        gathering.add(received, time.monotonic())
        if began and received and window:
            _wake_after(window)
        if len(received) < wanted:
            break
    now = time.monotonic()
    return gathering.take(limit, now) if gathering.is_due(limit, window, now) else []


def _window(queue: Message) -> float:
    """Seconds to gather for: the window of the mapping that reads this queue."""
    arn = queue["attributes"]["QueueArn"]
    for _, _, mapping in lambda_svc._iter_all_esms():
        if mapping.get("EventSourceArn") == arn:
            return float(mapping.get("MaximumBatchingWindowInSeconds") or 0)
    return 0.0


def _wake_after(seconds: float) -> None:
    """Have the poller look again when a window ends, not at its next idle tick."""
    timer = threading.Timer(seconds, esm_wake.set)
    timer.daemon = True
    timer.start()


def _size(message: Message) -> int:
    return len(message["body"].encode()) + _RECORD_OVERHEAD
