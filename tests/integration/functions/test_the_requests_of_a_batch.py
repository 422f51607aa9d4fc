"""What S3 is asked for one batch, what is left out, and who reads what is not there."""

from __future__ import annotations

import json
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from etl.operations.quarantine import judged_report, report_page
from functions.load import handler as load
from functions.load.loaded_batches import StoredBatch
from functions.transform import handler as transform
from functions.validate import handler as validate
from telemetry.batches import Batch, batches_below
from telemetry.contract import load_contracts
from telemetry.reports import parse_report, report_body, unpack
from telemetry.storage import list_objects, open_object
from tests.fixtures.aws_fakes import BUCKET, FakeAws
from tests.integration.functions.test_two_contracts import Pipeline, body, pipeline, reading

__all__ = ["pipeline"]

Requests = dict[str, Counter[str]]


@pytest.fixture
def fleet(pipeline: Pipeline) -> Pipeline:
    """A pipeline of one contract."""
    pipeline.remove()
    pipeline.migrate()
    return pipeline


@pytest.fixture
def requests(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> Requests:
    """The requests by operation and kind of object, from when a test clears it."""
    made: Requests = {name: Counter() for name in ("put_object", "get_object", "head_object")}

    def counted(name: str, call: Any) -> Any:
        def counting(**named: Any) -> Any:
            made[name][named["Key"].partition("/")[0]] += 1
            return call(**named)

        return counting

    for name in made:
        monkeypatch.setattr(aws.s3, name, counted(name, getattr(aws.s3, name)))
    return made


def batch_of(key: str) -> Batch:
    (found,) = batches_below(lambda prefix: list_objects(BUCKET, prefix), key)
    return found


def target_of(aws: FakeAws) -> Any:
    return SimpleNamespace(client=lambda _: aws.s3, bucket=BUCKET)


def devices(fleet: Pipeline) -> list[str]:
    return [
        name for (name,) in fleet.database.query("SELECT device FROM telemetry.readings ORDER BY 1")
    ]


def process(fleet: Pipeline, requests: Requests, *bodies: str) -> str:
    (key,) = fleet.stage(*bodies)
    for counts in requests.values():
        counts.clear()
    fleet.aws.s3.calls.clear()
    fleet.process(key)
    return key


def test_a_batch_with_nothing_wrong_is_five_objects(fleet: Pipeline, requests: Requests) -> None:
    """Its raw object, which was staged, and the four here; before, there were nine."""
    process(fleet, requests, reading("a"), reading("b"))
    assert requests["put_object"] == {"clean": 1, "copy": 1, "reports": 1, "outcomes": 1}
    assert requests["get_object"] == {"raw": 1, "reports": 2, "copy": 1}
    assert requests["head_object"] == {"rejected": 1}
    assert "list_objects_v2" not in fleet.aws.s3.calls
    assert devices(fleet) == ["a", "b"]


def test_rejects_are_one_object_more_and_findings_one_report_more(
    fleet: Pipeline, requests: Requests
) -> None:
    key = process(fleet, requests, reading("a"), body(None, {"device": "b"}))
    found = judged_report(target_of(fleet.aws), batch_of(key))
    assert found is not None
    assert [one["check"] for one in found["findings"]] == ["reject_share"]
    assert requests["put_object"] == {
        "clean": 1, "copy": 1, "rejected": 1, "reports": 2, "outcomes": 1,
    }  # fmt: skip
    assert requests["head_object"] == {}


def test_without_the_clean_zone_it_is_one_object_less(
    fleet: Pipeline, requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRITE_CLEAN", "false")
    process(fleet, requests, reading("a"))
    assert requests["put_object"] == {"copy": 1, "reports": 1, "outcomes": 1}
    assert devices(fleet) == ["a"]


def as_an_older_transform(aws: FakeAws, event: dict[str, Any]) -> None:
    """Makes of the objects what a Transform from before this change wrote."""
    report = parse_report(aws.s3.objects[event["report_key"]], "report")
    packed = unpack(report["copy"].pop("groups"))
    key = report["copy"]["key"].removesuffix(".csv") + ".groups.json"
    report["copy"]["groups_key"] = key
    aws.s3.objects[key] = packed
    aws.s3.objects[report["rejected_key"]] = b""
    aws.s3.objects[event["report_key"]] = report_body(report)


def transformed(fleet: Pipeline, key: str, execution: str = "run") -> dict[str, Any]:
    event = {"bucket": BUCKET, "key": key, "size": 1, "execution": execution}
    return transform.handle(event, None)


def test_an_older_transform_s_objects_are_judged_and_loaded(
    fleet: Pipeline, requests: Requests
) -> None:
    """A deployment between the two, or a batch that was left behind."""
    (key,) = fleet.stage(reading("a"))
    event = transformed(fleet, key)
    as_an_older_transform(fleet.aws, event)
    for counts in requests.values():
        counts.clear()
    assert load.handle(validate.handle(event, None), None)["inserted"] == 1
    assert requests["get_object"]["copy"] == 2  # rows and groups
    stored = StoredBatch(opened, key, load_contracts().first.digest)
    assert [group.key for group in stored.groups(load_contracts().first) or ()] == [("a",)]


def opened(key: str, **named: Any) -> Any:
    return open_object(BUCKET, key, **named)


def test_an_older_validate_s_report_is_loaded_and_shown(fleet: Pipeline) -> None:
    """The other way round: it writes its verdict into the report, with all that is there."""
    (key,) = fleet.stage(reading("a"))
    event = transformed(fleet, key)
    objects = fleet.aws.s3.objects
    report = parse_report(objects[event["report_key"]], "report")
    objects[event["report_key"]] = report_body({**report, "verdict": "pass", "findings": []})
    assert load.handle({**event, "verdict": "pass"}, None)["inserted"] == 1
    assert "# Batch" in (report_page(target_of(fleet.aws), batch_of(key)) or "")
    assert shown_verdict(fleet, key) == "pass"


def test_an_older_load_s_outcome_says_that_a_batch_has_passed(fleet: Pipeline) -> None:
    (key,) = fleet.stage(reading("a"))
    fleet.process(key)
    (name,) = [one for one in fleet.aws.s3.objects if one.startswith("outcomes/")]
    outcome = json.loads(fleet.aws.s3.objects[name])
    assert outcome.pop("verdict") == "pass"
    fleet.aws.s3.objects[name] = json.dumps(outcome).encode()
    assert shown_verdict(fleet, key) == "pass"


def shown_verdict(fleet: Pipeline, key: str) -> str | None:
    report = judged_report(target_of(fleet.aws), batch_of(key))
    assert report is not None
    assert "groups" not in report["copy"]
    return report["verdict"]


def test_a_report_without_a_verdict_is_not_one_of_a_batch_that_has_passed(
    fleet: Pipeline,
) -> None:
    """Whether it died before Validate or after; also where another execution had loaded it."""
    (key,) = fleet.stage(reading("a"))
    event = transformed(fleet, key)
    assert shown_verdict(fleet, key) is None
    assert "no verdict yet" in (report_page(target_of(fleet.aws), batch_of(key)) or "")
    event = validate.handle(event, None)
    assert (event["verdict"], shown_verdict(fleet, key)) == ("pass", None)
    load.handle(event, None)
    assert shown_verdict(fleet, key) == "pass"
    assert "Every check" in (report_page(target_of(fleet.aws), batch_of(key)) or "")
    transformed(fleet, key, "replay-1")
    assert shown_verdict(fleet, key) is None


def test_findings_that_hold_no_more_are_taken_out(fleet: Pipeline) -> None:
    """A batch that was released, and is judged once more in an execution that goes on."""
    (key,) = fleet.stage(reading("a"))
    event = transformed(fleet, key)
    assert validate.handle({**event, "purpose": "release"}, None)["verdict"] == "warn"
    assert validate.handle(event, None)["verdict"] == "pass"
    report = parse_report(fleet.aws.s3.objects[event["report_key"]], "report")
    assert (report["verdict"], report["findings"]) == ("pass", [])


def test_the_groups_of_another_contract_s_copy_object_are_not_taken(fleet: Pipeline) -> None:
    """All lines of the object are read instead, which is slower and as right."""
    (key,) = fleet.stage(reading("a"))
    fleet.process(key)
    contract = load_contracts().first
    assert StoredBatch(opened, key, contract.digest).groups(contract)
    assert StoredBatch(opened, key, "0" * 16).groups(contract) is None
    report = "reports/" + key.rpartition("/")[2].partition(".")[0] + ".json"
    fleet.aws.s3.objects[report] += b"x"
    assert StoredBatch(opened, key, contract.digest).groups(contract) is None
