"""A batch that crosses a deployment: read under the old contract, loaded by the new functions."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import Any

import pytest

from functions.load import handler as load
from functions.transform import handler as transform
from functions.validate import handler as validate
from telemetry.contract import Contract, ContractSet
from tests.fixtures.aws_fakes import BUCKET, FakeAws
from tests.fixtures.telemetry_database import CONTRACT, TelemetryDatabase, column
from tests.unit.functions.transform.envelopes_for import line

OLD = CONTRACT
NEW = replace(CONTRACT, columns=(*CONTRACT.columns, column("more", "text")), digest="f" * 16)
KEY = "raw/2026/11/23/run/one.n1.ndjson.gz"
READING = {"device_id": "a", "ts": "2026-11-23T06:00:07Z", "value": 1.5, "note": "n", "more": "m"}


@pytest.fixture
def functions(database: TelemetryDatabase, aws: FakeAws, monkeypatch) -> Any:
    """``functions(contract)`` deploys all of them with a contract."""
    database.serve_functions(aws, monkeypatch)
    aws.s3.objects[KEY] = gzip.compress(line(READING))

    def deploy(contract: Contract) -> None:
        database.migrate(contract)
        for module in (transform, validate, load):
            monkeypatch.setattr(module, "load_contracts", lambda: ContractSet((contract,)))

    return deploy


def item(execution: str, **more: str) -> dict[str, Any]:
    return {"bucket": BUCKET, "key": KEY, "size": 1, "execution": execution, **more}


def rows(database: TelemetryDatabase) -> list[tuple[Any, ...]]:
    return database.query("SELECT device_id, value, note, more FROM telemetry.readings")


def ledger(database: TelemetryDatabase) -> list[tuple[Any, ...]]:
    return database.query("SELECT status, contract_digest, read, inserted FROM etl.ledger")


@pytest.mark.parametrize("after", ["transform", "validate"])
def test_a_batch_read_under_the_old_contract_is_loaded_under_the_new_one(
    functions, database: TelemetryDatabase, after: str
) -> None:
    functions(OLD)
    state = transform.handle(item("run"), None)
    if after == "validate":
        state = validate.handle(state, None)
    functions(NEW)
    if after == "transform":
        state = validate.handle(state, None)
    assert load.handle(state, None)["inserted"] == 1
    assert rows(database) == [("a", 1.5, "n", None)]
    assert ledger(database) == [("loaded", OLD.digest, 1, 1)]


def test_the_deployment_may_come_back_to_where_it_was(functions, database) -> None:
    """A rollback: the functions are of the old contract again, the table has grown."""
    functions(NEW)
    state = transform.handle(item("run"), None)
    functions(OLD)
    assert load.handle(validate.handle(state, None), None)["inserted"] == 1
    assert rows(database) == [("a", 1.5, "n", "m")]
    assert ledger(database) == [("loaded", NEW.digest, 1, 1)]


def test_the_same_batch_from_both_sides_counts_once(functions, database, aws: FakeAws) -> None:
    functions(OLD)
    before = validate.handle(transform.handle(item("one"), None), None)
    functions(NEW)
    after = validate.handle(transform.handle(item("two"), None), None)
    assert load.handle(after, None)["inserted"] == 1
    assert load.handle(before, None)["repeated"]
    assert len(rows(database)) == 1
    outcomes = [json.loads(body) for key, body in aws.s3.objects.items() if "outcomes/" in key]
    assert [outcome["status"] for outcome in outcomes] == ["loaded", "loaded"]
