"""The messages of one standard queue, indexed by what each operation looks for.

MiniStack keeps a queue's messages in a list, which every call walks. This table takes the place of
that list (:mod:`local.emulator.patches.queues`), so that a long queue is as fast as a short one.
"""

from __future__ import annotations

import copy
import heapq
import itertools
import json
import threading
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from ministack.core import persistence
from ministack.services import sqs

from local.emulator.patches.state_store import StateStore

__all__ = ["RELIES_ON", "MessageTable"]

RELIES_ON = (
    "core.persistence._json_default", "core.persistence._json_object_hook",
    "services.sqs._ensure_msg_fields", "services.sqs.new_uuid",
)  # fmt: skip

Message = dict[str, Any]


class MessageTable:
    """Messages by id, in order of arrival, with what is due next at hand.

    Where there is a store, each message is in it from before its sender has an answer until it is
    deleted.
    """

    store: ClassVar[StateStore | None] = None

    def __init__(self, messages: Iterable[Message] = (), url: str = "") -> None:
        """``url`` is the queue's."""
        self._url = url
        self._by_id: dict[str, Message] = {}
        self._by_receipt: dict[str, Message] = {}
        self._due: list[tuple[float, int, Message]] = []
        """Heap by the time a message becomes visible; entries whose time has changed are stale."""
        self._order = itertools.count()
        self._lock = threading.RLock()  # the event source mapping receives on a thread of its own
        for message in messages:
            self.append(message)

    @classmethod
    def restored(cls, url: str) -> MessageTable:
        """The messages of a queue as the store has them, all visible."""
        table = cls(url=url)
        assert cls.store is not None  # noqa: S101
        for _, _, text in cls.store.rows("messages", url):
            table._add(json.loads(text, object_hook=persistence._json_object_hook))
        return table

    def append(self, message: Message) -> None:
        """Add a message at the end."""
        if self.store is not None:
            text = json.dumps(message, default=persistence._json_default)
            self.store.put("messages", self._url, message["id"], text)
        self._add(message)

    def _add(self, message: Message) -> None:
        sqs._ensure_msg_fields(message)
        self._by_id[message["id"]] = message
        self.reschedule(message)

    def reschedule(self, message: Message) -> None:
        """Take note of a message's new ``visible_at``."""
        heapq.heappush(self._due, (message["visible_at"], next(self._order), message))

    def next_visible(self, now: float) -> Message | None:
        """Take the message that has been visible longest; ``None`` where none is."""
        with self._lock:
            while self._due and self._due[0][0] <= now:
                moment, _, message = heapq.heappop(self._due)
                if message["visible_at"] == moment and self._by_id.get(message["id"]) is message:
                    return message
        return None

    def receive(self, message: Message, until: float) -> None:
        """Hide a message until a time, under a new receipt handle."""
        if message["receipt_handle"] is not None:
            self._by_receipt.pop(message["receipt_handle"], None)
        message["receipt_handle"] = sqs.new_uuid()
        self._by_receipt[message["receipt_handle"]] = message
        message["visible_at"] = until
        self.reschedule(message)

    def with_receipt(self, handle: str) -> Message | None:
        """The message whose newest receipt handle this is."""
        return self._by_receipt.get(handle)

    def remove(self, *messages: Message) -> None:
        """Drop messages; nothing happens where one is gone already."""
        if self.store is not None and messages:
            # Together: a transaction of its own for each takes longer than all else of a request.
            self.store.delete("messages", self._url, *(message["id"] for message in messages))
        for message in messages:
            self._by_id.pop(message["id"], None)
            if message["receipt_handle"] is not None:
                self._by_receipt.pop(message["receipt_handle"], None)

    def oldest(self) -> Message | None:
        """The message that arrived first."""
        return next(iter(self._by_id.values()), None)

    def clear(self) -> None:
        """Drop every message."""
        if self.store is not None:
            self.store.clear("messages", self._url)
        self._by_id.clear()
        self._by_receipt.clear()
        self._due.clear()

    def __iter__(self) -> Iterator[Message]:
        return iter(list(self._by_id.values()))

    def __deepcopy__(self, memo: Any) -> list[Message]:
        """The list that MiniStack writes into its snapshot, and reads back."""
        return [copy.deepcopy(message, memo) for message in self]

    def __len__(self) -> int:
        return len(self._by_id)

    def __getitem__(self, index: int) -> Message:
        """The last message, which is what EventBridge asks for, or any other by walking."""
        if index == -1:
            return self._by_id[next(reversed(self._by_id))]
        return list(self._by_id.values())[index]
