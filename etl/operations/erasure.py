"""Erases one device: its readings, rejects, conflicts and dead letters, wherever they are.

::

    plan ──▶ record in S3 ──▶ receipts ──▶ raw objects ──▶ executions that began before have ended
         ──▶ clean zone, rejects, reports, COPY objects, ledger ──▶ rows, conflicts ──▶ dead letters

The record (``erasures/<request>.json``) names the batches before anything is changed, so that the
same command ends what an interrupted one began: each step can be repeated, and changes nothing the
second time. It has no name of a device, only a salted hash by which the command finds it again.

Nothing keeps loads out meanwhile. Once the raw objects are rewritten, whatever reads them makes the
same as this does; what had read them before is waited for.
"""

from __future__ import annotations

import gzip
import json
import secrets
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from etl.aws.invocation import FunctionFailedError, invoke
from etl.aws.target import Target
from etl.operations.active_executions import active_executions
from etl.operations.contract_choice import has_several
from etl.operations.dead_letters import (
    BATCH,
    PEEK_SECONDS,
    QUEUES,
    depth,
    envelope_of,
    make_visible,
    queue_url,
    receive,
)
from etl.operations.device_messages import find_messages
from etl.operations.erased_objects import (
    ErasureError,
    NewDigests,
    contract_of_object,
    new_digests,
    rewrite_derived,
    rewrite_raw,
    rewrite_receipts,
)
from etl.operations.erasure_plan import (
    ErasurePlan,
    FoundBatch,
    Notify,
    contracts_with_devices,
    mixed_sentence,
    plan_erasure,
    search,
    silent,
)
from etl.operations.erasure_records import ErasureRecord, device_hash, erasure_records
from etl.operations.plurals import counted
from etl.operations.rollups import refresh_rollups
from telemetry.contract import Contract
from telemetry.ddl.analytics import levels_of
from telemetry.layout import erasure_key, parse_raw_key

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import MessageTypeDef

__all__ = [
    "ErasurePlan",
    "ErasureRecord",
    "erase_device",
    "erasure_records",
    "mixed_sentence",
    "plan_erasure",
]

BATCHES_AT_ONCE = 500
"""Batches whose counts one call of the migrate function corrects."""
POLL_SECONDS = 1.0


def erase_device(
    target: Target, plan: ErasurePlan, *, whole: bool = False, notify: Notify = silent
) -> ErasureRecord:
    """Erase what the plan has found, and what arrived since; returns the finished record.

    Safe to interrupt and to run again. Raises :class:`ErasureError` where messages are mixed
    and may not be removed as a whole, before anything is changed.
    """
    record = plan.unfinished or _new_record(target, plan.device)
    whole = whole or record.whole_messages
    if plan.mixed and not whole:
        raise ErasureError(mixed_sentence(plan))
    record.whole_messages = whole
    _note(target, record, plan.batches, whole=whole)
    for _ in range(2):  # the second time for what arrived meanwhile
        _rewrite_messages(target, plan, whole=whole, notify=notify)
        _wait_for_executions(target, record, notify)
        counts = _rewrite_batches(target, record, plan.device, notify)
        _erase_rows(target, record, plan.device, counts, notify)
        plan.batches.clear()
        search(target, plan, notify)
        if not plan.batches:
            break
        _note(target, record, plan.batches, whole=whole)
    else:
        raise ErasureError(
            f"The device still sends: {counted(len(plan.batches), 'batch')} with its readings came "
            "in meanwhile. Revoke its certificate, then run the command again."
        )
    record.dead_letters += _delete_dead_letters(target, plan.device, whole=whole, notify=notify)
    if any(map(levels_of, target.contracts)):
        for left in refresh_rollups(target, "refresh"):
            notify("refreshing rollups", 0, left)
    record.finished_at = datetime.now(UTC).isoformat(timespec="seconds")
    _write(target, record)
    return record


def _new_record(target: Target, device: str) -> ErasureRecord:
    now, salt = datetime.now(UTC), secrets.token_hex(16)
    return ErasureRecord(
        request=f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
        salt=salt,
        device_sha256=device_hash(salt, device),
        contract=", ".join(one.name for one in contracts_with_devices(target)),
        requested_at=now.isoformat(timespec="seconds"),
    )


def _write(target: Target, record: ErasureRecord) -> None:
    body = json.dumps(asdict(record), indent=1).encode()
    target.client("s3").put_object(Bucket=target.bucket, Key=erasure_key(record.request), Body=body)


def _note(target: Target, record: ErasureRecord, found: list[FoundBatch], *, whole: bool) -> None:
    """Adds batches to the record; one that an interrupted call has noted is counted there."""
    for batch in found:
        if batch.raw_key not in record.batches:
            record.batches.append(batch.raw_key)
            record.messages += batch.messages
            record.readings += batch.readings + (batch.others if whole else 0)
    _write(target, record)


