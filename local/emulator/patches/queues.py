"""Amazon SQS: a standard queue that stays fast when it is long.

AWS: receiving and deleting cost the same however many messages wait. Deleting twice with the same
receipt handle succeeds. MiniStack 1.5.33 walks the whole queue on every call (201 messages a second
with 20,000 waiting, ten times that with this patch) and refuses the second delete, which a retried
request makes. Remove when draining 20,000 messages through the released emulator takes no longer
per message than draining 200, and a repeated delete succeeds.

A standard queue's messages live in a :class:`MessageTable`, which the rest of MiniStack takes for
the list it expects; FIFO queues, which nothing here uses, stay lists.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

from ministack.services import sqs
from ministack.services.cloudformation import provisioners

from local.emulator.patches.message_table import MessageTable

__all__ = ["RELIES_ON", "apply", "collect", "delete", "table_of"]

RELIES_ON = (
    "services.cloudformation.provisioners._RESOURCE_HANDLERS[AWS::SQS::Queue]",
    "services.sqs._Err", "services.sqs._HANDLERS[ChangeMessageVisibilityBatch]",
    "services.sqs._HANDLERS[ChangeMessageVisibility]", "services.sqs._HANDLERS[CreateQueue]",
    "services.sqs._HANDLERS[DeleteMessageBatch]", "services.sqs._HANDLERS[DeleteMessage]",
    "services.sqs._act_create_queue", "services.sqs._collect_msgs",
    "services.sqs._delete_messages_for_esm", "services.sqs._dlq_sweep",
    "services.sqs._expire_retained", "services.sqs._get_q",
    "services.sqs._queue_by_arn", "services.sqs._queues",
    "services.sqs._validate_batch_entries", "services.sqs.esm_wake",
)  # fmt: skip

Message = dict[str, Any]
Queue = dict[str, Any]

_RECEIPT_HANDLE = re.compile(r"^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$")


def apply() -> None:
    """Put the table behind every operation that would walk the queue."""
    _convert_new_queues()
    replacements: dict[str, Callable[..., Any]] = {
        "_expire_retained": _expire,
        "_collect_msgs": collect,
        "_dlq_sweep": _sweep_nothing,
    }
    for name, fast in replacements.items():
        setattr(sqs, name, _for_standard_queues(fast, getattr(sqs, name)))
    sqs._delete_messages_for_esm = _delete_for_mapping
    for action, act in {
        "DeleteMessage": _delete_message,
        "DeleteMessageBatch": _delete_message_batch,
        "ChangeMessageVisibility": _change_visibility,
        "ChangeMessageVisibilityBatch": _change_visibility_batch,
    }.items():
        sqs._HANDLERS[action] = _for_standard_queue_requests(act, sqs._HANDLERS[action])


def collect(queue: Queue, limit: int, visibility_seconds: int) -> list[Message]:
    """Receive up to so many visible messages; those received too often go to the DLQ instead."""
    table, now = table_of(queue), time.time()
    dead_letters, most_receives = _redrive_target(queue)
    received: list[Message] = []
    while len(received) < limit:
        message = table.next_visible(now)
        if message is None:
            break
        if dead_letters is not None and message["receive_count"] >= most_receives:
            _move_to_dead_letters(message, queue, dead_letters, now)
            table.remove(message)
        else:
            received.append(message)
    for message in received:
        table.receive(message, now + visibility_seconds)
        message["receive_count"] += 1
        message["first_receive_at"] = message["first_receive_at"] or now
    return received


def delete(queue: Queue, *handles: str) -> list[bool]:
    """Delete by receipt handles; ``False`` for each that never was one.

    As on AWS, a handle of a message that is gone, or has been received again since, is accepted.
    """
    table = table_of(queue)
    found = [table.with_receipt(handle) for handle in handles]
    table.remove(*(message for message in found if message is not None))
    return [
        message is not None or bool(_RECEIPT_HANDLE.match(handle))
        for message, handle in zip(found, handles, strict=True)
    ]


def _move_to_dead_letters(message: Message, queue: Queue, dead_letters: Queue, now: float) -> None:
    source = {"DeadLetterQueueSourceArn": queue["attributes"].get("QueueArn", "")}
    moved = {**message, "receipt_handle": None, "visible_at": now}
    moved["sys"] = {**source, **message["sys"]}
    dead_letters["messages"].append(moved)
    sqs.esm_wake.set()


def _redrive_target(queue: Queue) -> tuple[Queue | None, int]:
    """The dead-letter queue and the number of receives after which a message goes there."""
    text = queue["attributes"].get("RedrivePolicy")
    if not text:
        return None, 0
    policy = json.loads(text)
    return sqs._queue_by_arn(policy["deadLetterTargetArn"]), int(policy["maxReceiveCount"])


def _expire(queue: Queue) -> None:
    """Drop what has been kept for the retention period; the oldest messages come first."""
    table = table_of(queue)
    cutoff = time.time() - int(queue["attributes"].get("MessageRetentionPeriod", 345600))
    while (oldest := table.oldest()) is not None and oldest["sent_at"] <= cutoff:
        table.remove(oldest)


def _sweep_nothing(queue: Queue) -> None:
    """Nothing to sweep: :func:`collect` looks at each message it takes."""


def _delete_for_mapping(url: str, handles: set[str]) -> None:
    delete(sqs._get_q(url), *handles)


def _delete_message(queue: Queue, request: Message) -> Message:
    if not all(delete(queue, request.get("ReceiptHandle", ""))):
        raise _invalid_handle()
    return {}


def _delete_message_batch(queue: Queue, request: Message) -> Message:
    entries = request.get("Entries", [])
    sqs._validate_batch_entries(entries, "DeleteMessageBatchRequestEntry")
    return _answer(entries, delete(queue, *(entry.get("ReceiptHandle", "") for entry in entries)))


def _change_visibility(queue: Queue, request: Message) -> Message:
    if not _hide(queue, request):
        raise _invalid_handle()
    return {}


def _change_visibility_batch(queue: Queue, request: Message) -> Message:
    entries = request.get("Entries", [])
    sqs._validate_batch_entries(entries, "ChangeMessageVisibilityBatchRequestEntry")
    return _answer(entries, [_hide(queue, entry) for entry in entries])


def _hide(queue: Queue, entry: Message) -> bool:
    """Set when a message becomes visible again; ``False`` where its handle is not current."""
    table = table_of(queue)
    message = table.with_receipt(entry.get("ReceiptHandle", ""))
    if message is None:
        return False
    seconds = int(entry.get("VisibilityTimeout", 30))
    message["visible_at"] = time.time() + seconds
    table.reschedule(message)
    if seconds == 0:
        sqs.esm_wake.set()
    return True


def _answer(entries: list[Message], done: list[bool]) -> Message:
    """The answer of a batch operation."""
    error = {"Code": "ReceiptHandleIsInvalid", "SenderFault": True}
    error["Message"] = "The input receipt handle is invalid."
    successful, failed = [], []
    for entry, is_done in zip(entries, done, strict=True):
        if is_done:
            successful.append({"Id": entry.get("Id", "")})
        else:
            failed.append({"Id": entry.get("Id", ""), **error})
    return {"Successful": successful, "Failed": failed}


def _invalid_handle() -> Exception:
    error: Exception = sqs._Err("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
    return error


def table_of(queue: Queue) -> MessageTable:
    """The queue's messages as a table, made of the list that MiniStack starts with."""
    if not isinstance(queue["messages"], MessageTable):
        if MessageTable.store is not None:  # of a deleted queue of this name
            MessageTable.store.clear("messages", queue["url"])
        queue["messages"] = MessageTable(queue["messages"], queue["url"])
    table: MessageTable = queue["messages"]
    return table


