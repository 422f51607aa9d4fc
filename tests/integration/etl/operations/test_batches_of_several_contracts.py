"""Batches and rejects of a pipeline with several contracts: of one of them, or told by contract."""

from __future__ import annotations

import csv
import gzip
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.cli.main import app
from etl.operations.backfill import Backfill
from etl.operations.batch_selection import BatchFilter, find_batches
from etl.operations.contract_choice import deployed_digest, key_names
from etl.operations.ledger_restoration import _row
from etl.operations.rejects import RejectFilter, count, read_rejects
from etl.operations.time_range import ALWAYS
from functions.transform.handler import transform
from telemetry.contract import ContractSet, Source
from telemetry.contract.contract_set import NO_CONTRACT
from telemetry.errors import ContractError
from telemetry.layout import outcome_key, raw_key
from tests.fixtures.local import EmulatorStack
from tests.integration.etl.operations.conftest import FLEET, new_target
from tests.unit.functions.transform.envelopes_for import line

STATUS = replace(
    FLEET,
    name="status",
    table="states",
    columns=tuple(
        replace(c, sources=(Source("envelope", ("client_id",)),)) if c.name == "device_id" else c
        for c in FLEET.columns
    ),
    digest="5" * 16,
)
DAY = f"{datetime.now(UTC):%Y/%m/%d}"
BAD = {"device_id": "box-1", "readings": [{"temperature_c": 20}]}


@pytest.fixture(scope="module")
def target(emulator: EmulatorStack) -> Any:
    """A batch of each contract, and one of a contract that the pipeline has no more."""
    found = new_target(emulator)
    outputs = {**found.outputs, "ContractName": "fleet", "ContractDigest": FLEET.digest}
    outputs["FurtherContracts"] = "status"
    found.__dict__.update(contracts=ContractSet.of([FLEET, STATUS]), outputs=outputs)
    for batch, key_name in (("a", None), ("b", "status"), ("c", "gone")):
        contract = found.contracts.of_key(key_name) or FLEET
        reason = NO_CONTRACT if key_name == "gone" else None
        body = line(BAD, 1, topic="telemetry/fleet/box-1", client_id="gateway")
        key = raw_key(f"raw/{DAY}/run/", batch, 1, key_name)
        put(found, key, gzip.compress(body))
        for stored in transform(body, contract, key, "run", reason=reason)[0]:
            put(found, stored.key, stored.body)
        status = "quarantined" if batch == "b" else "loaded"
        put(found, outcome_key(key, "run", status), b"{}")  # type: ignore[arg-type]
    return found


def put(target: Any, key: str, body: bytes) -> None:
    target.client("s3").put_object(Bucket=target.bucket, Key=key, Body=body)


def run(target: Any, monkeypatch: pytest.MonkeyPatch, *arguments: str, status: int = 0) -> Any:
    for module in ("rejects", "quarantine", "replay"):
        monkeypatch.setattr(f"etl.cli.{module}.target_of", lambda *_: target)
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == status, result.output
    return result


def test_each_reject_names_its_contract_and_the_device_that_this_one_names(target: Any) -> None:
    found = {one.batch_id: one for one in read_rejects(target, RejectFilter())}
    assert {name: (one.contract, one.device) for name, one in found.items()} == {
        "a": ("fleet", "box-1"), "b": ("status", "gateway"), "c": ("gone", "box-1"),
    }  # fmt: skip
    assert found["c"].reasons == (NO_CONTRACT,)
    counts = count(read_rejects(target, RejectFilter())).as_dict()
    assert counts["by_contract"] == {"fleet": 1, "status": 1, "gone": 1}


@pytest.mark.parametrize("batches", [(), ("a", "b", "c")])
def test_the_rejects_of_one_contract(target: Any, batches: tuple[str, ...]) -> None:
    wanted = RejectFilter(batches=batches, contracts=("status",))
    assert [one.batch_id for one in read_rejects(target, wanted)] == ["b"]


