"""The dashboard follows the contract, and holds nothing of one installation."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.cli.main import app
from etl.connect.grafana import MOST_MEASUREMENTS, dashboard, measurements
from etl.connect.grafana_panels import COLUMNS
from telemetry.contract import load_contract
from telemetry.metric_table import METRICS
from tests.fixtures.grafana import panels

CONTRACTS = sorted(
    path
    for folder in ("contracts", "contracts/examples", "contracts/examples/families",
                   "tests/property/contracts", "tests/end_to_end")
    for path in Path(folder).glob("*.toml")
)  # fmt: skip
FLEET = load_contract(Path("contracts/fleet.toml"))
NAMES = {"postgres", "cloudwatch", "stack", "region"}


def titles(found: dict[str, Any]) -> list[str]:
    return [panel["title"] for panel in panels(found)]


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_panels_do_not_overlap_and_have_ids_of_their_own(path: Path) -> None:
    found = dashboard(load_contract(path), "telemetry")["panels"]
    assert len({panel["id"] for panel in found}) == len(found)
    taken: set[tuple[int, int]] = set()
    for panel in found:
        place = panel["gridPos"]
        assert 0 <= place["x"] <= place["x"] + place["w"] <= COLUMNS
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & own, panel["title"]
        taken |= own


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_each_variable_that_is_used_is_declared_once(path: Path) -> None:
    found = dashboard(load_contract(path), "telemetry")
    declared = [variable["name"] for variable in found["templating"]["list"]]
    assert len(set(declared)) == len(declared)
    text = json.dumps([panel["targets"] for panel in panels(found)])
    used = set(re.findall(r"\$\{?(\w+)\}?(?!\w|\()", text)) - {"__interval"}
    assert used <= set(declared)


def test_every_metric_is_one_that_the_functions_emit() -> None:
    targets = [target for panel in panels(dashboard(FLEET, "s")) for target in panel["targets"]]
    watched = [target for target in targets if target["datasource"]["type"] == "cloudwatch"]
    assert len(watched) > 10
    for target in watched:
        metric = METRICS[target["metricName"]]
        own = {metric.dimension} - {None}
        assert set(target["dimensions"]) == {"Pipeline", *own}
        if metric.dimension:
            assert target["dimensions"][metric.dimension] in metric.values


def test_the_limits_of_the_contract_colour_the_rejects() -> None:
    [share] = [panel for panel in panels(dashboard(FLEET, "s")) if panel["title"] == "Rejected"]
    steps = share["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [step["value"] for step in steps] == [None, 10, 50]


def test_units_and_descriptions_are_the_contracts() -> None:
    [panel, _] = [one for one in panels(dashboard(FLEET, "s")) if one["title"] == "temperature_c"]
    assert panel["fieldConfig"]["defaults"]["unit"] == "celsius"
    assert panel["description"] == FLEET.column("temperature_c").description


def test_a_key_column_may_have_the_name_of_any_variable(tmp_path: Path) -> None:
    text = Path("contracts/fleet.toml").read_text()
    file = tmp_path / "fleet.toml"
    file.write_text(text.replace("device_id", "stack"))
    names = [one["name"] for one in dashboard(load_contract(file), "s")["templating"]["list"]]
    assert sorted(names) == sorted({*NAMES, "key_stack"})


def test_without_views_only_the_table_and_the_pipeline_are_shown(tmp_path: Path) -> None:
    text = Path("contracts/fleet.toml").read_text()
    file = tmp_path / "fleet.toml"
    file.write_text(text + "\n[analytics]\nviews = false\n")
    contract = load_contract(file)
    found = dashboard(contract, "s")
    queries = json.dumps(found)
    assert "temperature_c" in titles(found)
    for view in ("latest", "hourly", "daily", "gaps", "quality"):
        assert f"{contract.table}_{view}" not in queries


def test_a_wide_table_is_cut_to_what_a_page_can_show() -> None:
    wide = load_contract(Path("tests/property/contracts/numbers.toml"))
    assert len(measurements(wide)) <= MOST_MEASUREMENTS


def test_the_command_writes_a_file_that_can_be_imported(tmp_path: Path) -> None:
    arguments = ["connect", "grafana", "--contract", "contracts/fleet.toml"]
    for _ in range(2):
        done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "new")])
        assert done.exit_code == 0, done.output
    text = (tmp_path / "new" / "fleet.json").read_text(encoding="utf-8")
    assert json.loads(text) == dashboard(FLEET, "telemetry")
    assert "password" not in text.lower()


def test_dashboards_of_two_pipelines_do_not_replace_each_other() -> None:
    assert dashboard(FLEET, "a")["uid"] != dashboard(FLEET, "b")["uid"]
    assert len(dashboard(FLEET, "a")["uid"]) <= 40