def _convert_new_queues() -> None:
    create = sqs._act_create_queue

    def create_queue(request: Message, url: str) -> Message:
        answer: Message = create(request, url)
        queue = sqs._queues[answer["QueueUrl"]]
        if not queue["is_fifo"]:
            table_of(queue)
        return answer

    sqs._act_create_queue = sqs._HANDLERS["CreateQueue"] = create_queue
    handlers = provisioners._RESOURCE_HANDLERS["AWS::SQS::Queue"]
    create_resource = handlers["create"]

    def create_from_template(*arguments: Any) -> Any:
        url, attributes = create_resource(*arguments)
        queue = sqs._queues[url]
        if not queue["is_fifo"]:
            table_of(queue)
        return url, attributes

    handlers["create"] = create_from_template


def _for_standard_queues(fast: Callable[..., Any], original: Callable[..., Any]) -> Any:
    def choose(queue: Queue, *arguments: Any) -> Any:
        return (original if queue["is_fifo"] else fast)(queue, *arguments)

    return choose


def _for_standard_queue_requests(
    fast: Callable[[Queue, Message], Message], original: Callable[[Message, str], Message]
) -> Callable[[Message, str], Message]:
    """Resolve the request's queue and act on its table; FIFO queues keep MiniStack's function."""

    def choose(request: Message, url: str) -> Message:
        queue = sqs._get_q(request.get("QueueUrl", url))
        return original(request, url) if queue["is_fifo"] else fast(queue, request)

    return choose
