"""Restores ledger rows that the database has lost, from the outcomes and reports in S3.

After a restore of an older database the outcomes in S3 say how each batch ended, and the ledger
doesn't know it. A batch that is only loaded again would count rows that are still in the table for
no batch. So its row is written back first, with the counts of its last outcome and the digest
:data:`RESTORED` instead of its contract's; a repair then loads the batch and replaces the row.
Until then the reconciliation names the batch.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from etl.aws.target import Target
from etl.operations.batches import Batch
from etl.operations.contract_choice import contract_of
from etl.operations.quarantine import read_report
from telemetry.ddl import LEDGER
from telemetry.layout import outcome_key

__all__ = ["RESTORED", "loaded_by", "recorded", "restore_ledger_rows"]

RESTORED = "restored"
"""Contract digest of a row whose batch has not been loaded since."""
READERS = 8
COUNTS = (
    "read", "accepted", "duplicates", "conflicts", "rejected", "set_aside", "inserted",
    "inserted_before", "updated", "unchanged", "conflicts_in_table", "loads", "forgotten",
)  # fmt: skip
COLUMNS = (
    "batch_id", "raw_key", "execution", "contract", "contract_digest", "status", "messages",
    "rejected_by", "min_time", "max_time", *COUNTS,
)  # fmt: skip
_INSERT = (
    f"INSERT INTO {LEDGER} ({', '.join(COLUMNS)}) "  # noqa: S608 - our own names
    f"VALUES ({', '.join(f'%({name})s' for name in COLUMNS)}) ON CONFLICT DO NOTHING"
)


def recorded(target: Target, batches: Sequence[Batch]) -> set[str]:
    """Ids of the batches that have a row in the ledger, restored rows left out.

    The functions reach the database where this machine may not: then a warning says so, and every
    batch counts as recorded.
    """
    import psycopg2
    from botocore.exceptions import BotoCoreError, ClientError

    if not batches:
        return set()
    try:
        connection = target.connect()
    except (BotoCoreError, ClientError, psycopg2.OperationalError) as error:
        logging.getLogger(__name__).warning(
            "The database can't be reached from here, so ledger rows that it has lost are not "
            "restored: %s",
            str(error).strip(),
        )
        return {batch.raw.batch_id for batch in batches}
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT batch_id FROM {LEDGER} "  # noqa: S608 - a constant
                "WHERE batch_id = ANY(%s) AND contract_digest <> %s",
                ([batch.raw.batch_id for batch in batches], RESTORED),
            )
            return {batch_id for (batch_id,) in cursor.fetchall()}
    finally:
        connection.close()


def loaded_by(target: Target, batches: Sequence[Batch]) -> dict[str, str]:
    """Names of the contracts that have loaded these batches, by the batches' ids; empty where the
    database can't be reached from here."""
    import psycopg2
    from botocore.exceptions import BotoCoreError, ClientError

    if not batches:
        return {}
    try:
        connection = target.connect()
    except (BotoCoreError, ClientError, psycopg2.OperationalError):
        return {}
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT batch_id, contract FROM {LEDGER} "  # noqa: S608 - a constant
            "WHERE batch_id = ANY(%s) AND status = 'loaded'",
            ([batch.raw.batch_id for batch in batches],),
        )
        return dict(cursor.fetchall())


def restore_ledger_rows(target: Target, batches: Sequence[Batch]) -> None:
    """Write back the rows of batches that an outcome settled. Existing rows are not changed."""
    if not batches:
        return
    with ThreadPoolExecutor(READERS) as readers:
        rows = [row for row in readers.map(lambda b: _row(target, b), batches) if row]
    connection = target.connect()
    try:
        with connection, connection.cursor() as cursor:
            for row in rows:
                cursor.execute(_INSERT, row)
    finally:
        connection.close()


def _row(target: Target, batch: Batch) -> dict[str, Any] | None:
    """The row by the last outcome that settled the batch; ``None`` where it can't be read."""
    outcome = [found for found in batch.outcomes if found.settled][-1]
    s3, key = target.client("s3"), outcome_key(batch.key, outcome.execution, outcome.status)
    try:
        entry = json.loads(s3.get_object(Bucket=target.bucket, Key=key)["Body"].read())
        counts = {name: int(entry.get(name, 0)) for name in COUNTS}
    except (s3.exceptions.NoSuchKey, ValueError, TypeError, AttributeError):
        return None
    report = read_report(target, batch.raw.batch_id) or {}
    return {
        **counts,
        "loads": max(1, counts["loads"]),
        "batch_id": batch.raw.batch_id,
        "raw_key": batch.key,
        "execution": outcome.execution,
        "contract": str(report.get("contract") or contract_of(target.contracts, batch.key).name),
        "contract_digest": RESTORED,
        "status": outcome.status,
        "messages": batch.raw.messages,
        "rejected_by": json.dumps(_reasons(report, counts["rejected"])),
        "min_time": report.get("min_time"),
        "max_time": report.get("max_time"),
    }


def _reasons(report: dict[str, Any], rejected: int) -> dict[str, int]:
    """The rejects by reason, where the report is of the same load."""
    found = {str(name): int(count) for name, count in (report.get("rejected_by") or {}).items()}
    if sum(found.values()) == rejected:
        return found
    return {"unknown": rejected}
