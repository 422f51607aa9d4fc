"""Data sets, refreshes and a dashboard follow from the contract; what a visual asks for is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from infrastructure.platform.build import build_platform_template
from infrastructure.platform.data_sets import data_sets
from infrastructure.platform.visuals import COLUMNS, definition
from telemetry.contract import Analytics, Contract, ContractSet, load_contract
from tests.unit.infrastructure.platform.deployments import SETTINGS
from tests.unit.infrastructure.platform.resolving import Resolved

KIND = "AWS::QuickSight::"


@pytest.fixture(params=["fleet", "sensor_community", "examples/greenhouse"])
def any_contract(request) -> Contract:
    from pathlib import Path

    return load_contract(Path("contracts") / f"{request.param}.toml")


def named(value: Any) -> list[tuple[str, str]]:
    """Every data set and column that is named anywhere in a definition."""
    found = []
    if isinstance(value, dict):
        if "ColumnName" in value:
            found.append((value["DataSetIdentifier"], value["ColumnName"]))
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            found += named(part)
    return found


def test_there_is_none_of_it_unless_someone_owns_it(template: dict[str, Any]) -> None:
    for name, settings in SETTINGS.items():
        made = Resolved(template, settings.parameters()).resources.values()
        kinds = [resource["Type"] for resource in made if resource["Type"].startswith(KIND)]
        assert bool(kinds) == bool(settings.quicksight_user), name


def test_every_data_set_is_refreshed_and_on_the_dashboard(resources: dict[str, Any]) -> None:
    sets = {n for n, r in resources.items() if r["Type"] == f"{KIND}DataSet"}
    refreshed = {r["DependsOn"][0] for r in resources.values() if r["Type"].endswith("Schedule")}
    declared = resources["QuickSightDashboard"]["Properties"]["Definition"]
    shown = {
        each["DataSetArn"]["Fn::GetAtt"][0] for each in declared["DataSetIdentifierDeclarations"]
    }
    assert len(sets) > 3
    assert sets == refreshed == shown


def test_a_visual_asks_only_for_columns_that_its_data_set_has(any_contract: Contract) -> None:
    sets = {each.name: dict(each.columns) for each in data_sets(any_contract)}
    asked = named(definition(any_contract, dict.fromkeys(sets, "arn")))
    assert len(asked) > 20
    for data_set, column in asked:
        assert column in sets[data_set]


def test_each_metric_is_drawn_over_time(any_contract: Contract) -> None:
    sheet = definition(any_contract, {})["Sheets"][0]
    assert sheet["Name"] == "Telemetry"
    visuals = [visual["LineChartVisual"] for visual in sheet["Visuals"]]
    assert {v["VisualId"] for v in visuals} == {
        c.name for c in any_contract.columns
        if c.name not in any_contract.key
        and c.type not in ("text", "enum", "jsonb", "timestamp")
    }  # fmt: skip


def test_visuals_lie_side_by_side_and_do_not_cover_one_another(any_contract: Contract) -> None:
    for sheet in definition(any_contract, {})["Sheets"]:
        elements = sheet["Layouts"][0]["Configuration"]["GridLayout"]["Elements"]
        cells = [
            (element["RowIndex"] + row, element["ColumnIndex"] + column)
            for element in elements
            for row in range(element["RowSpan"])
            for column in range(element["ColumnSpan"])
        ]
        assert len(cells) == len(set(cells))
        assert all(column < COLUMNS for _, column in cells)
        assert len(elements) == len(sheet["Visuals"])


def test_a_contract_without_views_or_rollups_has_what_is_left(contract: Contract) -> None:
    none = replace(contract, analytics=Analytics(views=False))
    built = build_platform_template(ContractSet((none,)), SETTINGS["everything"]).to_dict()[
        "Resources"
    ]
    assert not [r for r in built.values() if r["Type"].startswith(KIND)]
    less = replace(contract, analytics=Analytics(rollups=()))
    assert {each.name for each in data_sets(less)} == {"latest", "quality_daily", "rejects"}
    assert [s["Name"] for s in definition(less, {})["Sheets"]] == ["Devices", "Quality"]