def _rewrite_messages(target: Target, plan: ErasurePlan, *, whole: bool, notify: Notify) -> None:
    """Rewrites the receipts, then the raw objects: these show which messages receipts lose."""
    digests: NewDigests = {}
    s3 = target.client("s3")
    for batch in plan.batches:
        try:
            body = s3.get_object(Bucket=target.bucket, Key=batch.raw_key)["Body"].read()
        except s3.exceptions.NoSuchKey:  # expired since the search
            continue
        contract, raw = contract_of_object(target, batch.raw_key), parse_raw_key(batch.raw_key)
        messages = find_messages(gzip.decompress(body), contract, plan.device)
        key_name = raw.contract if raw is not None else None
        digests |= new_digests(messages, whole=whole, contract=key_name)
    rewrite_receipts(target, digests)
    for done, batch in enumerate(plan.batches, 1):
        rewrite_raw(target, batch.raw_key, plan.device, whole=whole)
        notify("rewriting raw objects", done, len(plan.batches))


def _wait_for_executions(target: Target, record: ErasureRecord, notify: Notify) -> None:
    """Waits for the executions that may have read the raw objects before they were rewritten."""
    keys = [(key, raw) for key in record.batches if (raw := parse_raw_key(key)) is not None]
    before: set[str] | None = None
    while True:
        running = {
            one.name
            for one in active_executions(target)
            if any(one.processes(key, raw) for key, raw in keys)
        }
        before = running if before is None else before & running
        if not before:
            return
        notify("waiting for executions that process these batches", 0, len(before))
        time.sleep(POLL_SECONDS)


def _rewrite_batches(
    target: Target, record: ErasureRecord, device: str, notify: Notify
) -> dict[str, list[dict[str, Any]]]:
    """Rewrites what was made of the raw objects; returns the counts for the ledger by contract."""
    counts: dict[str, list[dict[str, Any]]] = {}
    for done, key in enumerate(record.batches, 1):
        try:
            found = rewrite_derived(target, key, device)
        except target.client("s3").exceptions.NoSuchKey:  # expired since an interrupted call
            found = None
        if found is not None:
            counts.setdefault(contract_of_object(target, key).name, []).append(found)
        notify("rewriting clean zone and rejects", done, len(record.batches))
    return counts


def _erase_rows(
    target: Target,
    record: ErasureRecord,
    device: str,
    counts: dict[str, list[dict[str, Any]]],
    notify: Notify,
) -> None:
    """Corrects the ledger and deletes rows and conflicts of each contract."""
    before = 0
    for contract in contracts_with_devices(target):
        own = counts.get(contract.name, [])
        before += _erase_rows_of(target, contract, record, device, own, before, notify)
    _write(target, record)


def _erase_rows_of(
    target: Target,
    contract: Contract,
    record: ErasureRecord,
    device: str,
    counts: list[dict[str, Any]],
    before: int,
    notify: Notify,
) -> int:
    """Does that in one contract, call by call; returns the rows that the request has deleted there.

    ``before``: those that it has deleted in the contracts before.
    """
    asked: dict[str, Any] = {"request": record.request, "device": device}
    named = {"contract": contract.name} if has_several(target) else {}
    parts = [counts[n : n + BATCHES_AT_ONCE] for n in range(0, len(counts), BATCHES_AT_ONCE)]
    rows = 0
    for part in (*parts, []):
        left, batches = True, part
        while left:
            result = _call(target, {"erase": {**asked, "batches": batches}, **named})
            left, batches = bool(result["left"]), []
            rows = int(result["rows"])
            record.rows = before + rows
            record.conflicts += int(result["conflicts"])
            notify("deleting rows", record.rows, record.rows)
    return rows


def _call(target: Target, event: dict[str, Any]) -> dict[str, Any]:
    name = target.outputs["MigrateFunctionName"]
    try:
        result = invoke(target.invoking_client(), name, event)
    except FunctionFailedError as error:
        raise ErasureError(f"{error} Run the command again: it goes on from there.") from error
    if "rows" not in result:
        raise ErasureError(f"{name} is of an older version, which can't erase: `etl deploy` first.")
    return result


def _delete_dead_letters(target: Target, device: str, *, whole: bool, notify: Notify) -> int:
    """Deletes the device's messages from both dead-letter queues; returns how many.

    A message with readings of other devices stays, unless whole messages may be removed.
    """
    sqs, deleted = target.client("sqs"), 0
    for queue in QUEUES:
        url, seen = queue_url(target, queue), set[str]()
        while depth(target, queue).total:
            found = receive(sqs, url, BATCH, PEEK_SECONDS)
            fresh = [message for message in found if message["MessageId"] not in seen]
            if not fresh:
                make_visible(sqs, url, found)
                break
            seen |= {message["MessageId"] for message in fresh}
            own = [m for m in fresh if _is_own(target, m, device, whole=whole)]
            for message in own:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            make_visible(sqs, url, [m for m in found if m not in own])
            deleted += len(own)
            notify("searching dead letters", len(seen), len(seen))
    return deleted


def _is_own(target: Target, message: MessageTypeDef, device: str, *, whole: bool) -> bool:
    envelope = envelope_of(message, target.outputs)
    contract = target.contracts.of_key(envelope.contract)
    if contract is None or contract.device_column is None:
        return False
    found = find_messages(envelope.line, contract, device)
    return any(whole or r.removed == r.readings for r in found.removals.values())
