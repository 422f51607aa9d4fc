"""Grafana's own models read every dashboard, and lose nothing of it.

They are generated from the schema of the server: a field that is spelt wrongly, or that Grafana
does not have, is gone after reading. Queries of data sources that the package has no model for are
carried as they are; ``tests/integration/connect`` runs those of PostgreSQL.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from etl.connect.grafana import dashboard
from etl.connect.grafana_panels import UNITS
from telemetry.contract import load_contract

pytestmark = pytest.mark.slow
PROGRAM = Path(__file__).parent / "programs" / "read_dashboards.py"
CONTRACTS = sorted([*Path("contracts").rglob("*.toml"), *Path("tests/property").rglob("*.toml")])


def problems(tools: Path, files: list[Path]) -> str:
    command = [str(tools / "python"), str(PROGRAM), *map(str, files)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def write(file: Path, page: dict[str, Any]) -> Path:
    file.write_text(json.dumps(page), encoding="utf-8")
    return file


def test_nothing_is_lost(tools: Path, tmp_path: Path) -> None:
    files = [
        write(tmp_path / f"{number}-{path.stem}.json", dashboard(load_contract(path), "telemetry"))
        for number, path in enumerate(CONTRACTS)
    ]
    assert len(files) > 30
    assert problems(tools, files) == ""


def test_every_unit_is_grafanas(tools: Path, tmp_path: Path) -> None:
    page = dashboard(load_contract(Path("contracts/fleet.toml")), "telemetry")
    [chart, *_] = [panel for panel in page["panels"] if panel["type"] == "timeseries"]
    charts = [
        {**chart, "title": name, "fieldConfig": {"defaults": {"unit": unit}, "overrides": []}}
        for name, unit in UNITS.items()
    ]
    assert problems(tools, [write(tmp_path / "units.json", {**page, "panels": charts})]) == ""


def test_a_wrong_field_would_be_noticed(tools: Path, tmp_path: Path) -> None:
    text = json.dumps(dashboard(load_contract(Path("contracts/fleet.toml")), "telemetry"))
    for wrong in ('"allValue"', '"matchExact"', '"fillOpacity"'):
        file = tmp_path / "wrong.json"
        file.write_text(text.replace(wrong, '"wrongName"'))
        assert "wrongName: lost" in problems(tools, [file]), wrong
