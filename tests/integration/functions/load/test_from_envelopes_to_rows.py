"""Transform's objects, exactly as it writes them, through Validate and Load into PostgreSQL."""

import base64
import json
from pathlib import Path

import pytest

from functions.extract.batches import compress
from functions.extract.envelope import envelope_line
from functions.load import handler as load
from functions.transform import handler as transform
from functions.validate import handler as validate
from telemetry.contract import ContractSet, load_contract
from tests.fixtures.aws_fakes import BUCKET, FakeAws
from tests.fixtures.telemetry_database import TelemetryDatabase

CONTRACT = load_contract(Path(__file__).parents[4] / "contracts" / "fleet.toml")
PREFIX = "raw/2026/11/23/run/"


def message(device: str, seconds, **values) -> str:
    readings = [{"ts": f"2026-11-23T06:00:{s:02d}Z", **values} for s in seconds]
    payload = json.dumps({"device_id": device, "readings": readings})
    return json.dumps(
        {
            "payload": base64.b64encode(payload.encode()).decode(),
            "topic": f"telemetry/fleet/{device}",
            "client_id": device,
            "received_at": 1795414200000,
        }
    )


@pytest.fixture
def process(empty_database: TelemetryDatabase, aws: FakeAws, monkeypatch):
    """Takes bodies of messages as one staged batch through the three functions."""
    empty_database.migrate(CONTRACT)
    for module in (transform, validate, load):
        monkeypatch.setattr(module, "load_contracts", lambda: ContractSet((CONTRACT,)))
    empty_database.serve_functions(aws, monkeypatch)

    def run(batch_id: str, *bodies: str):
        lines = [envelope_line(f"{batch_id}-{n}", body) for n, body in enumerate(bodies)]
        key = f"{PREFIX}{batch_id}.n{len(lines)}.ndjson.gz"
        aws.s3.objects[key] = compress(lines)
        item = {"bucket": BUCKET, "key": key, "size": 1, "execution": "run"}
        return load.handle(validate.handle(transform.handle(item, None), None), None)

    return run


def test_readings_become_rows_and_come_again_without_effect(process, empty_database):
    bodies = [
        message("box-1", range(10), temperature_c=21.5, status="ok"),
        message('box, "2"\n', range(10), temperature_c=-3.25, status=""),
        "not from the rule",
    ]
    first = process("one", *bodies)
    assert (first["status"], first["inserted"]) == ("loaded", 20)
    again = process("two", *bodies)
    assert (again["inserted"], again["unchanged"], again["repeated"]) == (0, 20, False)
    table = "telemetry.fleet_readings"
    rows = empty_database.query(f"SELECT device_id, count(*) FROM {table} GROUP BY 1 ORDER BY 1")
    assert rows == [('box, "2"\n', 10), ("box-1", 10)]
    assert empty_database.query(
        "SELECT sum(read), sum(accepted), sum(rejected), sum(inserted) FROM etl.ledger"
    ) == [(42, 40, 2, 20)]


def test_late_and_new_readings_of_one_batch_add_up(process, empty_database):
    process("one", message("a", range(10)), message("b", range(10)), message("c", range(10)))
    mixed = process("two", message("a", range(5, 15)), message("b", range(20, 40)))
    assert (mixed["inserted"], mixed["unchanged"]) == (25, 5)
    assert empty_database.query("SELECT count(*) FROM telemetry.fleet_readings") == [(55,)]


def test_a_batch_of_rejects_alone_is_accounted_for(process, empty_database):
    result = process("one", "garbage", "more garbage")
    assert (result["status"], result["inserted"]) == ("loaded", 0)
    assert empty_database.query("SELECT read, rejected, rejected_by FROM etl.ledger") == [
        (2, 2, {"not_json": 2})
    ]
