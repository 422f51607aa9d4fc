"""The sources say what the contract says, and files that people edit are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from etl.cli.main import app
from etl.connect.dbt import project_files
from etl.connect.yaml_text import yaml_text
from telemetry.contract import load_contract
from telemetry.ddl import sql_type

CONTRACTS = sorted([*Path("contracts").rglob("*.toml"), *Path("tests/property").rglob("*.toml")])
FLEET = load_contract(Path("contracts/fleet.toml"))

texts = st.text(st.characters(exclude_categories=["Cs"]))
plain = st.recursive(
    texts | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
    lambda values: st.lists(values) | st.dictionaries(texts, values),
)


def lists_of_lists(value: Any) -> bool:
    if isinstance(value, list):
        return any(isinstance(item, list) and item for item in value) or any(
            map(lists_of_lists, value)
        )
    return isinstance(value, dict) and any(map(lists_of_lists, value.values()))


@given(st.dictionaries(texts, plain))
def test_yaml_is_read_as_it_was(value: dict[str, Any]) -> None:
    if lists_of_lists(value):
        with pytest.raises(TypeError):
            yaml_text(value)
    else:
        assert (yaml.safe_load(yaml_text(value)) or {}) == value


def files(path: Path) -> dict[str, str]:
    return {file.path: file.text for file in project_files([load_contract(path)])}


def table(found: dict[str, str], name: str) -> dict[str, Any]:
    [text] = [text for path, text in found.items() if path.endswith("/sources.yml")]
    [source] = yaml.safe_load(text)["sources"]
    [one] = [one for one in source["tables"] if one["name"] == name]
    return one


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_each_column_is_described_with_its_type(path: Path) -> None:
    contract = load_contract(path)
    columns = table(files(path), contract.table)["columns"]
    assert [(one["name"], one["data_type"]) for one in columns] == [
        (column.name, sql_type(column)) for column in contract.columns
    ]
    for one, column in zip(columns, contract.columns, strict=True):
        assert ("not_null" in one.get("data_tests", [])) == (
            column.required or column.name in contract.key
        )


def test_limits_values_and_keys_are_tested() -> None:
    found = table(files(Path("contracts/fleet.toml")), "fleet_readings")
    assert found["data_tests"] == [
        {"unique_together": {"arguments": {"columns": ["device_id", "ts"]}}}
    ]
    tests = {one["name"]: one.get("data_tests") for one in found["columns"]}
    assert tests["temperature_c"] == [{"in_range": {"arguments": {"least": -60, "greatest": 85}}}]
    assert tests["seq"] == [{"in_range": {"arguments": {"least": 0}}}]
    assert tests["device_id"] == ["not_null"]
    assert tests["firmware"] is None


def test_an_enum_has_its_values() -> None:
    found = [
        test
        for path in CONTRACTS
        for one in table(files(path), load_contract(path).table)["columns"]
        for test in one.get("data_tests", [])
        if "accepted_values" in test
    ]
    assert found


def test_freshness_is_judged_by_the_ledger() -> None:
    quality = table(files(Path("contracts/fleet.toml")), "fleet_readings_quality")
    assert quality["config"]["loaded_at_field"] == "loaded_at"
    assert quality["config"]["freshness"]["warn_after"] == {"count": 60, "period": "minute"}


def test_braces_of_a_description_are_no_jinja(tmp_path: Path) -> None:
    text = Path("contracts/fleet.toml").read_text().replace("Relative humidity", "{{ 1 / 0 }} {%")
    file = tmp_path / "fleet.toml"
    file.write_text(text)
    assert "{{" not in files(file)["models/fleet/sources.yml"]
    assert "{%" not in files(file)["models/fleet/sources.yml"]


def test_what_a_person_edits_is_kept_and_the_rest_is_new(tmp_path: Path) -> None:
    arguments = ["connect", "dbt", "--contract", "contracts/fleet.toml", "--out", str(tmp_path)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()} == {
        file.path for file in project_files([FLEET])
    }
    for file in project_files([FLEET]):
        (tmp_path / file.path).write_text("mine")
    assert CliRunner().invoke(app, arguments).exit_code == 0
    for file in project_files([FLEET]):
        assert ((tmp_path / file.path).read_text() == "mine") != file.generated
