"""``storage.clean = false``: what differs in the template, and what the plan says about it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from etl.deployment.planner import _clean_zone
from tests.unit.conftest import plain_template


def test_transform_is_told_and_may_ask_for_objects_of_before(
    contract: Any, artifacts: Any, settings: Any, definition: Any, template: dict[str, Any]
) -> None:
    without = plain_template(contract, artifacts, replace(settings, clean=False), definition)
    variables = _of(without, "TransformFunction")["Environment"]["Variables"]
    assert variables["WRITE_CLEAN"] == "false"
    assert "NoCleanZone" in str(_of(without, "TransformRole")["Policies"])
    assert without["Outputs"]["CleanZone"]["Value"] == "off"
    changed = {
        name
        for name, resource in template["Resources"].items()
        if without["Resources"][name] != resource
    }
    assert changed == {"TransformFunction", "TransformRole"}
    assert "CleanZone" not in template["Outputs"]


def _of(template: dict[str, Any], name: str) -> Any:
    return template["Resources"][name]["Properties"]


@pytest.mark.parametrize(
    ("deployed", "clean", "said"),
    [
        (None, True, ""),
        (None, False, "storage.clean = false"),
        ({}, True, ""),
        ({}, False, "storage.clean = false"),
        ({"CleanZone": "off"}, False, ""),
        ({"CleanZone": "off"}, True, "storage.clean = true"),
    ],
)
def test_the_plan_says_it_where_it_changes(
    settings: Any, deployed: dict[str, str] | None, clean: bool, said: str
) -> None:
    outputs = [{"OutputKey": k, "OutputValue": v} for k, v in (deployed or {}).items()]
    formation = SimpleNamespace(describe_stacks=lambda **_: {"Stacks": [{"Outputs": outputs}]})
    target: Any = SimpleNamespace(client=lambda _: formation)
    status = None if deployed is None else "CREATE_COMPLETE"
    now: Any = SimpleNamespace(core="golden", core_status=status)
    remarks = list(_clean_zone(target, replace(settings, clean=clean), now))
    assert [bool(said) and said in remark for remark in remarks] == ([True] if said else [])
