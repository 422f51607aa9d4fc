"""Freshness, volume and drift, and the history that the last two are measured against."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.operations.report_markdown import as_markdown
from functions.transform.report import _sketch
from functions.validate.drift import stability_index
from functions.validate.handler import handle
from functions.validate.history import read_history, remember
from functions.validate.judge import judge
from telemetry.contract import Checks
from tests.fixtures.aws_fakes import BUCKET, FakeAws, LambdaContext, aws_error

KEY = "quality/fleet/history.json"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def sketch(middle: float, spread: float = 1.0, seed: int = 0, many: int = 2000) -> list[float]:
    chance = random.Random(seed)
    values = pl.Series([chance.gauss(middle, spread) for _ in range(many)])
    found: list[float] = _sketch(values, wanted=True)["quantiles"]
    return found


def report(accepted: int = 100, **fields: Any) -> dict[str, Any]:
    counts = {"read": accepted, "accepted": accepted, "duplicates": 0, "rejected": 0}
    column = {"nulls": 0, "quantiles": fields.pop("quantiles", sketch(20))}
    return {**counts, "rejected_by": {}, "columns": {"v": column}, **fields}


PAST = [
    {"batch_id": f"b{n}", "accepted": 100 + n, "quantiles": {"v": sketch(20, seed=n)}}
    for n in range(8)
]


def checks_found(given: dict[str, Any], checks: Checks, past: Any = PAST) -> list[str]:
    verdict, findings = judge(given, checks, past, NOW)
    assert verdict == ("warn" if findings else "pass")
    return [finding.check for finding in findings]


def test_values_of_the_same_kind_have_not_drifted_and_moved_ones_have() -> None:
    past = [entry["quantiles"]["v"] for entry in PAST]
    still = stability_index(sketch(20, seed=99), past)
    moved = stability_index(sketch(21, seed=99), past)
    wider = stability_index(sketch(20, 2.0, seed=99), past)
    assert still is not None
    assert still < 0.05
    assert moved is not None
    assert moved > 0.5
    assert wider is not None
    assert wider > 0.25


@pytest.mark.parametrize("value", [0.0, 20.0, -3.5])
def test_a_column_that_stands_still_has_not_drifted(value: float) -> None:
    assert stability_index([value] * 41, [[value] * 41] * 5) == pytest.approx(0)
    changed = stability_index([value + 1] * 41, [[value] * 41] * 5)
    assert changed is not None
    assert changed > 1


def test_the_size_of_a_batch_is_no_drift() -> None:
    past = [entry["quantiles"]["v"] for entry in PAST]
    small = stability_index(sketch(20, seed=5, many=150), past)
    assert small is not None
    assert small < 0.25


def test_drift_is_warned_about_with_what_it_was_before() -> None:
    checks = Checks(drift={"v": 0.25})
    assert checks_found(report(), checks) == []
    assert checks_found(report(quantiles=sketch(25)), checks) == ["drift.v"]
    assert checks_found(report(quantiles=sketch(25)), checks, PAST[:4]) == []
    (finding,) = judge(report(quantiles=sketch(25)), checks, PAST, NOW)[1]
    assert "median 24.99, 20.0161 before" in finding.sentence


def test_far_fewer_or_more_rows_than_usual_are_warned_about() -> None:
    checks = Checks(volume=(0.5, 3))
    assert checks_found(report(100), checks) == []
    assert checks_found(report(40), checks) == ["volume"]
    assert checks_found(report(400), checks) == ["volume"]
    assert checks_found(report(400), checks, PAST[:4]) == []


def test_old_readings_are_warned_about() -> None:
    checks = Checks(max_age_minutes=60)
    assert checks_found(report(max_time="2026-03-01T11:00:00.000000+00:00"), checks) == []
    late = report(max_time="2026-03-01T10:59:00.000000+00:00")
    assert checks_found(late, checks) == ["freshness"]
    assert checks_found(report(max_time=None), checks) == []


def test_batches_judged_at_the_same_time_are_all_remembered(aws: FakeAws) -> None:
    entries = [{**PAST[0], "batch_id": f"c{n}"} for n in range(4)]
    with ThreadPoolExecutor(4) as threads:
        kept = list(threads.map(lambda entry: remember(BUCKET, KEY, entry), entries))
    told = [entry["batch_id"] for entry in read_history(BUCKET, KEY)[0]]
    assert len(told) == len(set(told)) == sum(kept)


def test_who_always_loses_the_race_is_left_out(aws: FakeAws) -> None:
    remember(BUCKET, KEY, PAST[0])
    aws.s3.fail("put_object", aws_error("PreconditionFailed", 412), times=9)
    assert not remember(BUCKET, KEY, PAST[1])


def test_only_the_last_are_kept_and_a_batch_once(aws: FakeAws) -> None:
    for number in range(60):
        remember(BUCKET, KEY, {**PAST[0], "batch_id": f"c{number}"})
    remember(BUCKET, KEY, {**PAST[0], "batch_id": "c30"})
    told = [entry["batch_id"] for entry in read_history(BUCKET, KEY)[0]]
    assert (len(told), told[0], told[-1], told.count("c30")) == (50, "c10", "c30", 1)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"batches": [{}]}', b'{"batches": [{"a": 1}]}'])
def test_a_history_that_can_not_be_read_is_empty_and_replaced(aws: FakeAws, body: bytes) -> None:
    aws.s3.objects[KEY] = body
    assert read_history(BUCKET, KEY)[0] == []
    assert remember(BUCKET, KEY, PAST[0])
    assert len(read_history(BUCKET, KEY)[0]) == 1


def test_the_function_judges_against_the_past_remembers_and_reports(
    aws: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = (Path(__file__).parents[4] / "contracts" / "fleet.toml").read_text()
    drift = contract + "\n[checks.drift]\ntemperature_c = 0.25\n"
    (tmp_path / "contract.toml").write_text(drift)
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(tmp_path))
    verdicts = []
    for number in range(7):
        given = report(quantiles=sketch(20 if number < 6 else 30, seed=number))
        given["columns"] = {"temperature_c": given["columns"]["v"]}
        given["batch_id"] = f"b{number}"
        key = f"reports/b{number}.json"
        aws.s3.objects[key] = json.dumps(given).encode()
        event = {"bucket": BUCKET, "report_key": key}
        verdicts.append(handle(event, LambdaContext())["verdict"])
        assert handle(event, LambdaContext())["verdict"] == verdicts[-1]
    assert verdicts == ["pass"] * 6 + ["warn"]
    assert len(read_history(BUCKET, KEY)[0]) == 7
    page = as_markdown(json.loads(aws.s3.objects["reports/b6.json"]))
    assert "# Batch b6: warn" in page
    assert "drift.temperature_c" in page
