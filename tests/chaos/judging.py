"""Nothing lost, nothing doubled, nothing left behind: what must hold once a round has healed."""

from __future__ import annotations

import base64
import gzip
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from etl.operations.receipts import (
    Acknowledgements,
    Receipt,
    message_digest,
    write_receipt,
)
from etl.operations.reconciliation import Reconciliation, gather
from telemetry import layout
from telemetry.contract import NO_CONTRACT, Contract
from tests.chaos.oracle import Oracle
from tests.chaos.rig import Rig
from tests.chaos.traffic import Reject, Truth, Truths, line_of, spelled

__all__ = ["account", "judge", "ledger", "table_of"]

SESSION_SECONDS = 120.0
"""In which the server has noticed that the client of a session is gone."""


def account(rig: Rig) -> Reconciliation:
    """The pipeline's own account, with a receipt of all that was sent of each contract."""
    parts = rig.truth.of if isinstance(rig.truth, Truths) else {None: rig.truth}
    for name, truth in parts.items():
        _write_receipt(rig, name, truth)
    return gather(rig.target)


def _write_receipt(rig: Rig, name: str | None, truth: Truth | Oracle) -> None:
    sent = Acknowledgements()
    for message_id, body in truth.messages.items():
        envelope = json.loads(line_of(message_id, body))
        payload = base64.b64decode(envelope["payload"])
        digest = message_digest(envelope["client_id"], payload, name)
        sent.add(digest, truth.readings[message_id])
    publication = "chaos" if name is None else f"chaos-{name}"
    counts = (len(truth.messages), truth.read)
    receipt = Receipt(publication, "publish", "", *counts, digests=True, of_contract=name)
    write_receipt(rig.client("s3"), rig.target.bucket, receipt, sent)


def table_of(contract: Contract) -> str:
    """Name of a contract's table, for statements."""
    return f'"{contract.schema}"."{contract.table}"'


def ledger(rig: Rig) -> dict[str, dict[str, Any]]:
    """The ledger by batch id."""
    names = (
        "batch_id", "raw_key", "execution", "status", "rejected", "conflicts", "contract",
        "messages", "read", "rejected_by",
    )  # fmt: skip
    with closing(rig.target.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(names)} FROM etl.ledger")
        return {row[0]: dict(zip(names, row, strict=True)) for row in cursor.fetchall()}


def judge(rig: Rig) -> list[str]:
    """Sentences about what is wrong; none where everything is as if nothing had happened."""
    assert isinstance(rig.truth, Truths)
    found = account(rig)
    entries = ledger(rig)
    return [
        *found.problems(),
        *_wrong_counts(rig, rig.truth, found),
        *_wrong_contracts(rig, entries),
        *(wrong for one in rig.truth.of.values() for wrong in _wrong_rows(rig, one)),
        *_wrong_rollups(rig),
        *_wrong_rejects(rig, rig.truth, entries),
        *_left_behind(rig),
    ]


def _wrong_counts(rig: Rig, truths: Truths, found: Reconciliation) -> Iterator[str]:
    """Counts of the reconciliation of each contract alone: a sum might hide what another lacks."""
    assert [one.name for one in found.contracts] == list(rig.contracts.names)
    for one in found.contracts:
        truth = truths.of[one.key_name]
        sent = (len(truth.messages), truth.read)
        counted = tuple(
            sum(getattr(receipt, name) for receipt in found.receipts_of(one))
            for name in ("messages", "readings")
        )
        if counted != sent:
            yield f"{one.name}: {counted} messages and readings published, not {sent}"
        if any(found.missing_of(one)):
            yield f"{one.name}: {found.missing_of(one)} messages and readings missing"
        if one.rows != len(truth.rows):
            yield f"{one.name}: {one.rows} rows counted, not {len(truth.rows)}"
        if one.ledger.read < truth.read or found.staged_of(one).messages < len(truth.messages):
            yield f"{one.name}: less in the ledger or staged than was sent"


