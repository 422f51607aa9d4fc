"""State that outlives the emulator, however it ends: by SIGTERM, ``kill -9`` or a full disk.

AWS keeps what it has accepted. MiniStack 1.5.33 with ``PERSIST_STATE=1`` writes its state once, on
a clean shutdown, and with ``S3_PERSIST=1`` each object as it is put; a kill loses all the rest.
Remove when a released MiniStack passes ``test_state_survives_a_kill.py`` without it.

==========================  ======================================  ============================
State                       Written                                 A kill loses at most
==========================  ======================================  ============================
S3 objects, SQS messages    before the request is answered          nothing
executions, map runs        every :data:`TICK_SECONDS`              the newest steps of a history
stacks, functions, devices  within :data:`TICK_SECONDS` of a        the change that is under way
...                         change; a deployment once it has ended
metrics, alarms, logs       every :data:`SLOW_SECONDS`              the last minute
==========================  ======================================  ============================

Differences from AWS: an execution that runs when the emulator ends has failed when it is back
(``Emulator.Stopped``), and the sweep loads its batches; a message that was in flight is visible at
once and its receives are counted from 0 again.
"""

from __future__ import annotations

import copy
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from ministack import app
from ministack.core import persistence
from ministack.core.responses import now_iso
from ministack.services import cloudformation, sqs, stepfunctions

from local.emulator.patches import snapshots
from local.emulator.patches.message_table import MessageTable
from local.emulator.patches.state_store import StateStore

__all__ = ["RELIES_ON", "apply", "changes_configuration"]

RELIES_ON = (
    "app.SERVICE_HANDLERS.items", "app._build_persistence_save_dict",
    "core.persistence.PERSIST_STATE",
    "core.persistence.STATE_DIR", "core.persistence._json_default",
    "core.persistence._json_object_hook", "core.persistence.save_state",
    "core.responses.now_iso", "services.cloudformation._restore_state",
    "services.cloudformation._stacks.all_items", "services.sqs._queues.all_items",
    "services.sqs._restore_state", "services.sqs.get_state",
    "services.stepfunctions._executions", "services.stepfunctions._map_runs",
    "services.stepfunctions._restore_state", "services.stepfunctions.get_state",
    "services.stepfunctions._activities", "services.stepfunctions._state_machine_aliases",
    "services.stepfunctions._state_machine_versions", "services.stepfunctions._state_machines",
    "services.stepfunctions._tags",
)  # fmt: skip

Document = dict[str, Any]

FILE = "state.sqlite"
TICK_SECONDS = 0.5
SLOW_SECONDS = 60.0
SLOW_PAUSE = 50
"""Least time between two of these snapshots, in multiples of what the last one took."""
SLOW = frozenset({"cloudwatch", "cloudwatch_logs"})
"""Services whose state is large and changes with every invocation."""
STOPPED = "Emulator.Stopped"
CAUSE = "The emulator ended while this execution ran. The sweep loads the batches that it left."
READS = ("Describe", "Get", "List", "BatchGet", "Search", "Filter", "Lookup", "Validate", "Test")
FREQUENT = frozenset(
    {
        "SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage", "DeleteMessageBatch",
        "ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "StartExecution",
        "StartSyncExecution", "Publish", "PublishBatch", "PutMetricData", "PutLogEvents",
        "CreateLogStream", "AssumeRole", "Decrypt", "Encrypt", "GenerateDataKey",
    }
)  # fmt: skip
"""Actions on data, which change no configuration."""
INTERRUPTED = {
    "CREATE": "ROLLBACK_COMPLETE",
    "DELETE": "DELETE_FAILED",
    "UPDATE": "UPDATE_ROLLBACK_COMPLETE",
}
"""Status of a stack whose operation the emulator's end has interrupted, by the operation."""
_log = logging.getLogger("emulator.persistence")


def apply() -> None:
    """Keep the state of this emulator, where it was started with ``PERSIST_STATE=1``."""
    if not persistence.PERSIST_STATE:
        return
    store = StateStore(Path(persistence.STATE_DIR) / FILE)
    MessageTable.store = store
    snapshots.apply()
    _keep_messages(store)
    saver = _Saver(store)
    _keep_executions(saver)
    _settle_interrupted_deployments()
    for service, handle in list(app.SERVICE_HANDLERS.items()):
        app.SERVICE_HANDLERS[service] = saver.watching(service, handle)
    threading.Thread(target=saver.run, name="persistence", daemon=True).start()


def changes_configuration(
    service: str, method: str, path: str, headers: dict[str, str], body: bytes
) -> bool:
    """True where a request may change more than messages, objects, executions or measurements."""
    action = headers.get("x-amz-target", "").rpartition(".")[2] or path.partition("/operation/")[2]
    if not action and service != "s3" and b"Action=" in body:
        action = parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0]
    if action:
        return not action.startswith(READS) and action not in FREQUENT
    if method in ("GET", "HEAD") or "/invocations" in path or service == "iot-data":
        return False
    return service != "s3" or "/" not in path.strip("/")


def _keep_messages(store: StateStore) -> None:
    """Read each standard queue's messages from the store; the snapshot has the queues alone."""
    restore, get_state = sqs._restore_state, sqs.get_state

    def restore_state(data: Any) -> None:
        restore(data)
        for url, queue in _standard_queues():
            queue["messages"] = MessageTable.restored(url)
        store.keep_only("messages", (url for url, _ in _standard_queues()))

    def state() -> Document:
        answer: Document = get_state()
        for _, queue in answer["queues"].all_items():
            if not queue["is_fifo"]:
                queue["messages"] = []
        return answer

    sqs._restore_state, sqs.get_state = restore_state, state


