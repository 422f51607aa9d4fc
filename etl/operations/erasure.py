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
import hashlib
import json
import secrets
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from etl.aws.invocation import FunctionFailedError, invoke
from etl.aws.s3 import listed
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
from etl.operations.device_messages import device_column, find_messages
from etl.operations.erased_objects import (
    ErasureError,
    NewDigests,
    contract_of_object,
    new_digests,
    rewrite_derived,
    rewrite_raw,
    rewrite_receipts,
)
from etl.operations.plurals import counted
from etl.operations.rollups import refresh_rollups
from telemetry.contract import Contract
from telemetry.ddl import CONFLICTS, qualified, quote_name, quote_text
from telemetry.ddl.analytics import levels_of
from telemetry.layout import ERASURES, RAW, erasure_key, parse_raw_key

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor
    from types_boto3_sqs.type_defs import MessageTypeDef

__all__ = [
    "ContractPart",
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
Notify = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much."""


def _silent(_doing: str, _done: int, _of: int) -> None:
    return


@dataclass(frozen=True)
class FoundBatch:
    """A batch that has readings of the device. Counts are of these readings."""

    raw_key: str
    size: int
    """Size of the raw object in bytes, compressed."""
    messages: int
    readings: int
    rejects: int
    mixed: int
    """Messages with readings of several devices that can only be removed as a whole."""
    others: int
    """Readings of other devices in these."""


@dataclass
class ContractPart:
    """The device's data of one contract."""

    rows: int = 0
    conflicts: int = 0
    objects: int = 0
    """Raw objects to rewrite."""
    messages: int = 0
    readings: int = 0
    rejects: int = 0


@dataclass
class ErasureRecord:
    """The record of one request, as it is kept in S3. It names no device."""

    request: str
    salt: str
    device_sha256: str
    """SHA-256 of salt and device, in hexadecimal."""
    contract: str
    requested_at: str
    whole_messages: bool = False
    finished_at: str | None = None
    batches: list[str] = field(default_factory=list)
    """Raw keys of the batches that it changes."""
    messages: int = 0
    """Messages removed or shortened."""
    readings: int = 0
    rows: int = 0
    conflicts: int = 0
    dead_letters: int = 0

    def is_of(self, device: str) -> bool:
        """True if this device is the one that was erased."""
        return secrets.compare_digest(self.device_sha256, _hash(self.salt, device))


@dataclass
class ErasurePlan:
    """The result of a search for a device, and the record that an earlier call left unfinished."""

    device: str
    batches: list[FoundBatch] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    """Raw objects that can't be read, so that nothing can be erased in them."""
    rows: int = 0
    conflicts: int = 0
    dead_letters: int = 0
    """Messages in both dead-letter queues, whosever they are."""
    unfinished: ErasureRecord | None = None
    searched: set[str] = field(default_factory=set)
    """Raw objects that were searched."""
    contracts: dict[str, ContractPart] = field(default_factory=dict)
    """Contents of each contract whose key names a device, in a pipeline of several."""
    without_device: list[str] = field(default_factory=list)
    """Names of the contracts whose key names no device: nothing is erased there."""
    unknown: list[str] = field(default_factory=list)
    """Raw objects of contracts that the pipeline has no more, which can't be searched."""

    @property
    def nothing(self) -> bool:
        """True where the device is nowhere, as far as it can be known."""
        found = self.batches or self.rows or self.conflicts or self.dead_letters
        return not found and self.unfinished is None

    @property
    def mixed(self) -> int:
        """Messages that can only be removed as a whole."""
        return sum(batch.mixed for batch in self.batches)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        names = ("messages", "readings", "rejects", "mixed", "others")
        return {
            "device": self.device,
            "rows": self.rows,
            "conflicts": self.conflicts,
            "objects": len(self.batches),
            "bytes": sum(batch.size for batch in self.batches),
            **{name: sum(getattr(batch, name) for batch in self.batches) for name in names},
            "dead_letters_to_search": self.dead_letters,
            "unreadable": self.unreadable,
            "unfinished": self.unfinished.request if self.unfinished else None,
            **({"unknown": self.unknown} if self.unknown else {}),
            **(
                {
                    "contracts": {name: asdict(part) for name, part in self.contracts.items()},
                    "without_device": self.without_device,
                }
                if self.contracts
                else {}
            ),
        }


def plan_erasure(target: Target, device: str, notify: Notify = _silent) -> ErasurePlan:
    """Search all raw objects, the table and the conflicts; changes nothing.

    In a pipeline of several contracts that is done in each one whose key names a device. Raises
    :class:`~etl.operations.device_messages.NoDeviceError` where none does.
    """
    contracts = _contracts_with_devices(target)
    plan = ErasurePlan(device, unfinished=_unfinished(target, device))
    plan.without_device = [one.name for one in target.contracts if one not in contracts]
    if has_several(target):
        plan.contracts = {one.name: ContractPart() for one in contracts}
    _search(target, plan, notify)
    with closing(target.connect()) as connection, connection.cursor() as cursor:
        for contract in contracts:
            _count_rows(cursor, contract, plan)
    plan.dead_letters = sum(depth(target, queue).total for queue in QUEUES)
    return plan


def _contracts_with_devices(target: Target) -> list[Contract]:
    """The contracts whose key names a device. Raises ``NoDeviceError`` where none does."""
    found = [one for one in target.contracts if one.device_column is not None]
    if not found:
        device_column(target.contract)
    return found


def _count_rows(cursor: Cursor, contract: Contract, plan: ErasurePlan) -> None:
    """Adds the device's rows and conflicts of one contract to the plan."""
    column = device_column(contract)
    cursor.execute(
        f"SELECT count(*) FROM {qualified(contract)} "  # noqa: S608 - quoted names
        f"WHERE {quote_name(column)}::text = %s",
        (plan.device,),
    )
    [(rows,)] = cursor.fetchall()
    cursor.execute(
        f"SELECT count(*) FROM {CONFLICTS} WHERE contract = %s "  # noqa: S608 - quoted names
        f"AND key ->> {quote_text(column)} = %s",
        (contract.name, plan.device),
    )
    [(conflicts,)] = cursor.fetchall()
    plan.rows += rows
    plan.conflicts += conflicts
    if contract.name in plan.contracts:
        part = plan.contracts[contract.name]
        part.rows, part.conflicts = rows, conflicts


def erase_device(
    target: Target, plan: ErasurePlan, *, whole: bool = False, notify: Notify = _silent
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
        _search(target, plan, notify)
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


def mixed_sentence(plan: ErasurePlan) -> str:
    """Say which messages can't be shortened, and what can be done."""
    others = sum(batch.others for batch in plan.batches)
    return (
        f"{counted(plan.mixed, 'message')} can't be shortened, as their other readings would be "
        "read differently. --whole-messages removes them from S3 with "
        f"{counted(others, 'reading')} of other devices, whose rows stay in the table. "
        "Nothing was changed."
    )


def _hash(salt: str, device: str) -> str:
    return hashlib.sha256(f"{salt}:{device}".encode()).hexdigest()


def _new_record(target: Target, device: str) -> ErasureRecord:
    now, salt = datetime.now(UTC), secrets.token_hex(16)
    return ErasureRecord(
        request=f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
        salt=salt,
        device_sha256=_hash(salt, device),
        contract=", ".join(one.name for one in _contracts_with_devices(target)),
        requested_at=now.isoformat(timespec="seconds"),
    )


def erasure_records(target: Target) -> Iterator[ErasureRecord]:
    """The records of all requests, oldest first."""
    s3, known = target.client("s3"), {one.name for one in fields(ErasureRecord)}
    for entry in listed(s3, target.bucket, ERASURES):
        content = json.loads(s3.get_object(Bucket=target.bucket, Key=entry["Key"])["Body"].read())
        yield ErasureRecord(**{name: content[name] for name in known if name in content})


def _unfinished(target: Target, device: str) -> ErasureRecord | None:
    """The record of an erasure of this device that an earlier call didn't finish."""
    records = (one for one in erasure_records(target) if one.finished_at is None)
    return next((one for one in records if one.is_of(device)), None)


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


def _search(target: Target, plan: ErasurePlan, notify: Notify) -> None:
    """Adds the batches with readings of the device among those not searched so far."""
    s3 = target.client("s3")
    entries = [
        entry
        for entry in listed(s3, target.bucket, RAW)
        if parse_raw_key(entry["Key"]) is not None and entry["Key"] not in plan.searched
    ]
    for done, entry in enumerate(entries, 1):
        key = entry["Key"]
        plan.searched.add(key)
        contract = _searchable(target, plan, key)
        if contract is None:
            continue
        try:
            body = s3.get_object(Bucket=target.bucket, Key=key)["Body"].read()
            found = find_messages(gzip.decompress(body), contract, plan.device)
        except s3.exceptions.NoSuchKey:
            continue  # expired since the listing
        except (OSError, EOFError, zlib.error):
            plan.unreadable.append(key)
            continue
        if found:
            batch = FoundBatch(
                key,
                int(entry["Size"]),
                found.messages(),
                found.readings() - found.others,
                found.rejects,
                found.mixed,
                found.others,
            )
            plan.batches.append(batch)
            if contract.name in plan.contracts:
                part = plan.contracts[contract.name]
                part.objects += 1
                part.messages += batch.messages
                part.readings += batch.readings
                part.rejects += batch.rejects
        notify("searching", done, len(entries))


def _searchable(target: Target, plan: ErasurePlan, key: str) -> Contract | None:
    """The contract to read a raw object by; ``None`` where it names no device, or is no more."""
    raw = parse_raw_key(key)
    contract = target.contracts.of_key(raw.contract if raw is not None else None)
    if contract is None:
        plan.unknown.append(key)
        return None
    return contract if contract.device_column is not None else None


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
    for contract in _contracts_with_devices(target):
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
