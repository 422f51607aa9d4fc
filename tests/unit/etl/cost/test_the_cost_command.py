"""``etl cost``: a table for people, plain data for scripts; it needs no pipeline."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from etl.cli.main import app

runner = CliRunner()


def run(*arguments):
    return runner.invoke(app, ["cost", *arguments], env={"COLUMNS": "120"})


def test_it_prints_the_bill_by_service_and_whether_it_keeps_up():
    result = run("--devices", "2000", "--rate", "1000", "--trigger", "schedule")
    assert result.exit_code == 0, result.output
    for part in ("IoT Core, messages", "Step Functions", "keeps up", "target: under $0.02"):
        assert part in result.output


def test_scripts_get_every_line_with_its_source():
    result = run("--rate", "100", "--json", "--compare")
    data = json.loads(result.output)
    total = sum(line["dollars"] for line in data["lines"])
    assert data["dollars_a_month"] == pytest.approx(total)
    assert all(line["page"].startswith("https://") for line in data["lines"])
    assert [other["name"] for other in data["compared"]][:2] == ["as given", "Basic Ingest"]
    assert data["keeps_up"] is True


def test_comparing_shows_what_basic_ingest_saves():
    result = run("--compare", "--delivery", "mapping")
    assert "Basic Ingest" in result.output
    assert "QueueWindowSeconds 300" in result.output


def test_a_pipeline_that_falls_behind_names_the_bottleneck():
    result = run("--rate", "50000", "--devices", "50000", "--trigger", "schedule")
    assert "falls behind" in result.output
    assert "bottleneck: Extract" in result.output
    assert "DRAIN_SECONDS" in result.output


def test_another_trigger_is_refused():
    result = run("--trigger", "often")
    assert result.exit_code == 1
    assert "queue, schedule or both" in result.output


@pytest.mark.parametrize("option", ["--rate", "--window", "--period", "--reading-bytes"])
@pytest.mark.parametrize("value", ["inf", "nan"])
def test_a_number_without_end_is_refused(option, value):
    result = run(option, value)
    assert result.exit_code == 2
    assert option in result.output
