"""Lambda function: loads the batch's rows into PostgreSQL, in one transaction with the ledger.

Event: the result of Validate. Result: ``{"batch_id", "status", "inserted", "updated",
"unchanged", "conflicts", "conflicts_in_table", "repeated"}``. Before it returns, the outcome of the
batch is in S3.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from functions.load.batch import Batch, Group, groups_of, parse_batch
from functions.load.loading import Finding, Loaded, load_batch
from functions.load.metrics import measure
from functions.load.rollup_invalidation import REFRESH_SECONDS, refresh
from functions.load.schema_errors import require_contract, schema_errors
from functions.load.source import StoredCopy
from telemetry import settings
from telemetry.contract import Contract, load_contracts
from telemetry.database import connect
from telemetry.entry import lambda_entry, seconds_left
from telemetry.layout import outcome_key, parse_raw_key
from telemetry.logs import log
from telemetry.reports import parse_report, report_body
from telemetry.storage import get_object, open_object, put_object
from telemetry.tracing import step

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

__all__ = ["handle"]


@lambda_entry
def handle(event: dict[str, Any]) -> dict[str, Any]:
    """Loads the batch that the event refers to."""
    bucket = event["bucket"]
    with step("read report"):
        batch = parse_batch(event, get_object(bucket, event["report_key"]))
    contract, batch = _contract_of(batch)
    with closing(_connected(contract, batch)) as connection:
        with step("load batch"), schema_errors(contract):
            loaded = _load(connection, contract, bucket, batch)
        with step("write outcome"):
            if loaded.finding is not None:
                _write_finding(bucket, event["report_key"], loaded.finding)
            _write_outcome(bucket, batch, loaded, event["verdict"])
        _report(batch, loaded)
        with step("refresh rollups"):
            refresh(connection, contract, seconds=min(REFRESH_SECONDS, seconds_left() / 4))
    entry = loaded.entry
    return {
        "batch_id": entry.batch_id,
        "status": entry.status,
        "inserted": entry.inserted,
        "updated": entry.updated,
        "unchanged": entry.unchanged,
        "conflicts": entry.conflicts,
        "conflicts_in_table": entry.conflicts_in_table,
        "repeated": loaded.repeated,
    }


def _contract_of(batch: Batch) -> tuple[Contract, Batch]:
    """The contract to load the batch with, and the batch.

    Of a batch whose contract the pipeline does not have any more, no row is loaded. What was loaded
    before stays, whatever an operator asks for: the rows are in that contract's table.
    """
    contracts, place = load_contracts(), parse_raw_key(batch.raw_key)
    contract = contracts.of_raw_key(batch.raw_key)
    if contract is None and batch.purpose in ("replay", "repair"):
        batch = replace(batch, purpose="load")
    contract = contract or contracts.first
    if (place is not None and place.contract is not None) or len(contracts) > 1:
        # A pipeline of one contract loads what an earlier one of another name has made.
        require_contract(contract, batch.contract)
    return contract, batch


def _connected(contract: Contract, batch: Batch) -> Connection:
    """A new connection for each batch: a frozen function would resume with a dead one."""
    database = settings.DatabaseSettings.from_environment()
    secret = settings.text("LOADER_SECRET_ARN")
    with step("connect"), schema_errors(contract):
        return connect(database, secret, f"telemetry load {batch.batch_id}"[:63])


def _load(connection: Connection, contract: Contract, bucket: str, batch: Batch) -> Loaded:
    def groups() -> Sequence[Group]:
        return groups_of(batch, partial(get_object, bucket))

    source = StoredCopy.of(bucket, batch)
    objects = partial(open_object, bucket)
    return load_batch(
        connection, contract, batch, source, groups, objects=objects, seconds=seconds_left()
    )


def _write_outcome(bucket: str, batch: Batch, loaded: Loaded, verdict: str) -> None:
    """Writes the outcome of this execution, also of a repeated batch: Summarize reads it.

    The verdict is Validate's, which is in the report only if there are findings.
    """
    entry = loaded.entry
    key = outcome_key(batch.raw_key, batch.execution, entry.status)
    content = {**asdict(entry), "verdict": verdict}
    put_object(bucket, key, json.dumps(content).encode(), "application/json")


def _write_finding(bucket: str, key: str, finding: Finding) -> None:
    """Adds the finding to the report, as Validate does."""
    log.warning(finding.sentence, check=finding.check, level_found=finding.level)
    report = parse_report(get_object(bucket, key), key)
    findings = [one for one in report["findings"] if one["check"] != finding.check]
    report |= {"verdict": finding.level, "findings": [*findings, asdict(finding)]}
    put_object(bucket, key, report_body(report), "application/json")


def _report(batch: Batch, loaded: Loaded) -> None:
    entry = loaded.entry
    log.info("Answered from the ledger" if loaded.repeated else "Loaded", **asdict(entry))
    if not loaded.repeated:
        measure(batch, entry, datetime.now(UTC))
