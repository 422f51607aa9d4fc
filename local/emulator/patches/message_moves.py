"""Amazon SQS: moving the messages of a dead-letter queue in bulk.

AWS: ``StartMessageMoveTask`` moves the messages of a queue that is another's dead-letter queue to
their source or to a named queue, in the background, at up to 500 a second where no rate is given;
one task at a time for a queue. Moved messages are new ones, with an id, an age and receives of
their own. ``ListMessageMoveTasks`` lists the last ten tasks, ``CancelMessageMoveTask`` stops one.
MiniStack 1.5.33 answers ``InvalidAction`` to all three. Remove when the released emulator passes
``test_message_move_tasks.py`` without it.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from ministack.services import sqs

from local.emulator.patches import queues

__all__ = ["RELIES_ON", "apply"]

RELIES_ON = (
    "services.sqs._Err", "services.sqs._HANDLERS", "services.sqs._queue_by_arn",
    "services.sqs._queues", "services.sqs.esm_wake", "services.sqs.new_uuid",
)  # fmt: skip

Message = dict[str, Any]
Queue = dict[str, Any]

DEFAULT_RATE = 500
"""Messages a second; AWS chooses "up to 500"."""
STEP_SECONDS = 0.05
TASKS_KEPT = 10


@dataclass
class _Task:
    source: str
    destination: str | None
    rate: int
    to_move: int
    status: str = "RUNNING"
    moved: int = 0
    failure: str | None = None
    handle: str = field(default_factory=sqs.new_uuid)
    started: int = field(default_factory=lambda: int(time.time() * 1000))

    def as_result(self) -> Message:
        """The task as ``ListMessageMoveTasks`` returns it."""
        entry: Message = {
            "Status": self.status,
            "SourceArn": self.source,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.to_move,
            "StartedTimestamp": self.started,
        }
        optional = {"DestinationArn": self.destination, "FailureReason": self.failure}
        entry |= {name: value for name, value in optional.items() if value is not None}
        if self.rate != DEFAULT_RATE:
            entry["MaxNumberOfMessagesPerSecond"] = self.rate
        return entry | ({"TaskHandle": self.handle} if self.status == "RUNNING" else {})


_tasks: dict[str, list[_Task]] = {}
"""Tasks by ARN of the source queue, the newest first."""


def apply() -> None:
    """Answer the three operations."""
    sqs._HANDLERS["StartMessageMoveTask"] = _start
    sqs._HANDLERS["ListMessageMoveTasks"] = _list
    sqs._HANDLERS["CancelMessageMoveTask"] = _cancel


def _start(request: Message, _url: str) -> Message:
    source_arn, destination_arn = request["SourceArn"], request.get("DestinationArn")
    source = _queue(source_arn, "SourceArn")
    if not _is_dead_letter_queue(source_arn):
        raise _invalid("Source queue must be configured as a Dead Letter Queue.")
    if destination_arn is not None:
        _queue(destination_arn, "DestinationArn")
    rate = int(request.get("MaxNumberOfMessagesPerSecond") or DEFAULT_RATE)
    if not 1 <= rate <= DEFAULT_RATE:
        raise _invalid("MaxNumberOfMessagesPerSecond must be between 1 and 500.")
    tasks = _tasks.setdefault(source_arn, [])
    if any(task.status in ("RUNNING", "CANCELLING") for task in tasks):
        raise _invalid(
            "There is already a task running. Only one active task is allowed for a source queue "
            "arn at a given time."
        )
    task = _Task(source_arn, destination_arn, rate, len(source["messages"]))
    tasks.insert(0, task)
    del tasks[TASKS_KEPT:]
    threading.Thread(target=_work, args=(task, source), daemon=True).start()
    return {"TaskHandle": task.handle}


def _list(request: Message, _url: str) -> Message:
    _queue(request["SourceArn"], "SourceArn")
    most = int(request.get("MaxResults") or 1)
    return {"Results": [task.as_result() for task in _tasks.get(request["SourceArn"], [])[:most]]}


def _cancel(request: Message, _url: str) -> Message:
    for task in (task for tasks in _tasks.values() for task in tasks):
        if task.handle == request["TaskHandle"] and task.status == "RUNNING":
            task.status = "CANCELLING"
            return {"ApproximateNumberOfMessagesMoved": task.moved}
    raise sqs._Err("ResourceNotFoundException", "Task does not exist.", 404)


def _work(task: _Task, source: Queue) -> None:
    """Move what is visible now, at the task's rate, until none is left or it is cancelled."""
    began = time.monotonic()
    while task.status == "RUNNING" and task.moved < task.to_move:
        if task.moved >= task.rate * (time.monotonic() - began + STEP_SECONDS):
            time.sleep(STEP_SECONDS)
            continue
        table = queues.table_of(source)
        message = table.next_visible(time.time())
        if message is None:
            break
        destination = _destination(task, message)
        if destination is None:
            table.reschedule(message)
            task.status, task.failure = "FAILED", "CouldNotDetermineMessageSource"
            return
        destination["messages"].append(_as_new_message(message))
        table.remove(message)
        task.moved += 1
        sqs.esm_wake.set()
    task.status = "CANCELLED" if task.status == "CANCELLING" else "COMPLETED"


def _destination(task: _Task, message: Message) -> Queue | None:
    arn = task.destination or message["sys"].get("DeadLetterQueueSourceArn")
    found: Queue | None = sqs._queue_by_arn(arn) if arn else None
    return found


def _as_new_message(message: Message) -> Message:
    now = time.time()
    fresh = {
        **message,
        "id": sqs.new_uuid(),
        "receipt_handle": None,
        "sent_at": now,
        "visible_at": now,
        "receive_count": 0,
        "first_receive_at": None,
    }
    kept = {k: v for k, v in message["sys"].items() if k != "DeadLetterQueueSourceArn"}
    fresh["sys"] = {**kept, "SentTimestamp": str(int(now * 1000))}
    return fresh


def _queue(arn: str, parameter: str) -> Queue:
    found: Queue | None = sqs._queue_by_arn(arn)
    if found is None:
        raise sqs._Err(
            "ResourceNotFoundException",
            f"The resource that you specified for the {parameter} parameter doesn't exist.",
            404,
        )
    return found


def _is_dead_letter_queue(arn: str) -> bool:
    policies = (q["attributes"].get("RedrivePolicy") for q in sqs._queues.values())
    return any(json.loads(p).get("deadLetterTargetArn") == arn for p in policies if p)


def _invalid(message: str) -> Exception:
    error: Exception = sqs._Err("InvalidParameterValue", message)
    return error
