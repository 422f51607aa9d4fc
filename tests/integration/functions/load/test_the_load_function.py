"""The Lambda function around a load: reference in, outcome object and result out."""

import gzip
import json
import secrets
from dataclasses import replace

import pytest

from etl.operations.report_markdown import as_markdown
from functions.load import handler
from functions.transform import handler as transform
from telemetry.checksums import Checksum
from telemetry.contract import Checks, ContractSet
from telemetry.database import Credentials
from telemetry.errors import BatchCorruptError, BatchMissingError, SchemaBehindError
from telemetry.layout import outcome_key
from tests.fixtures.aws_fakes import BUCKET, FakeAws, LambdaContext
from tests.fixtures.telemetry_database import CONTRACT, TABLE, TelemetryDatabase, make_copy
from tests.unit.functions.transform.envelopes_for import line

ROWS = [("a", 1, 1.0, "x"), ("b", 2, 2.0, None)]
RAW_KEY = "raw/2026/11/23/run/one.n2.ndjson.gz"
EVENT = {
    "bucket": BUCKET,
    "batch_id": "one",
    "raw_key": RAW_KEY,
    "execution": "run",
    "report_key": "reports/one.json",
    "copy_key": "copy/one.csv",
    "read": 4,
    "accepted": 2,
    "duplicates": 1,
    "rejected": 1,
    "verdict": "pass",
}
REPORT = {
    "batch_id": "one",
    "contract": "fleet",
    "contract_digest": CONTRACT.digest,
    "raw_key": RAW_KEY,
    "execution": "run",
    "messages": 2,
    "raw_bytes": 100,
    "read": 4,
    "accepted": 2,
    "duplicates": 1,
    "rejected": 1,
    "rejected_by": {"not_json": 1},
    "empty_messages": 0,
    "columns": {},
    "verdict": "pass",
    "findings": [],
    "min_time": "2026-11-23T06:00:01+00:00",
    "max_time": "2026-11-23T06:00:02+00:00",
    "copy": {
        "key": "copy/one.csv",
        "rows": 2,
        "bytes": 0,
        "columns": ["device_id", "ts", "value", "note"],
        "groups_key": "copy/one.groups.json",
    },
}


@pytest.fixture
def staged(database: TelemetryDatabase, aws: FakeAws, monkeypatch):
    """A transformed and validated batch in S3, and the function's settings."""
    server = database.server
    monkeypatch.setattr(handler, "load_contracts", lambda: ContractSet((CONTRACT,)))
    monkeypatch.setenv("LOADER_SECRET_ARN", "arn:loader")
    for name, value in (
        ("HOST", server.host),
        ("PORT", str(server.port)),
        ("NAME", server.name),
        ("SSLMODE", "prefer"),
    ):
        monkeypatch.setenv(f"DATABASE_{name}", value)
    aws.secrets.hold("arn:loader", database.loader.username, database.loader.password)
    content, groups = make_copy(ROWS)
    aws.s3.objects["copy/one.csv"] = content
    aws.s3.objects["copy/one.groups.json"] = json.dumps(
        {
            "groups": [
                {
                    "key": list(group.key),
                    "offset": group.range[0],
                    "length": group.range[1] - group.range[0],
                    "rows": group.rows,
                    "min_time": group.min_time,
                    "max_time": group.min_time,
                }
                for group in groups
            ]
        }
    ).encode()
    aws.s3.objects["reports/one.json"] = json.dumps(REPORT).encode()
    return aws


def test_a_batch_is_loaded_and_its_outcome_written(staged: FakeAws, database):
    result = handler.handle(EVENT, LambdaContext())
    assert result == {
        "batch_id": "one",
        "status": "loaded",
        "inserted": 2,
        "updated": 0,
        "unchanged": 0,
        "conflicts": 0,
        "conflicts_in_table": 0,
        "repeated": False,
    }
    assert database.rows() == ROWS
    assert json.loads(staged.s3.objects[outcome_key(RAW_KEY, "run", "loaded")]) == {
        "batch_id": "one",
        "raw_key": RAW_KEY,
        "status": "loaded",
        "contract_digest": CONTRACT.digest,
        "read": 4,
        "accepted": 2,
        "duplicates": 1,
        "rejected": 1,
        "set_aside": 0,
        "forgotten": 0,
        "inserted": 2,
        "updated": 0,
        "unchanged": 0,
        "inserted_before": 0,
        "loads": 1,
        "conflicts": 0,
        "conflicts_in_table": 0,
        "verdict": "pass",
    }


