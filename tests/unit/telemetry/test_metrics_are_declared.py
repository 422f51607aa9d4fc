"""A function can only emit what the table of metrics declares, and the table tells what it costs."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from etl.cost.bill import bill
from etl.cost.settings import Fleet, Pipeline
from telemetry import metrics
from telemetry.metric_table import LEVELS, METRICS, OTHER, REASONS, reason_kind, series
from telemetry.metrics import UndeclaredMetricError
from tests.unit.telemetry.contract.documented import PAGE

CODE = [*Path("functions").rglob("*.py"), Path("layers/shared/telemetry/entry.py")]


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    metrics._gathered.clear()


def recorded() -> dict[str, set[str]]:
    """Function (package) to the names that its code records: ``metrics.record("Name", ...)``."""
    found: dict[str, set[str]] = {}
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "metrics.record":
                name = node.args[0]
                names = (
                    {name.value} if isinstance(name, ast.Constant) else texts_of_loop(path, name)
                )
                found.setdefault(path.parts[1], set()).update(names)
    return found


def texts_of_loop(path: Path, name: ast.expr) -> set[str]:
    """Names that a loop hands over, as ``for name, value in (("A", a), ...)``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.For) and ast.unparse(name) in ast.unparse(node.target):
            return {
                one.value
                for one in ast.walk(node.iter)
                if isinstance(one, ast.Constant) and one.value in METRICS
            }
    raise AssertionError(f"{path}: where does {ast.unparse(name)} come from?")


def test_the_code_records_what_is_declared_and_no_more():
    assert set().union(*recorded().values()) == set(METRICS)


def test_each_metric_comes_from_the_functions_that_the_table_names():
    packages = {"stage": "extract"}
    for package, names in recorded().items():
        for name in names - {"StageSeconds"}:
            assert {packages.get(by, by) for by in METRICS[name].emitted_by} == {package}, name


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("MessagesStagedd", None),
        ("MessagesStaged", "load"),
        ("StageSeconds", None),
        ("StageSeconds", "sweep"),
        ("ReadingsRejectedByReason", "missing:temperature_c"),
    ],
)
def test_what_is_not_declared_can_not_be_recorded(name, of):
    with pytest.raises(UndeclaredMetricError, match="metric_table"):
        metrics.record(name, 1, of=of)


def test_a_line_has_the_metrics_that_share_their_dimensions(capsys, monkeypatch):
    monkeypatch.setenv("PIPELINE", "fleet")
    metrics.record("ReadingsRead", 12)
    metrics.record("ReadingsRejected", 3)
    metrics.record("ReadingsRejectedByReason", 2, of="missing")
    metrics.record("ReadingsRejectedByReason", 1, of="not_json")
    metrics.flush({"execution": "run-7", "batch_id": "b"})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = [line["_aws"]["CloudWatchMetrics"][0] for line in lines]
    assert [one["Dimensions"] for one in told] == [
        [["Pipeline"]], [["Pipeline", "Reason"]], [["Pipeline", "Reason"]]
    ]  # fmt: skip
    assert {one["Namespace"] for one in told} == {"TelemetryETL"}
    assert told[0]["Metrics"] == [
        {"Name": "ReadingsRead", "Unit": "Count"},
        {"Name": "ReadingsRejected", "Unit": "Count"},
    ]
    assert [line.get("Reason") for line in lines] == [None, "missing", "not_json"]
    assert all(line["execution"] == "run-7" and line["Pipeline"] == "fleet" for line in lines)
    metrics.flush()
    assert capsys.readouterr().out == ""


def test_the_name_of_a_column_never_becomes_a_dimension():
    assert reason_kind("out_of_range:temperature_c") == "out_of_range"
    assert reason_kind("of_a_later_version:x") == OTHER


def test_every_reason_that_transform_gives_has_a_kind():
    documented = PAGE
    for kind in set(REASONS) - {OTHER}:
        spelled = (f"`{kind}`", f"`{kind}:<column>`", f"`{kind}:<error>`")
        assert any(reason in documented for reason in spelled), kind


def test_a_pipeline_is_billed_for_a_bounded_number_of_metrics():
    from etl.cost import usage

    assert series() == usage.METRICS <= 50
    assert series(channels=True) == usage.METRICS + usage.CHANNEL_METRICS


def test_the_bill_counts_the_alarms_that_are_always_there():
    from etl.cost import usage
    from infrastructure.core.alarms import ALARMS
    from infrastructure.core.channels import CHANNEL_ALARMS

    assert len([spec for spec in ALARMS if not spec.is_optional]) == usage.ALARMS
    assert len(CHANNEL_ALARMS) == usage.CHANNEL_ALARMS


def test_partitions_cost_the_alarm_on_their_maintenance():
    one = Fleet(devices=1, rate=1.0)
    bills = [bill(one, Pipeline(partitions=partitions)).dollars() for partitions in (False, True)]
    assert bills[1] - bills[0] == pytest.approx(0.10)  # one alarm, a month


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_below_the_level_is_in_the_log_and_no_metric(capsys, monkeypatch, level):
    monkeypatch.setenv("OBSERVABILITY", level)
    for metric in METRICS.values():
        for of in metric.values or (None,):
            metrics.record(metric.name, 2, of=of)
    metrics.flush({"execution": "run-7", "batch_id": "b"})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    billed = {
        (one["Name"], line.get("Stage") or line.get("Reason"))
        for line in lines
        if "_aws" in line
        for one in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    }
    assert len(billed) == series(channels=True, level=level)
    rest = [line for line in lines if "_aws" not in line]
    figures = rest[0]["figures"] if rest else {}
    assert len(rest) == (level != "full")
    assert all(line["execution"] == "run-7" and line["batch_id"] == "b" for line in lines)
    # Nothing is lost, and nothing is in both.
    assert len(billed) + len(figures) == series(channels=True)
    assert all(values == [2.0] for values in figures.values())
    assert ("StageSeconds/load" in figures) is (level != "full")


def test_a_line_with_figures_is_shown_only_raw():
    from etl.operations.log_format import parse_log_line

    assert parse_log_line('{"figures": {"StageSeconds/load": [0.4]}, "execution": "e"}') is None
    assert parse_log_line('{"message": "m", "figures": 3}') is not None
