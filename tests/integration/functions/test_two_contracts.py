"""Two contracts in one pipeline: from the queue to rows, with a real PostgreSQL."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from functions.extract import handler as extract
from functions.load import handler as load
from functions.migrate import handler as migrate
from functions.transform import handler as transform
from functions.validate import handler as validate
from telemetry.errors import ContractError, SchemaBehindError
from telemetry.layout import parse_raw_key
from telemetry.manifest import parse_manifest
from tests.fixtures.aws_fakes import BUCKET, FakeAws, sqs_event
from tests.fixtures.telemetry_database import TelemetryDatabase

FLEET = b"""
name = "fleet"
topic = "fleet/+"
[table]
name = "readings"
key = ["device", "ts"]
[columns.device]
type = "text"
max_length = 64
required = true
[columns.ts]
type = "timestamp"
required = true
[columns.value]
type = "float"
"""
STATUS = b"""
name = "box-status"
topic = "status/+"
[table]
name = "status"
key = ["device"]
on_conflict = "keep_last"
[columns.device]
type = "text"
max_length = 64
required = true
[columns.battery]
type = "integer"
[checks]
max_reject_share = 1.0
"""
AT = "2026-11-23T06:00:00Z"


class Pipeline:
    """The functions with the contracts of a folder, and their objects in memory."""

    def __init__(self, database: TelemetryDatabase, aws: FakeAws, task: Path) -> None:
        self.database, self.aws, self.task = database, aws, task
        self.further = task / "contracts" / "1-box-status"
        (task / "contract.toml").write_bytes(FLEET)
        self.add()

    def add(self) -> None:
        self.further.mkdir(parents=True)
        (self.further / "contract.toml").write_bytes(STATUS)

    def remove(self) -> None:
        shutil.rmtree(self.further)

    def migrate(self, **event: Any) -> dict[str, Any]:
        return migrate.handle(event, None)

    def stage(self, *bodies: str) -> list[str]:
        """Keys of the raw objects that these messages become."""
        assert extract.stage(sqs_event(*bodies), None) == {"batchItemFailures": []}
        name, given = list(self.aws.states.started.items())[-1]
        items = parse_manifest(self.aws.s3.objects[given["manifest"]], name)
        return [item.key for item in items]

    def judged(self, key: str, purpose: str = "load", execution: str = "run") -> dict[str, Any]:
        event = {"bucket": BUCKET, "key": key, "size": 1, "execution": execution}
        return validate.handle(transform.handle({**event, "purpose": purpose}, None), None)

    def process(self, key: str, purpose: str = "load", execution: str = "run") -> dict[str, Any]:
        return load.handle(self.judged(key, purpose, execution), None)

    def ledger(self) -> list[tuple[Any, ...]]:
        """Contract, status, readings read, accepted and inserted, and reasons, by contract."""
        return self.database.query(
            "SELECT contract, status, read, accepted, inserted, inserted_before, rejected_by "
            "FROM etl.ledger ORDER BY contract, batch_id"
        )

    def rows(self) -> tuple[list[Any], list[Any]]:
        return (
            self.database.query("SELECT device, value FROM telemetry.readings ORDER BY 1"),
            self.database.query("SELECT device, battery FROM telemetry.status ORDER BY 1"),
        )


@pytest.fixture
def pipeline(
    empty_database: TelemetryDatabase,
    aws: FakeAws,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Pipeline:
    server = empty_database.server
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(tmp_path))
    empty_database.serve_functions(aws, monkeypatch)
    monkeypatch.setenv("OWNER_SECRET_ARN", "arn:owner")
    monkeypatch.setenv("ANALYST_SECRET_ARN", "arn:analyst")
    aws.secrets.hold("arn:owner", server.owner, server.owner_password)
    aws.secrets.hold("arn:analyst", "telemetry_analyst", "reads")
    monkeypatch.setattr(migrate, "DEPLOY_SECONDS", 240.0)
    return Pipeline(empty_database, aws, tmp_path)


def body(contract: str | None, sent: dict[str, Any], later: int = 0) -> str:
    members = {} if contract is None else {"contract": contract}
    payload = base64.b64encode(json.dumps(sent).encode()).decode()
    return json.dumps(
        {
            "payload": payload,
            "topic": "a/b",
            "client_id": "b",
            "received_at": 1_795_414_200_000 + later,
            **members,
        }
    )


def reading(device: str, value: float = 1.0) -> str:
    return body(None, {"device": device, "ts": AT, "value": value})


def status(device: str, battery: int = 80, later: int = 0) -> str:
    return body("box-status", {"device": device, "battery": battery}, later)


def contract_of(key: str) -> str | None:
    raw = parse_raw_key(key)
    assert raw is not None
    return raw.contract


def test_each_message_becomes_a_row_of_its_contract_s_table(pipeline: Pipeline) -> None:
    done = pipeline.migrate()
    assert sorted(done["contracts"]) == ["box-status", "fleet"]
    assert done["left"] == 0
    keys = pipeline.stage(reading("a"), status("a"), reading("b"), status("b"), reading("c"))
    inserted = {contract_of(key): pipeline.process(key)["inserted"] for key in keys}
    assert inserted == {None: 3, "box-status": 2}
    assert pipeline.rows() == (
        [("a", 1.0), ("b", 1.0), ("c", 1.0)],
        [("a", 80), ("b", 80)],
    )
    assert pipeline.ledger() == [
        ("box-status", "loaded", 2, 2, 2, 0, {}),
        ("fleet", "loaded", 3, 3, 3, 0, {}),
    ]


def test_a_batch_of_each_may_be_processed_and_staged_again(pipeline: Pipeline) -> None:
    pipeline.migrate()
    sent = (reading("a"), status("a"), status("b"))
    keys = pipeline.stage(*sent)
    assert sorted(pipeline.stage(*sent)) == sorted(keys)  # delivered again: the same objects
    for key in keys:
        pipeline.process(key)
    assert all(pipeline.process(key, execution="other")["repeated"] for key in keys)
    assert pipeline.process(pipeline.stage(status("a", 70, later=9))[0])["updated"] == 1
    assert pipeline.rows() == ([("a", 1.0)], [("a", 70), ("b", 80)])
    assert sum(entry[2] for entry in pipeline.ledger()) == 4


def test_the_analyst_finds_both_tables_by_their_names_alone(pipeline: Pipeline) -> None:
    other = STATUS.replace(b'name = "status"', b'name = "status"\nschema = "boxes"')
    pipeline.database.query("DROP SCHEMA IF EXISTS boxes CASCADE")
    (pipeline.further / "contract.toml").write_bytes(other)
    pipeline.migrate()
    pipeline.migrate(contract="fleet")
    path = pipeline.database.query(
        "SELECT unnest(rolconfig) FROM pg_roles WHERE rolname = 'telemetry_analyst'"
    )
    assert ("search_path=telemetry, boxes",) in path
    pipeline.database.query("DROP SCHEMA boxes CASCADE")


def test_an_event_may_name_one_contract(pipeline: Pipeline) -> None:
    done = pipeline.migrate(contract="box-status")
    assert "contracts" not in done
    found = (
        "SELECT to_regclass('telemetry.status') IS NULL, to_regclass('telemetry.readings') IS NULL"
    )
    assert pipeline.database.query(found) == [(False, True)]
    with pytest.raises(ContractError, match="fleet, box-status"):
        pipeline.migrate(contract="gone")


def test_rollups_and_partitions_are_those_of_all_contracts(pipeline: Pipeline) -> None:
    aged = FLEET.replace(b"[columns.device]", b'partition = "month"\n[columns.device]', 1)
    (pipeline.task / "contract.toml").write_bytes(aged)
    pipeline.migrate()
    for key in pipeline.stage(reading("a"), status("a")):
        pipeline.process(key)
    rebuilt = pipeline.migrate(rollups="rebuild", seconds=60)
    assert rebuilt["left"] == 0
    assert set(rebuilt["contracts"]) == {"fleet", "box-status"}
    kept = pipeline.migrate(partitions="maintain")
    assert kept["contracts"]["box-status"] == {"made": [], "dropped": [], "kept": [], "left": 0}
    assert kept["left"] == 0


def test_one_table_that_is_locked_does_not_keep_the_other_from_being_maintained(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def maintain(connection: Any, contract: Any, *rest: Any) -> Any:
        tried.append((contract.name, rest[-1]))
        raise SchemaBehindError(f"{contract.name} is locked")

    pipeline.migrate()
    monkeypatch.setattr(migrate, "maintain", maintain)
    with pytest.raises(SchemaBehindError, match="fleet is locked"):
        pipeline.migrate(partitions="maintain")
    assert tried == [("fleet", ("box-status",)), ("box-status", ("fleet",))]


def test_without_its_contract_a_batch_gives_rejects_and_no_rows(pipeline: Pipeline) -> None:
    pipeline.migrate()
    keys = pipeline.stage(reading("a"), status("a"), status("b"))
    pipeline.remove()
    for key in keys:
        assert pipeline.process(key)["status"] == "loaded"
    assert pipeline.rows() == ([("a", 1.0)], [])
    entries = pipeline.ledger()
    assert [entry[0] for entry in entries] == ["fleet", "fleet"]
    assert ("fleet", "loaded", 2, 0, 0, 0, {"no_contract": 2}) in entries


def test_once_the_contract_is_there_again_a_replay_loads_the_batch(pipeline: Pipeline) -> None:
    pipeline.migrate()
    (key,) = pipeline.stage(status("a"), status("b"))
    pipeline.remove()
    pipeline.process(key)
    pipeline.add()
    assert pipeline.process(key)["repeated"]  # only a replay does
    assert pipeline.process(key, "replay", "again")["inserted"] == 2
    assert pipeline.rows()[1] == [("a", 80), ("b", 80)]
    assert pipeline.ledger() == [("box-status", "loaded", 2, 2, 2, 0, {})]


def test_a_quarantined_batch_of_a_removed_contract_is_loaded_by_a_replay_too(
    pipeline: Pipeline,
) -> None:
    pipeline.migrate()
    (key,) = pipeline.stage(*(status(f"b{number}") for number in range(30)))
    pipeline.remove()
    assert pipeline.process(key)["status"] == "quarantined"
    pipeline.add()
    assert pipeline.process(key, "replay", "again")["inserted"] == 30


@pytest.mark.parametrize("purpose", ["load", "replay", "repair"])
def test_rows_of_a_removed_contract_stay_accounted_for(pipeline: Pipeline, purpose: str) -> None:
    """The rows are in its table, so the ledger keeps saying so, whatever is replayed."""
    pipeline.migrate()
    (key,) = pipeline.stage(status("a"), status("b"))
    pipeline.process(key)
    before = pipeline.ledger()
    pipeline.remove()
    assert pipeline.process(key, purpose, "again")["repeated"]
    assert pipeline.ledger() == before
    pipeline.add()
    assert pipeline.process(key, "replay", "third")["repeated"]
    assert len(pipeline.rows()[1]) == 2


def test_a_contract_removed_in_mid_run_leaves_no_row_in_another_s_table(
    pipeline: Pipeline,
) -> None:
    """Both tables have the columns that the batch has."""
    narrow = FLEET.replace(b'key = ["device", "ts"]', b'key = ["device"]').replace(
        b'[columns.ts]\ntype = "timestamp"\nrequired = true\n', b""
    )
    (pipeline.task / "contract.toml").write_bytes(narrow)
    (pipeline.further / "contract.toml").write_bytes(STATUS.replace(b"battery", b"value"))
    pipeline.migrate()
    (key,) = pipeline.stage(body("box-status", {"device": "a", "value": 7}))
    state = pipeline.judged(key)
    pipeline.remove()
    with pytest.raises(SchemaBehindError, match="'box-status'"):
        load.handle(state, None)
    assert pipeline.database.query("SELECT count(*) FROM telemetry.readings") == [(0,)]
    assert pipeline.ledger() == []
    # The sweep has it processed from the start.
    assert pipeline.process(key)["inserted"] == 0


def test_a_first_contract_replaced_in_mid_run_leaves_no_row_in_the_next_one_s_table(
    pipeline: Pipeline,
) -> None:
    """The new one has all columns that the batch has."""
    pipeline.migrate()
    (key,) = pipeline.stage(reading("a"))
    state = pipeline.judged(key)
    other = FLEET.replace(b'name = "fleet"', b'name = "other"').replace(b'"readings"', b'"others"')
    (pipeline.task / "contract.toml").write_bytes(other)
    pipeline.migrate()
    with pytest.raises(SchemaBehindError, match="'fleet'"):
        load.handle(state, None)
    assert pipeline.database.query("SELECT count(*) FROM telemetry.others") == [(0,)]
    assert pipeline.process(key)["inserted"] == 1  # the new one reads it, as the plan said


def test_a_contract_added_in_mid_run_gets_its_batch_from_the_next_run(pipeline: Pipeline) -> None:
    pipeline.migrate()
    (key,) = pipeline.stage(status("a"))
    pipeline.remove()
    state = pipeline.judged(key)
    pipeline.add()
    with pytest.raises(SchemaBehindError, match="'fleet'"):
        load.handle(state, None)
    assert pipeline.process(key)["inserted"] == 1


@pytest.mark.parametrize("name", ["other", "a" * 40])
def test_a_name_that_was_never_a_contract_s_is_rejected_and_kept(
    pipeline: Pipeline, name: str
) -> None:
    pipeline.migrate()
    keys = pipeline.stage(body(name, {"device": "a", "battery": 1}), reading("a"))
    assert {contract_of(key) for key in keys} == {None, name}
    for key in keys:
        pipeline.process(key)
    assert pipeline.rows() == ([("a", 1.0)], [])
    assert sum(entry[6].get("no_contract", 0) for entry in pipeline.ledger()) == 1


def test_an_erasure_is_of_one_contract_and_counted_for_it(pipeline: Pipeline) -> None:
    pipeline.migrate()
    for key in pipeline.stage(reading("a"), status("a"), status("b")):
        pipeline.process(key)
    asked = {"request": "r1", "device": "a"}
    assert pipeline.migrate(erase=asked)["rows"] == 1
    assert pipeline.rows() == ([], [("a", 80), ("b", 80)])
    assert pipeline.migrate(erase=asked, contract="box-status")["rows"] == 1
    assert pipeline.rows() == ([], [("b", 80)])
    found = pipeline.database.query("SELECT request, contract, rows FROM etl.erasures ORDER BY 1")
    assert found == [("r1", "fleet", 1), ("r1.box-status", "box-status", 1)]


def test_a_lost_batch_of_another_contract_keeps_no_row_from_leaving(pipeline: Pipeline) -> None:
    old = FLEET.replace(
        b"[columns.device]", b'partition = "month"\nretention = "30d"\n[columns.device]', 1
    )
    (pipeline.task / "contract.toml").write_bytes(old)
    timed = STATUS.replace(
        b"[columns.battery]", b'[columns.seen]\ntype = "timestamp"\n[columns.battery]'
    )
    (pipeline.further / "contract.toml").write_bytes(timed)
    pipeline.migrate()
    at = "2020-01-01T00:00:00Z"
    keys = pipeline.stage(
        body(None, {"device": "a", "ts": at, "value": 1}),
        body("box-status", {"device": "a", "seen": at}),
    )
    for key in keys:
        pipeline.process(key)
        if contract_of(key) is not None:
            for gone in [k for k in pipeline.aws.s3.objects if "box-status" in k]:
                del pipeline.aws.s3.objects[gone]
    done = pipeline.migrate(partitions="maintain")
    assert done["kept"] == []
    assert [left["rows"] for left in done["dropped"]] == [1]
