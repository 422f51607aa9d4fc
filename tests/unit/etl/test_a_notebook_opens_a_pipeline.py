"""`etl.notebook`: which pipeline a notebook opens, and what it reads of an execution."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from etl import notebook
from etl.aws.target import NoStackError
from etl.deployment import laptop
from telemetry.layout import parse_raw_key, raw_key, raw_prefix, rejected_key, report_key
from tests.fixtures.aws_fakes import BUCKET, FakeS3

STARTED = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)


@pytest.fixture
def brought_up(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.delenv("ETL_STATE", raising=False)
    monkeypatch.delenv("ETL_STACK", raising=False)
    monkeypatch.setattr(laptop, "bring_up", lambda *given, **_: calls.append(given))
    return calls


def test_in_a_project_it_is_the_projects(brought_up, tmp_path, monkeypatch):
    (tmp_path / "pipeline.toml").write_text('stack = "plant"\n')
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    notebook.start_pipeline("../contracts/plant.toml")
    ((state, stack, contract),) = brought_up
    assert (state.resolve(), stack) == (tmp_path / ".etl", "plant")
    assert contract == Path("../contracts/plant.toml")
    assert notebook.project_folder().resolve() == tmp_path
    with pytest.raises(NoStackError, match="etl up"):
        notebook.open_pipeline()


def test_in_the_clone_it_is_the_clones_wherever_the_notebook_lies(brought_up, monkeypatch):
    monkeypatch.chdir("notebooks")
    notebook.start_pipeline("x.toml")
    assert brought_up[0][:2] == (notebook.ROOT / ".local", "telemetry")


def test_what_is_said_goes_before_what_is_found(brought_up, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    notebook.start_pipeline("x.toml")
    monkeypatch.setenv("ETL_STATE", "there")
    monkeypatch.setenv("ETL_STACK", "other")
    notebook.start_pipeline("x.toml")
    notebook.start_pipeline("x.toml", stack="mine", state="here")
    assert [given[:2] for given in brought_up] == [
        (Path(".local"), "telemetry"),
        (Path("there"), "other"),
        (Path("here"), "mine"),
    ]


def test_one_on_aws_is_opened_by_its_region(brought_up, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = notebook.open_pipeline(stack="plant", region="eu-central-1", profile="plant")
    assert (found.stack, found.region, found.profile) == ("plant", "eu-central-1", "plant")
    assert found.local is None


def test_reports_and_rejects_are_of_the_batches_that_have_them(monkeypatch):
    s3 = FakeS3()
    prefix = raw_prefix("run-1", STARTED)
    keys = [raw_key(prefix, f"batch-{number}", 2) for number in (1, 2)]
    first = parse_raw_key(keys[0])
    assert first is not None
    rejects = b'{"reason": "not_json"}\n{"reason": "missing:ts"}\n'
    s3.objects = dict.fromkeys(keys, b"") | {
        report_key("batch-1"): json.dumps({"verdict": "warn"}).encode(),
        report_key("batch-2"): json.dumps({"verdict": "pass"}).encode(),
        rejected_key(first): gzip.compress(rejects),
        raw_key(raw_prefix("run-2", STARTED), "batch-3", 1): b"",
    }
    monkeypatch.setattr(notebook, "_arn", lambda _, name: name)
    monkeypatch.setattr(
        notebook, "describe", lambda *_: SimpleNamespace(name="run-1", started=STARTED)
    )
    target: Any = SimpleNamespace(client=lambda _: s3, bucket=BUCKET)
    assert notebook.batch_prefix(target, "run-1") == prefix
    assert [one["verdict"] for one in notebook.read_reports(target, "run-1")] == ["warn", "pass"]
    assert [one["reason"] for one in notebook.read_rejects(target, "run-1")] == [
        "not_json",
        "missing:ts",
    ]


def test_polars_gets_what_it_needs_to_read_the_bucket():
    frozen = SimpleNamespace(access_key="a", secret_key="s", token="t")
    session = SimpleNamespace(
        region_name="eu-central-1",
        get_credentials=lambda: SimpleNamespace(get_frozen_credentials=lambda: frozen),
    )
    target: Any = SimpleNamespace(session=session, local=None)
    on_aws = {
        "aws_region": "eu-central-1",
        "aws_access_key_id": "a",
        "aws_secret_access_key": "s",
        "aws_session_token": "t",
    }
    assert notebook.parquet_options(target) == on_aws
    target.local = SimpleNamespace(endpoint_url="http://127.0.0.1:1")
    here = {"aws_endpoint_url": "http://127.0.0.1:1", "aws_allow_http": "true"}
    assert notebook.parquet_options(target) == on_aws | here


def test_contracts_are_compared_and_inferred(tmp_path):
    sample = Path("contracts/examples/greenhouse.ndjson")
    text = notebook.infer_contract(sample, "plant")
    before, after = tmp_path / "before.toml", tmp_path / "after.toml"
    before.write_text(text)
    after.write_text(text.replace("max_length = 64", "max_length = 32", 1))
    assert notebook.compare_contracts(before, before) == []
    (change,) = notebook.compare_contracts(before, after)
    assert change.key == "columns.device_id.max_length"
