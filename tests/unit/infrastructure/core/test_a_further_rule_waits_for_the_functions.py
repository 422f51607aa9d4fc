"""A further contract's rule is made after the functions that its messages pass."""

from __future__ import annotations

from typing import Any

from functions.inventory import FUNCTIONS
from infrastructure.core.build import Artifacts, build_template
from infrastructure.settings import DeploySettings
from telemetry.contract import Contract, ContractSet, parse_contract

OTHER = b"""
name = "other"
topic = "other/{device}"
[table]
name = "other"
key = ["at"]
[columns.at]
type = "timestamp"
required = true
"""


def test_it_waits_for_them_and_the_first_one_does_not(
    contract: Contract, artifacts: Artifacts, settings: DeploySettings, definition: dict[str, Any]
) -> None:
    contracts = ContractSet.of([contract, parse_contract(OTHER, "other.toml")])
    built = build_template(contracts, artifacts, settings, definition).to_dict()
    rules = {
        name: one
        for name, one in built["Resources"].items()
        if one["Type"] == "AWS::IoT::TopicRule"
    }
    assert "DependsOn" not in rules.pop("TopicRule")
    (rule,) = rules.values()
    passed = {spec.title for spec in FUNCTIONS} - {"Summarize", "Sweep", "Migrate"}
    assert set(rule["DependsOn"]) == {f"{title}Function" for title in passed}
    assert set(rule["DependsOn"]) <= built["Resources"].keys()