def test_a_replay_writes_the_outcome_again_under_its_own_execution(staged: FakeAws, database):
    handler.handle(EVENT, None)
    result = handler.handle({**EVENT, "execution": "replay"}, None)
    assert (result["repeated"], result["inserted"]) == (True, 2)
    outcomes = [
        staged.s3.objects[outcome_key(RAW_KEY, name, "loaded")] for name in ("run", "replay")
    ]
    assert outcomes[0] == outcomes[1]
    assert database.ledger()["one"]["execution"] == "run"


def test_a_quarantined_batch_reads_no_copy_object(staged: FakeAws, database):
    del staged.s3.objects["copy/one.csv"]
    result = handler.handle({**EVENT, "verdict": "quarantine"}, None)
    assert (result["status"], result["inserted"]) == ("quarantined", 0)
    assert database.rows() == []
    outcome = staged.s3.objects[outcome_key(RAW_KEY, "run", "quarantined")]
    assert json.loads(outcome)["status"] == "quarantined"


def test_without_groups_all_rows_take_the_careful_way(staged: FakeAws, database):
    report = {**REPORT, "copy": {k: v for k, v in REPORT["copy"].items() if k != "groups_key"}}
    staged.s3.objects["reports/one.json"] = json.dumps(report).encode()
    assert handler.handle(EVENT, None)["inserted"] == 2
    assert database.rows() == ROWS


@pytest.mark.parametrize("gone", ["reports/one.json", "copy/one.csv", "copy/one.groups.json"])
def test_a_missing_object_leaves_nothing_behind(staged: FakeAws, database, gone):
    del staged.s3.objects[gone]
    with pytest.raises(BatchMissingError, match=gone):
        handler.handle(EVENT, None)
    assert (database.rows(), database.ledger()) == ([], {})
    assert outcome_key(RAW_KEY, "run", "loaded") not in staged.s3.objects


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"copy": 1}', b"\xff"])
@pytest.mark.parametrize("key", ["reports/one.json", "copy/one.groups.json"])
def test_an_unreadable_object_is_corrupt(staged: FakeAws, database, key, content):
    staged.s3.objects[key] = content
    with pytest.raises(BatchCorruptError, match="replay"):
        handler.handle(EVENT, None)
    assert (database.rows(), database.ledger()) == ([], {})


@pytest.fixture
def checked(staged: FakeAws) -> FakeAws:
    """The batch, with the checksums of its objects in the report."""
    objects = staged.s3.objects
    written = {
        key: Checksum.of(objects[key]).as_dict() for key in ("copy/one.csv", "copy/one.groups.json")
    }
    objects["reports/one.json"] = json.dumps({**REPORT, "objects": written}).encode()
    return staged


def test_objects_as_they_were_written_are_loaded(checked: FakeAws, database):
    assert handler.handle(EVENT, None)["inserted"] == 2
    assert database.rows() == ROWS


ALTERATIONS = {
    "half a number": lambda body: body.replace(b"1.0", b"1.", 1),
    "other digits": lambda body: body.replace(b"1", b"2", 1),
    "cut to nothing": lambda body: b"",
    "not a number": lambda body: body.replace(b"1.0", b"x.0", 1),
    "another field": lambda body: body.replace(b"1.0", b"1.0,1", 1),
    "not UTF-8": lambda body: body.replace(b"x", b"\xff", 1),
    "another line": lambda body: body + body.splitlines(keepends=True)[-1].replace(b"b", b"c"),
    "a line break": lambda body: body + b"\n",
}


@pytest.mark.parametrize("present", [[], [("a", 1, 5.0, None)]], ids=["new", "beside a row"])
@pytest.mark.parametrize("alter", ALTERATIONS.values(), ids=ALTERATIONS)
@pytest.mark.parametrize("key", ["copy/one.csv", "copy/one.groups.json"])
def test_an_altered_object_loads_nothing_and_names_the_replay(
    checked: FakeAws, database, key, alter, present
):
    for device, _, value, _ in present:
        database.query(
            f"INSERT INTO {TABLE} (device_id, ts, value) VALUES "
            f"('{device}', '2026-11-23T06:00:01+00:00', {value})"
        )
    body = checked.s3.objects[key]
    checked.s3.objects[key] = alter(body)
    if alter(body) == body:
        pytest.skip("this object has no such bytes")
    with pytest.raises(BatchCorruptError, match=f"{key}.*replay the batch from {RAW_KEY}"):
        handler.handle(EVENT, None)
    assert (database.rows(), database.ledger()) == (present, {})