def _standard_queues() -> Iterator[tuple[str, Document]]:
    for (_, _, url), queue in sqs._queues.all_items():
        if not queue["is_fifo"]:
            yield url, queue


def _keep_executions(saver: _Saver) -> None:
    """Leave the executions to the store; the snapshot has the state machines."""
    restore = stepfunctions._restore_state

    def restore_state(data: Any) -> None:
        restore(data)
        saver.restore_executions()

    def state() -> Document:
        saver.save_executions()
        kept = {
            "state_machines": stepfunctions._state_machines,
            "tags": stepfunctions._tags,
            "activities": stepfunctions._activities,
            "state_machine_versions": stepfunctions._state_machine_versions,
            "state_machine_aliases": stepfunctions._state_machine_aliases,
        }
        return copy.deepcopy(kept)

    stepfunctions._restore_state, stepfunctions.get_state = restore_state, state


def _settle_interrupted_deployments() -> None:
    """A deployment that the emulator's end has interrupted is over, so that a new one may start."""
    restore = cloudformation._restore_state

    def restore_state(data: Any) -> None:
        restore(data)
        for _, stack in cloudformation._stacks.all_items():
            status = str(stack.get("StackStatus", ""))
            if status.endswith("IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
                stack["StackStatus"] = INTERRUPTED.get(
                    status.split("_", maxsplit=1)[0], INTERRUPTED["UPDATE"]
                )
                stack["StackStatusReason"] = "The emulator ended during this operation."

    cloudformation._restore_state = restore_state


class _Saver:
    """Writes what has changed since it last looked."""

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._changed: set[str] = set()
        self._saved: dict[str, tuple[Any, ...]] = {}
        """Status, number of events and end of each execution as last written, by ARN."""
        self._saving = threading.RLock()

    def watching(self, service: str, handle: Callable[..., Any]) -> Callable[..., Any]:
        """Note which requests of a service change its configuration."""

        async def handle_and_note(
            method: str, path: str, headers: Any, body: bytes, query: Any, *more: Any, **named: Any
        ) -> Any:
            answer = await handle(method, path, headers, body, query, *more, **named)
            if changes_configuration(service, method, path, headers, body or b""):
                self._changed.add(service)
            return answer

        return handle_and_note

    def run(self) -> None:
        """Look again and again until the emulator ends."""
        slow = time.monotonic() + SLOW_SECONDS
        while True:
            time.sleep(TICK_SECONDS)
            try:
                self.save_executions()
                if self._changed and not _deploying():
                    self._changed.clear()
                    self._save(lambda name: name not in SLOW)
                if (began := time.monotonic()) > slow:
                    self._save(lambda name: name in SLOW)
                    ended = time.monotonic()
                    slow = ended + max(SLOW_SECONDS, SLOW_PAUSE * (ended - began))
            except Exception:  # a full disk must not end the saving for good
                _log.exception("The state can't be written")

    def _save(self, chosen: Callable[[str], bool]) -> None:
        found = app._build_persistence_save_dict()
        # The stacks last: a stack that is there has its resources.
        for name in sorted(filter(chosen, found), key="cloudformation".__eq__):
            get_state = found[name]
            try:
                state = get_state()
            except RuntimeError:  # it changed while it was copied: next time
                self._changed.add(name)
                continue
            if state is not None:
                persistence.save_state(name, state)

    def save_executions(self) -> None:
        """Write each execution and map run that has gone on since."""
        with self._saving:
            for table in ("executions", "map_runs"):
                for (account, region, arn), one in _records(table).all_items():
                    mark = (one.get("status"), len(one.get("events", ())), one.get("stopDate"))
                    if self._saved.get(arn) == mark:
                        continue
                    try:
                        text = json.dumps([account, region, one], default=persistence._json_default)
                    except RuntimeError:  # it changed while it was written: next time
                        continue
                    self._store.put("executions", table, arn, text)
                    self._saved[arn] = mark
            self._forget()

    def _forget(self) -> None:
        """Delete what was deleted with its state machine."""
        for table in ("executions", "map_runs"):
            known = {arn for (_, _, arn), _ in _records(table).all_items()}
            label = ":execution:" if table == "executions" else ":mapRun:"
            for arn in [one for one in self._saved if label in one and one not in known]:
                self._store.delete("executions", table, arn)
                del self._saved[arn]

    def restore_executions(self) -> None:
        """Read them back; what ran has failed."""
        for table, arn, text in self._store.rows("executions"):
            account, region, one = json.loads(text, object_hook=persistence._json_object_hook)
            _records(table).set_scoped(account, region, arn, one)
            if one.get("status") == "RUNNING":
                one.update(status="FAILED", stopDate=now_iso(), error=STOPPED, cause=CAUSE)
                if "events" in one:
                    _append_failure(one)
            else:
                self._saved[arn] = (one.get("status"), len(one.get("events", ())), one["stopDate"])


def _append_failure(execution: Document) -> None:
    number = len(execution["events"]) + 1
    details = {"error": STOPPED, "cause": CAUSE}
    execution["events"].append(
        {
            "id": number,
            "previousEventId": number - 1,
            "type": "ExecutionFailed",
            "timestamp": execution["stopDate"],
            "executionFailedEventDetails": details,
        }
    )


def _records(table: str) -> Any:
    return stepfunctions._executions if table == "executions" else stepfunctions._map_runs


def _deploying() -> bool:
    """True while CloudFormation works: half a deployment is not worth a snapshot."""
    return any(
        str(stack.get("StackStatus", "")).endswith("IN_PROGRESS")
        and stack["StackStatus"] != "REVIEW_IN_PROGRESS"
        for _, stack in cloudformation._stacks.all_items()
    )
