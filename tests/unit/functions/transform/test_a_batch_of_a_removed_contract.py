"""A batch of a further contract, and what becomes of it where the pipeline has that no more."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from functions.transform.handler import handle, transform
from functions.validate.handler import handle as validate
from telemetry.contract import NO_CONTRACT, parse_contract
from telemetry.forgotten import removed_line
from tests.fixtures.aws_fakes import BUCKET, FakeAws, LambdaContext
from tests.unit.functions.transform.envelopes_for import lines

FIRST = b"""
name = "lab"
topic = "lab/+"
[table]
name = "lab"
key = ["id", "ts"]
[columns.id]
type = "integer"
required = true
[columns.ts]
type = "timestamp"
required = true
[columns.v]
type = "float"
[checks]
drift = { v = 0.2 }
"""
STATUS = b"""
name = "box-status"
topic = "status/+"
[table]
name = "status"
key = ["box"]
[columns.box]
type = "text"
max_length = 64
required = true
"""
KEY = "raw/2026/11/23/run/batch.box-status.n3.ndjson.gz"
SENT = ({"box": "a", "id": 1, "ts": "2026-03-01T00:00:00Z"}, {"box": "b"}, b"\xff broken")


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a function with both contracts."""
    folder = tmp_path / "contracts" / "1-box-status"
    folder.mkdir(parents=True)
    (tmp_path / "contract.toml").write_bytes(FIRST)
    (folder / "contract.toml").write_bytes(STATUS)
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(tmp_path))
    return tmp_path


def process(aws: FakeAws, key: str = KEY, raw: bytes | None = None) -> dict[str, Any]:
    """Transform's answer, and its report."""
    aws.s3.objects[key] = gzip.compress(lines(*SENT) if raw is None else raw)
    answer = handle({"bucket": BUCKET, "key": key, "execution": "run"}, LambdaContext())
    return json.loads(aws.s3.objects[answer["report_key"]]) | {"answer": answer}


def remove(task: Path) -> None:
    """Removes the further contract."""
    (task / "contracts" / "1-box-status" / "contract.toml").unlink()
    (task / "contracts" / "1-box-status").rmdir()


def test_the_key_names_the_contract(task: Path, aws: FakeAws) -> None:
    report = process(aws)
    assert report["contract"] == "box-status"
    assert (report["accepted"], report["rejected_by"]) == (2, {"not_utf8": 1})
    assert report["clean_key"] == "clean/box-status/staged_on=2026-11-23/batch.parquet"


def test_a_key_without_a_name_is_of_the_first_one(task: Path, aws: FakeAws) -> None:
    report = process(aws, "raw/2026/11/23/run/batch.n3.ndjson.gz")
    assert report["contract"] == "lab"
    assert report["accepted"] == 1


def test_a_contract_that_has_become_the_first_one_keeps_its_batches(
    task: Path, aws: FakeAws
) -> None:
    remove(task)
    (task / "contract.toml").write_bytes(STATUS)
    assert process(aws)["accepted"] == 2


def test_without_the_contract_each_message_is_a_reject(task: Path, aws: FakeAws) -> None:
    remove(task)
    report = process(aws)
    assert report["contract"] == "lab"
    counts = ("messages", "read", "accepted", "rejected", "set_aside")
    assert [report[name] for name in counts] == [3, 3, 0, 3, 0]
    assert report["rejected_by"] == {NO_CONTRACT: 3}
    assert aws.s3.objects[report["copy"]["key"]] == b""


def test_its_rejects_hold_what_was_sent(task: Path, aws: FakeAws) -> None:
    remove(task)
    report = process(aws)
    rejects = [
        json.loads(one)
        for one in gzip.decompress(aws.s3.objects[report["rejected_key"]]).splitlines()
    ]
    assert [one["reasons"] for one in rejects] == [[NO_CONTRACT]] * 3
    payloads = {base64.b64decode(one["payload"]) for one in rejects}
    assert payloads == {one if isinstance(one, bytes) else json.dumps(one).encode() for one in SENT}


def test_validate_takes_the_checks_of_the_first_one(task: Path, aws: FakeAws) -> None:
    remove(task)
    report = process(aws, raw=lines(*[{"box": n} for n in range(30)]))
    assert validate(report["answer"], LambdaContext())["verdict"] == "quarantine"


def test_a_contract_removed_after_transform_is_no_error_of_validate(
    task: Path, aws: FakeAws
) -> None:
    answer = process(aws)["answer"]
    remove(task)
    assert validate(answer, LambdaContext())["verdict"] == "warn"  # 1 reject of 3


def test_what_was_erased_stays_counted_as_forgotten(task: Path, aws: FakeAws) -> None:
    remove(task)
    report = process(aws, raw=lines({"box": "a"}) + b"\n" + removed_line(4))
    assert (report["messages"], report["read"], report["forgotten"]) == (2, 5, 4)
    assert report["rejected_by"] == {NO_CONTRACT: 1}


def test_a_compressing_first_contract_does_not_matter() -> None:
    packed = FIRST.replace(b"[table]", b"[message]\ncompression = 'gzip'\n[table]")
    about = parse_contract(packed, "lab")
    assert about.compression == "gzip"
    _, report = transform(lines(*SENT), about, KEY, "run", reason=NO_CONTRACT)
    assert report["rejected_by"] == {NO_CONTRACT: 3}
    same = replace(about, compression=None)
    assert transform(lines(*SENT), same, KEY, "run", reason=NO_CONTRACT)[1]["read"] == 3
