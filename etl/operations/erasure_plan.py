"""Searches for everything that the pipeline has of one device; changes nothing."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from etl.aws.s3 import listed
from etl.aws.target import Target
from etl.operations.contract_choice import has_several
from etl.operations.dead_letters import QUEUES, depth
from etl.operations.device_messages import device_column, find_messages
from etl.operations.erasure_records import ErasureRecord, unfinished_erasure
from etl.operations.plurals import counted
from telemetry.contract import Contract
from telemetry.ddl import CONFLICTS, qualified, quote_name, quote_text
from telemetry.layout import RAW, parse_raw_key

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

__all__ = [
    "ContractPart",
    "ErasurePlan",
    "FoundBatch",
    "contracts_with_devices",
    "mixed_sentence",
    "plan_erasure",
    "search",
]

Notify = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much."""


def silent(_doing: str, _done: int, _of: int) -> None:
    """Ignore the progress of a search or an erasure."""


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


def plan_erasure(target: Target, device: str, notify: Notify = silent) -> ErasurePlan:
    """Search all raw objects, the table and the conflicts; changes nothing.

    In a pipeline of several contracts that is done in each one whose key names a device. Raises
    :class:`~etl.operations.device_messages.NoDeviceError` where none does.
    """
    contracts = contracts_with_devices(target)
    plan = ErasurePlan(device, unfinished=unfinished_erasure(target, device))
    plan.without_device = [one.name for one in target.contracts if one not in contracts]
    if has_several(target):
        plan.contracts = {one.name: ContractPart() for one in contracts}
    search(target, plan, notify)
    with closing(target.connect()) as connection, connection.cursor() as cursor:
        for contract in contracts:
            _count_rows(cursor, contract, plan)
    plan.dead_letters = sum(depth(target, queue).total for queue in QUEUES)
    return plan


def contracts_with_devices(target: Target) -> list[Contract]:
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


def search(target: Target, plan: ErasurePlan, notify: Notify) -> None:
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
    contract = target.contracts.of_raw_key(key)
    if contract is None:
        plan.unknown.append(key)
        return None
    return contract if contract.device_column is not None else None


def mixed_sentence(plan: ErasurePlan) -> str:
    """Say which messages can't be shortened, and what can be done."""
    others = sum(batch.others for batch in plan.batches)
    return (
        f"{counted(plan.mixed, 'message')} can't be shortened, as their other readings would be "
        "read differently. --whole-messages removes them from S3 with "
        f"{counted(others, 'reading')} of other devices, whose rows stay in the table. "
        "Nothing was changed."
    )