def test_one_contract_alone_is_not_named(target: Any) -> None:
    alone = new_target_of(target)
    found = list(read_rejects(alone, RejectFilter(batches=("a",))))
    assert [one.contract for one in found] == [None]
    assert "by_contract" not in count(iter(found)).as_dict()


def new_target_of(target: Any) -> Any:
    alone = replace(target)
    outputs = {k: v for k, v in target.outputs.items() if k != "FurtherContracts"}
    alone.__dict__.update(contracts=ContractSet.of([FLEET]), outputs=outputs)
    return alone


def test_the_list_explains_what_has_no_contract(
    target: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = run(target, monkeypatch, "rejects", "list").output
    assert "etl replay --reason no_contract" in output
    assert "status" in output
    assert "no_contract:" not in run(target, monkeypatch, "rejects", "list", "--batch", "a").output
    rows = run(target, monkeypatch, "rejects", "export", "--format", "csv").stdout
    header, *lines = csv.reader(io.StringIO(rows))
    assert header[-1] == "contract"
    assert sorted(one[-1] for one in lines) == ["fleet", "gone", "status"]
    wrong = run(target, monkeypatch, "rejects", "list", "--contract", "nope", status=1)
    assert "no contract named 'nope'" in " ".join(wrong.output.split())


def test_batches_of_one_contract_are_chosen(target: Any) -> None:
    def chosen(name: str | None) -> list[str]:
        wanted = BatchFilter(contracts=key_names(target, name))
        return sorted(one.raw.batch_id for one in find_batches(target, wanted))

    assert chosen(None) == ["a", "b", "c"]
    assert (chosen("fleet"), chosen("status"), chosen("gone")) == (["a"], ["b"], ["c"])


def test_quarantine_is_listed_by_contract(target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(target, monkeypatch, "quarantine", "list", "--json").stdout
    assert [(one["batch_id"], one["contract"]) for one in json.loads(found)] == [("b", "status")]
    none = run(target, monkeypatch, "quarantine", "list", "--contract", "fleet").stdout
    assert none == "no batches in quarantine\n"


def test_a_backfill_is_another_one_for_one_contract_and_after_a_change(target: Any) -> None:
    whole = Backfill.of(target, ALWAYS)
    one = Backfill.of(target, ALWAYS, contract="status")
    # "c" was processed under a contract that the pipeline has no more: there is nothing to load.
    assert sorted(b.raw.batch_id for b in whole.all()) == ["a", "b"]
    assert [b.raw.batch_id for b in one.all()] == ["b"]
    changed = replace(target)
    contracts = ContractSet.of([FLEET, replace(STATUS, digest="6" * 16)])
    changed.__dict__.update(contracts=contracts, outputs=target.outputs)
    later = Backfill.of(changed, ALWAYS)
    assert len({whole.id, one.id, later.id}) == 3
    assert deployed_digest(changed) != deployed_digest(target)
    assert deployed_digest(new_target_of(target)) == FLEET.digest
    with pytest.raises(ContractError, match="no contract named 'gone'"):
        Backfill.of(target, ALWAYS, contract="gone")


def test_a_restored_row_is_of_the_batchs_contract(target: Any) -> None:
    (batch,) = find_batches(target, BatchFilter(batches=("b",)))
    target.client("s3").delete_object(Bucket=target.bucket, Key="reports/b.json")
    row = _row(target, batch)
    assert row is not None
    assert row["contract"] == "status"


def test_a_replay_names_all_contracts(target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    target.outputs["MaxConcurrency"] = "4"
    target.__dict__["parameters"] = {"MaxConcurrency": "4"}
    run_options = ("replay", "--from", "2020-01-01", "--contract", "fleet", "--dry-run", "--json")
    result = run(target, monkeypatch, *run_options)
    assert [one["batch_id"] for one in json.loads(result.stdout)] == ["a"]
    assert "contracts 'fleet'" in " ".join(result.stderr.split())
    assert "'status' (555555555555)" in " ".join(result.stderr.split())
