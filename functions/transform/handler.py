"""Transform: one raw micro-batch becomes clean rows, rejects and a report, all of them in S3."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from functools import partial
from typing import Any

from functions.transform.bodies import clean_bodies, rejected_bodies
from functions.transform.isolation import UNREADABLE
from telemetry import layout, metrics
from telemetry.checksums import Checksum
from telemetry.contract import NO_CONTRACT, Contract, ContractSet, load_contracts
from telemetry.entry import lambda_entry
from telemetry.errors import BatchCorruptError, BatchMissingError
from telemetry.forgotten import without_forgotten
from telemetry.logs import log
from telemetry.manifest import Purpose, purpose_of
from telemetry.metric_table import reason_kind
from telemetry.parallel import run_in_parallel
from telemetry.reports import report_body
from telemetry.storage import get_object, put_object
from telemetry.tracing import step

__all__ = ["handle"]

COUNTS = ("read", "accepted", "duplicates", "conflicts", "rejected", "set_aside")
UNREADABLE_BATCH = "unreadable_batch"
"""Reason of the rejects of a batch that could not be read."""


@dataclass(frozen=True)
class Stored:
    """One object to be written."""

    key: str
    body: bytes
    content_type: str
    known: Checksum | None = None
    """Its checksum, where that has been counted already."""

    @property
    def checksum(self) -> Checksum:
        """Checksum of the body."""
        return self.known or Checksum.of(self.body)


@lambda_entry
def handle(event: dict[str, Any]) -> dict[str, Any]:
    """``{"bucket", "key", "execution", "purpose", ...}`` in, a reference to the report with the
    counts out.

    The key names the contract. Where the pipeline has none of that name any more, the batch is
    processed under the first one, and all its messages are rejects.

    Raises ``BatchMissingError`` or ``BatchCorruptError`` where the raw object can't be read, unless
    an operator discards the batch.
    """
    bucket, key = event["bucket"], event["key"]
    with step("fetch"):
        raw = _fetch(bucket, key, purpose_of(event))
    contract, reason = _contract_of(key, load_contracts())
    objects, report = transform(raw, contract, key, event["execution"], reason=reason)
    with step("store"):
        *named, report_last = [
            partial(put_object, bucket, one.key, one.body, one.content_type) for one in objects
        ]
        run_in_parallel(named)
        report_last()  # so that whoever reads it finds the objects that it names
    counts = {name: report[name] for name in COUNTS}
    unreadable = sum(
        n for why, n in report["rejected_by"].items() if reason_kind(why) == UNREADABLE
    )
    if unreadable:
        metrics.record("MessagesUnreadable", unreadable)
    log.info("Transformed", **counts, rejected_by=report["rejected_by"])
    return {
        "bucket": bucket,
        "batch_id": report["batch_id"],
        "raw_key": key,
        "execution": event["execution"],
        "purpose": purpose_of(event),
        "report_key": layout.report_key(report["batch_id"]),
        "copy_key": report["copy"]["key"],
        **counts,
    }


def _contract_of(key: str, contracts: ContractSet) -> tuple[Contract, str | None]:
    """The contract to process a batch under, and the reason to reject all its messages, if any."""
    place = layout.parse_raw_key(key)
    contract = contracts.first if place is None else contracts.of_key(place.contract)
    if contract is not None:
        return contract, None
    log.warning("The pipeline has no contract for this batch", key=key, contracts=contracts.names)
    return contracts.first, NO_CONTRACT


def _fetch(bucket: str, key: str, purpose: Purpose) -> bytes | None:
    """The lines of a raw object; ``None`` for one that can't be read and is to be discarded."""
    try:
        return decompress(get_object(bucket, key), key)
    except (BatchCorruptError, BatchMissingError) as error:
        if purpose != "discard":
            raise
        log.warning("A batch that can't be read is discarded", cause=str(error))
        return None


def decompress(body: bytes, key: str) -> bytes:
    """The lines of a raw object; raises ``BatchCorruptError`` if it is not a complete gzip file."""
    try:
        if not body:  # which gzip.decompress takes for a whole file of nothing
            raise EOFError("it is empty")
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        raise BatchCorruptError(
            f"{key} is not a complete gzip file ({error}): restore an earlier version of the "
            "object and replay the batch, or discard it."
        ) from error


def transform(
    raw: bytes | None,
    contract: Contract,
    key: str,
    execution: str,
    *,
    reason: str | None = None,
) -> tuple[list[Stored], dict[str, Any]]:
    """The objects that a raw micro-batch comes to, the report last, and the report itself.

    Of one that can't be read (``None``) each message that its name counts is a reject, so that all
    of them are accounted for; with a ``reason`` every message is one for that reason, whatever it
    holds. Pure: the same lines under the same key give the same bytes.
    """
    place = layout.parse_raw_key(key)
    if place is None:
        raise BatchCorruptError(f"{key} is not the key of a raw micro-batch: see telemetry.layout.")
    lines = raw or b""
    if reason is None:
        rows, bodies = clean_bodies(lines, contract)
    else:
        rows, bodies = rejected_bodies(lines, contract, reason)
    copy_key = layout.copy_key(place, contract.digest)
    objects = [
        Stored(layout.clean_key(place), bodies.parquet, "application/vnd.apache.parquet"),
        Stored(copy_key, bodies.copy, "text/csv; charset=utf-8", bodies.whole),
        Stored(layout.rejected_key(place), bodies.rejects, "application/x-ndjson+gzip"),
    ]
    copy = {
        "key": copy_key,
        "rows": rows.height,
        **bodies.lines.as_dict(),
        "columns": rows.columns,
    }
    if bodies.groups is not None:
        copy["groups_key"] = layout.copy_groups_key(place, contract.digest)
        objects.append(
            Stored(
                layout.copy_groups_key(place, contract.digest), bodies.groups, "application/json"
            )
        )
    report: dict[str, Any] = {"batch_id": place.batch_id, "raw_key": key, "execution": execution}
    report |= bodies.description
    forgotten = without_forgotten(lines)[1]
    report["messages"] += forgotten.messages
    report["read"] += forgotten.readings
    report["forgotten"] = forgotten.readings
    if raw is None:
        lost = place.messages
        report |= {"messages": lost, "read": lost, "rejected": lost}
        report["rejected_by"] = {UNREADABLE_BATCH: lost} if lost else {}
    report |= {"clean_key": layout.clean_key(place), "rejected_key": layout.rejected_key(place)}
    written = {stored.key: stored.checksum.as_dict() for stored in objects}
    report |= {"copy": copy, "objects": written, "verdict": None, "findings": []}
    body = report_body(report)
    objects.append(Stored(layout.report_key(place.batch_id), body, "application/json"))
    return objects, report