def _wrong_contracts(rig: Rig, entries: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Each batch is in the ledger under the contract that its key names, or as a removed one's."""
    for entry in entries.values():
        raw = layout.parse_raw_key(entry["raw_key"])
        assert raw is not None
        contract = rig.contracts.of_key(raw.contract)
        if entry["contract"] != (contract or rig.contracts.first).name:
            yield f"{entry['raw_key']} is in the ledger under {entry['contract']}"
        removed = entry["rejected_by"].get(NO_CONTRACT, 0)
        if removed != (entry["messages"] if contract is None else 0):
            yield f"{entry['raw_key']}: {removed} rejects of a contract that is not there"


def _wrong_rows(rig: Rig, truth: Truth) -> list[str]:
    if truth.contract is None:
        return []
    columns = ", ".join(f'"{column.name}"' for column in truth.contract.columns)
    table = table_of(truth.contract)
    with closing(rig.target.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET timezone = 'UTC'")
        cursor.execute(f"SELECT {columns} FROM {table}")
        found = Counter(spelled(tuple(map(_in_utc, row))) for row in cursor.fetchall())
    wanted = Counter(truth.spelled_rows())
    lost, surplus = wanted - found, found - wanted
    return [
        f"{table}: {len(rows)} rows {what}, such as {min(rows)}"
        for what, rows in (("lost or other than they must be", lost), ("too many", surplus))
        if rows
    ]


def _wrong_rollups(rig: Rig) -> list[str]:
    """Hourly and daily figures against those of the table, in one snapshot.

    Only the first contract's key has a time.
    """
    wrong = []
    table = table_of(rig.contracts.first)
    for unit, view in (("hour", "hourly"), ("day", "daily")):
        span = f"date_trunc('{unit}', ts AT TIME ZONE 'UTC')"
        kept = "hour AT TIME ZONE 'UTC'" if unit == "hour" else "day::timestamp"
        of_table = (
            f"SELECT device, {span}, count(*), min(ts), max(ts), min(seq), max(seq), count(seq), "
            f"min(price), max(temperature_c), count(temperature_c) FROM {table} GROUP BY 1, 2"
        )
        of_view = (
            f"SELECT device, {kept}, readings, first_time, last_time, seq_min, seq_max, "
            "seq_count, price_min, temperature_c_max, temperature_c_count "
            f'FROM {table[:-1]}_{view}"'
        )
        with closing(rig.target.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(
                f"SELECT count(*) FROM (({of_table} EXCEPT ALL {of_view}) "
                f"UNION ALL ({of_view} EXCEPT ALL {of_table})) AS differing"
            )
            differing = cursor.fetchone()[0]
        if differing:
            wrong.append(f"{differing} rows of {view} differ from the table")
    return wrong


def _in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _is_conflict(line: dict[str, Any]) -> bool:
    return bool(line["reasons"] == ["conflict"])


def _rejected_lines(s3: Any, bucket: str, key: str) -> list[dict[str, Any]]:
    """The rejects of a batch; a batch without any has no object of them."""
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return []
    return [json.loads(line) for line in gzip.decompress(body).splitlines()]


def _wrong_rejects(rig: Rig, truths: Truths, entries: dict[str, dict[str, Any]]) -> list[str]:
    """Each reject is kept once for each batch its message is in, and verbatim."""
    s3, bucket = rig.client("s3"), rig.target.bucket
    kept: dict[Reject, bytes] = {}
    wrong = []
    for batch in entries.values():
        raw = layout.parse_raw_key(batch["raw_key"])
        assert raw is not None
        lines = _rejected_lines(s3, bucket, layout.rejected_key(raw))
        for name, of_name in (("conflicts", True), ("rejected", False)):
            readings = sum(  # a flood is told in short
                line.get("readings", 1) for line in lines if _is_conflict(line) is of_name
            )
            if readings != batch[name]:
                wrong.append(f"{raw.batch_id}: {readings} {name} kept, {batch[name]} counted")
        payloads: dict[str, str] = {}
        for line in lines:
            # The payload stands in the line of the message's first reject.
            sent = payloads.setdefault(line["message_id"], line["payload"])
            if not _is_conflict(line):
                reject = line["message_id"], line["index"], tuple(line["reasons"])
                kept[reject] = base64.b64decode(sent)
    wanted = truths.rejects
    if kept.keys() != wanted:
        lost, surplus = wanted - kept.keys(), kept.keys() - wanted
        wrong.append(f"rejects lost: {list(lost)[:3]}, too many: {list(surplus)[:3]}")
    messages = truths.messages
    for reject, payload in kept.items():
        sent = json.loads(line_of("", messages[reject[0]]))["payload"]
        if payload != base64.b64decode(sent):
            wrong.append(f"the reject {reject} is not what was sent")
    return wrong


def _sessions_of_loads(rig: Rig) -> int:
    with closing(rig.target.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'telemetry load%'"
        )
        return int(cursor.fetchone()[0])


def _left_behind(rig: Rig) -> list[str]:
    """Executions under way, and sessions of loads that nobody waits for."""
    until = time.monotonic() + SESSION_SECONDS
    while (sessions := _sessions_of_loads(rig)) and time.monotonic() < until:
        time.sleep(0.1)
    found = [f"{name} is still running" for name in rig.running()]
    return [*found, *([f"{sessions} sessions of loads are left"] if sessions else [])]