def test_without_groups_the_whole_object_is_verified(checked: FakeAws, database):
    report = json.loads(checked.s3.objects["reports/one.json"])
    del report["copy"]["groups_key"]
    checked.s3.objects["reports/one.json"] = json.dumps(report).encode()
    checked.s3.objects["copy/one.csv"] = checked.s3.objects["copy/one.csv"].replace(b"2.0", b"2.")
    with pytest.raises(BatchCorruptError, match="is not the object that was written"):
        handler.handle(EVENT, None)
    assert (database.rows(), database.ledger()) == ([], {})


def test_a_rotated_password_is_read_again(staged: FakeAws, database):
    handler.handle({**EVENT, "verdict": "quarantine"}, None)
    database.loader = Credentials(database.loader.username, secrets.token_hex(8))
    database.migrate()
    staged.secrets.hold("arn:loader", database.loader.username, database.loader.password)
    assert handler.handle(EVENT, None)["inserted"] == 2
    assert staged.secrets.calls == ["get_secret_value"] * 2


def test_a_wrong_password_is_refused_and_not_shown(staged: FakeAws, database, capsys):
    """Transient: the migration of a deployment gives the role the secret's password."""
    staged.secrets.hold("arn:loader", database.loader.username, "wrong-but-secret")
    with pytest.raises(SchemaBehindError, match="authentication failed") as caught:
        handler.handle(EVENT, None)
    assert "wrong-but-secret" not in str(caught.value) + capsys.readouterr().out


def test_the_session_names_the_batch(staged: FakeAws, database, monkeypatch):
    names = []
    real = handler.load_batch

    def watched(connection, *args, **kwargs):
        names.extend(
            database.query(
                "SELECT application_name FROM pg_stat_activity WHERE usename = 'telemetry_loader'"
            )
        )
        return real(connection, *args, **kwargs)

    monkeypatch.setattr(handler, "load_batch", watched)
    handler.handle(EVENT, None)
    assert names == [("telemetry load one",)]


def test_too_many_conflicts_with_the_table_are_a_finding_in_the_report(
    staged: FakeAws, database, monkeypatch
):
    strict = replace(CONTRACT, checks=Checks(conflict_share=0.1, min_readings=1))
    monkeypatch.setattr(handler, "load_contracts", lambda: ContractSet((strict,)))
    handler.handle(EVENT, None)
    content, _ = make_copy([("a", 1, 9.0, "other"), ROWS[1]])
    staged.s3.objects["copy/one.csv"] = content
    report = {**REPORT, "batch_id": "two", "copy": {**REPORT["copy"], "groups_key": None}}
    staged.s3.objects["reports/one.json"] = json.dumps(report).encode()
    result = handler.handle({**EVENT, "batch_id": "two"}, None)
    assert (result["status"], result["inserted"], result["conflicts_in_table"]) == (
        "quarantined", 0, 0,
    )  # fmt: skip
    found = json.loads(staged.s3.objects["reports/one.json"])
    assert found["verdict"] == "quarantine"
    (finding,) = found["findings"]
    assert (finding["check"], finding["level"]) == ("conflict_share_in_table", "quarantine")
    assert finding["sentence"] in as_markdown(found)
    assert database.rows() == ROWS


def test_an_older_batch_that_is_replayed_leaves_the_newer_value(
    staged: FakeAws, database, monkeypatch
):
    """Through both functions, with the objects in S3 that they write and read."""
    for second in (1, 2):
        reading = {"device_id": "a", "ts": "2026-11-23T06:00:01Z", "value": float(second)}
        staged.s3.objects[f"raw/2026/11/23/run/b{second}.n1.ndjson.gz"] = gzip.compress(
            line(reading, second)
        )

    def process(second, contract, purpose="load"):
        monkeypatch.setattr(handler, "load_contracts", lambda: ContractSet((contract,)))
        monkeypatch.setattr(transform, "load_contracts", lambda: ContractSet((contract,)))
        key = f"raw/2026/11/23/run/b{second}.n1.ndjson.gz"
        event = {"bucket": BUCKET, "key": key, "execution": purpose, "purpose": purpose}
        return handler.handle({**transform.handle(event, None), "verdict": "pass"}, None)

    contract = replace(CONTRACT, on_conflict="keep_last")
    assert process(1, contract)["inserted"] == 1
    assert process(2, contract)["updated"] == 1
    replayed = process(1, replace(contract, digest="f" * 16), "replay")
    assert (replayed["updated"], replayed["conflicts_in_table"]) == (0, 1)
    assert database.rows() == [("a", 1, 2.0, None)]
