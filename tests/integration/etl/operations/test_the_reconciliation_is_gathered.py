"""What the reconciliation counts, and where: S3, the queues, the ledger and the table."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from etl.operations.receipts import Receipt
from etl.operations.reconciliation import gather
from etl.operations.reconciliation_counts import Ledger
from telemetry.contract import ContractSet
from telemetry.layout import receipt_key
from tests.fixtures.aws_fakes import FakeS3, FakeStates
from tests.fixtures.telemetry_database import CONTRACT, TelemetryDatabase

RECEIPT = Receipt("p", "simulate", "2026-11-01", 10, 100, rows=80, duplicates=12, rejected=8)


class Queues:
    """Two queues: their depths by attribute, as SQS names them."""

    depths: ClassVar = {
        "main": {
            "ApproximateNumberOfMessages": "1",
            "ApproximateNumberOfMessagesNotVisible": "20",
            "ApproximateNumberOfMessagesDelayed": "300",
        },
        "dead": {"ApproximateNumberOfMessages": "4"},
        "errors": {"ApproximateNumberOfMessages": "5"},
    }

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:
        found = self.depths[QueueUrl]
        return {"Attributes": {name: found[name] for name in AttributeNames if name in found}}


LEDGER_ROW = {
    "raw_key": "raw/b", "execution": "run", "contract": "fleet", "contract_digest": "d",
    "status": "loaded", "messages": 1, "read": 0, "accepted": 0, "duplicates": 0, "rejected": 0,
    "set_aside": 0, "rejected_by": "{}", "inserted": 0, "updated": 0, "unchanged": 0,
    "inserted_before": 0,
}  # fmt: skip
ROWS = {
    "a": {"read": 16, "accepted": 6, "duplicates": 2, "rejected": 5, "set_aside": 3,
          "rejected_by": '{"x": 4, "y": 1}', "inserted": 3, "updated": 2, "unchanged": 1,
          "messages": 7},
    "b": {"contract": "other", "read": 11, "accepted": 11, "inserted": 4, "unchanged": 7,
          "inserted_before": 6, "messages": 5},
    "c": {"status": "quarantined", "read": 13, "accepted": 12, "rejected": 1,
          "rejected_by": '{"y": 1}'},
    "d": {"status": "discarded", "read": 20, "accepted": 20},
}  # fmt: skip


def test_everything_is_counted_where_it_lies(database: TelemetryDatabase, tmp_path: Path):
    s3 = FakeS3()
    day = f"raw/{datetime.now(UTC):%Y/%m/%d}/run/"
    s3.objects = {
        f"{day}a.n7.ndjson.gz": b"", f"{day}b.n5.ndjson.gz": b"", f"{day}notes.txt": b"",
        f"{day}e.n3.ndjson.gz": b"",
        f"outcomes/{day[4:]}e.n3.ndjson.gz/run.failed.json": b"",
        receipt_key("p"): json.dumps(vars(RECEIPT)).encode(),
    }  # fmt: skip
    raw_keys = {"a": f"{day}a.n7.ndjson.gz", "b": f"{day}b.n5.ndjson.gz"}
    for batch_id, changes in ROWS.items():
        raw_key = raw_keys.get(batch_id, f"{day}{batch_id}.n1.ndjson.gz")
        row = {"batch_id": batch_id, **LEDGER_ROW, "raw_key": raw_key, **changes}
        names, places = ", ".join(row), ", ".join(["%s"] * len(row))
        database.query(f"INSERT INTO etl.ledger ({names}) VALUES ({places})", *row.values())
    database.query(
        "INSERT INTO telemetry.readings (device_id, ts) VALUES ('a', now()), ('b', now())"
    )
    found = gather(target_of(database, s3, tmp_path))
    assert found.receipts == [RECEIPT]
    assert (found.staged_batches, found.staged_messages) == (3, 15)
    assert (found.queued, found.dead, found.rule_errors) == (321, 4, 5)
    assert found.ledger == Ledger(
        batches=4, messages=14, read=60, inserted=7, updated=2, unchanged=8, duplicates=2,
        rejected=6, set_aside=3, quarantined=12, discarded=20, elsewhere=10,
        inserted_before=6, rejected_by={"x": 4, "y": 2},
    )  # fmt: skip
    assert found.rows == 2
    groups = {name: group.ids for name, group in found.batches.found.items()}
    assert groups == {"failed": ["e"], "raw_missing": ["c", "d"]}
    assert found.verdict.status == "not balanced"


def target_of(database: TelemetryDatabase, s3: FakeS3, folder: Path) -> Any:
    clients = {"s3": s3, "sqs": Queues(), "stepfunctions": FakeStates()}
    return SimpleNamespace(
        client=clients.__getitem__, bucket="data", contract=CONTRACT, contracts=ContractSet.of([CONTRACT]), state=folder,
        outputs={"QueueUrl": "main", "DeadLetterQueueUrl": "dead", "RuleErrorQueueUrl": "errors",
                 "StateMachineArn": "arn:aws:states:eu-west-1:1:stateMachine:telemetry"},
        connect=database.connect_owner,
    )  # fmt: skip


def test_each_contract_has_its_own_sums_and_table(database: TelemetryDatabase, tmp_path: Path):
    status = replace(CONTRACT, name="status", table="states")
    database.query("CREATE TABLE telemetry.states (LIKE telemetry.readings)")
    s3 = FakeS3()
    day = f"raw/{datetime.now(UTC):%Y/%m/%d}/run/"
    keys = {"a": f"{day}a.n1.ndjson.gz", "b": f"{day}b.status.n2.ndjson.gz"}
    s3.objects = dict.fromkeys(keys.values(), b"")
    rows: dict[str, dict[str, Any]] = {
        "a": {"read": 3, "accepted": 3, "inserted": 3},
        "b": {"contract": "status", "messages": 2, "read": 2, "accepted": 1, "inserted": 1, "rejected": 1,
              "rejected_by": '{"x": 1}'},
    }  # fmt: skip
    for batch_id, changes in rows.items():
        row = {**LEDGER_ROW, "batch_id": batch_id, "raw_key": keys[batch_id], **changes}
        names, places = ", ".join(row), ", ".join(["%s"] * len(row))
        database.query(f"INSERT INTO etl.ledger ({names}) VALUES ({places})", *row.values())
    database.query(
        "INSERT INTO telemetry.readings (device_id, ts) VALUES ('a', now()), ('b', now())"
    )
    database.query("INSERT INTO telemetry.states (device_id, ts) VALUES ('a', now()), ('b', now())")
    target = target_of(database, s3, tmp_path)
    target.contracts = ContractSet.of([CONTRACT, status])
    found = gather(target)
    assert (found.ledger.read, found.ledger.elsewhere, found.rows) == (5, 0, 4)
    parts = found.as_dict()["contracts"]
    assert {name: (p["ledger"]["read"], p["rows"], p["staged"]) for name, p in parts.items()} == {
        "fleet": (3, 2, {"messages": 1, "batches": 1}),
        "status": (2, 2, {"messages": 2, "batches": 1}),
    }
    assert parts["status"]["ledger"]["rejected_by"] == {"x": 1}
    sentences = [r.sentence for r in found.verdict.reasons if "table of" in r.sentence]
    assert sentences == [
        "2 rows in the table of fleet, 3 inserted according to the ledger",
        "2 rows in the table of status, 1 inserted according to the ledger",
    ]
