from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from functions.validate.handler import handle
from telemetry.errors import BatchCorruptError, BatchMissingError, ConfigurationError
from tests.fixtures.aws_fakes import BUCKET, FakeAws, LambdaContext

KEY = "reports/batch.json"
EVENT = {"bucket": BUCKET, "batch_id": "batch", "report_key": KEY, "read": 100}
REPORT = {
    "batch_id": "batch",
    "read": 100,
    "accepted": 30,
    "duplicates": 0,
    "rejected": 70,
    "rejected_by": {"missing:ts": 70},
    "columns": {"ts": {"nulls": 0}},
    "verdict": None,
    "findings": [],
}


@pytest.fixture
def run(aws: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    contracts = Path(__file__).parents[4] / "contracts"
    (tmp_path / "contract.toml").write_bytes((contracts / "sensor_community.toml").read_bytes())
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(tmp_path))
    aws.s3.objects[KEY] = json.dumps(REPORT).encode()
    return lambda **more: handle({**EVENT, **more}, LambdaContext())


def test_the_verdict_is_answered_and_kept(run: Any, aws: FakeAws) -> None:
    assert run() == {**EVENT, "verdict": "quarantine"}
    report = json.loads(aws.s3.objects[KEY])
    assert report["verdict"] == "quarantine"
    (finding,) = report["findings"]
    assert finding["check"] == "reject_share"
    assert "missing:ts 70" in finding["sentence"]
    assert {name: report[name] for name in ("read", "rejected_by")} == {
        "read": 100,
        "rejected_by": {"missing:ts": 70},
    }


def test_judging_again_changes_nothing(run: Any, aws: FakeAws) -> None:
    run()
    first = aws.s3.objects[KEY]
    run()
    assert aws.s3.objects[KEY] == first


def test_a_report_that_is_gone_is_a_missing_batch(run: Any, aws: FakeAws) -> None:
    del aws.s3.objects[KEY]
    with pytest.raises(BatchMissingError):
        run()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"read": "many"}'])
def test_what_is_no_report_is_a_corrupt_batch(run: Any, aws: FakeAws, body: bytes) -> None:
    aws.s3.objects[KEY] = body
    with pytest.raises(BatchCorruptError, match="replay"):
        run()


def test_a_person_may_release_what_the_checks_hold_back(run: Any, aws: FakeAws) -> None:
    assert run(purpose="release") == {**EVENT, "purpose": "release", "verdict": "warn"}
    findings = json.loads(aws.s3.objects[KEY])["findings"]
    assert [found["check"] for found in findings] == ["reject_share", "released"]
    assert "1 check would have quarantined it" in findings[-1]["sentence"]


def test_a_person_may_discard_a_batch(run: Any, aws: FakeAws) -> None:
    assert run(purpose="discard")["verdict"] == "discard"
    assert json.loads(aws.s3.objects[KEY])["findings"][-1]["check"] == "discarded"


def test_a_replay_is_judged_by_the_checks(run: Any) -> None:
    assert run(purpose="replay")["verdict"] == "quarantine"


def test_another_purpose_is_refused(run: Any) -> None:
    with pytest.raises(ConfigurationError, match="purpose"):
        run(purpose="destroy")
