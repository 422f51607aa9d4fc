"""The first change of a deployment is the migrate function alone; the real templates, as data."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from etl.deployment.expansion import expand_template, first_template
from etl.deployment.intrinsics import resolve_template
from etl.deployment.live_state import live_state
from etl.deployment.migration import MigrationError, run_migration
from functions.inventory import FUNCTIONS
from infrastructure.core.build import Artifacts, build_template
from infrastructure.settings import DatabaseSettings, DeploySettings
from layers.target import LAYERS
from telemetry.contract import ContractSet, load_contract
from workflow.definition import definition_json

SETTINGS = DeploySettings(
    stack="plant",
    contract=Path("contracts/fleet.toml"),
    database=DatabaseSettings(host="db.example.com"),
)
FUNCTION = "AWS::Lambda::Function"
CONSUMERS = (
    "AWS::Lambda::EventSourceMapping",
    "AWS::Scheduler::Schedule",
    "AWS::IoT::TopicRule",
    "AWS::StepFunctions::StateMachine",
)
"""Types by which messages come in, or are processed."""


def built(
    version: str, settings: DeploySettings = SETTINGS, layers: str = "1"
) -> tuple[dict[str, Any], dict[str, str]]:
    """The template and its parameters; function zips of a version, layers of another."""
    artifacts = Artifacts(
        functions={spec.package: f"{spec.package}-{version}" for spec in FUNCTIONS},
        layers={layer: f"{layer}-{layers}" for layer in LAYERS},
    )
    contract, definition = load_contract(settings.contract), definition_json(settings.definition)
    template = build_template(ContractSet((contract,)), artifacts, settings, definition)
    return json.loads(template.to_json()), settings.parameters("artifacts")


def changed(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    names = one["Resources"].keys() | other["Resources"].keys()
    return {n for n in names if one["Resources"].get(n) != other["Resources"].get(n)}


def undefined(template: dict[str, Any], values: dict[str, str]) -> set[str]:
    """Names that a template refers to and does not have."""
    left = json.dumps(resolve_template(template, values))
    known = template["Resources"].keys()
    found = {*re.findall(r'"Ref": "(\w+)"', left), *re.findall(r'"Fn::GetAtt": \["(\w+)"', left)}
    return {name for name in found if name not in known}


def test_at_first_there_is_the_migrate_function_and_nothing_that_receives_a_message():
    new, values = built("a")
    first = first_template(new)
    kinds = {resource["Type"] for resource in first["Resources"].values()}
    assert [n for n, r in first["Resources"].items() if r["Type"] == FUNCTION] == [
        "MigrateFunction"
    ]
    assert kinds.isdisjoint(CONSUMERS)
    assert {"LoaderSecret", "AnalystSecret", "MigrateRole"} <= first["Resources"].keys()
    assert undefined(first, values) == set()
    assert first["Outputs"]["MigrateFunctionName"]["Value"] == {"Ref": "MigrateFunction"}
    assert "StateMachineArn" not in first["Outputs"]
    assert changed(first, new).isdisjoint(first["Resources"])  # the second change leaves them alone


def test_later_only_the_migrate_function_changes_before_the_migration():
    (old, values), (new, _) = built("a"), built("b")
    assert len(changed(old, new)) >= len(FUNCTIONS)
    expanded = expand_template(old, values, new, values)
    assert changed(old, expanded) == {"MigrateFunction"}
    code = expanded["Resources"]["MigrateFunction"]["Properties"]["Code"]
    assert code["S3Key"] == "migrate-b"


def test_a_new_layer_reaches_the_migrate_function_and_no_other():
    (old, values), (new, _) = built("a"), built("b", layers="2")
    expanded = expand_template(old, values, new, values)
    assert changed(old, expanded) == {"MigrateFunction", "NewPostgresLayer", "NewSharedLayer"}
    used = {
        name: resource["Properties"]["Layers"]
        for name, resource in expanded["Resources"].items()
        if resource["Type"] == FUNCTION
    }
    assert {one["Ref"] for one in used.pop("MigrateFunction")} == {
        "NewPostgresLayer",
        "NewSharedLayer",
    }
    assert not any(one["Ref"].startswith("New") for layers in used.values() for one in layers)
    assert undefined(expanded, values) == set()


def test_a_deployment_that_goes_on_finds_its_first_change_made():
    (old, values), (new, _) = built("a"), built("b", layers="2")
    expanded = expand_template(old, values, new, values)
    assert expand_template(expanded, values, new, values) == expanded
    assert expand_template(new, values, new, values) == new


def test_a_corrected_contract_replaces_the_one_that_was_refused():
    (old, values), (new, _), (better, _) = (
        built("a"),
        built("b", layers="2"),
        built("c", layers="3"),
    )
    expanded = expand_template(old, values, new, values)
    again = expand_template(expanded, values, better, values)
    assert changed(old, again) == {"MigrateFunction", "NewPostgresLayer", "NewSharedLayer"}
    layer = again["Resources"]["NewSharedLayer"]["Properties"]["Content"]
    assert layer["S3Key"] == "shared-3"


def test_another_database_is_migrated_while_the_functions_write_the_one_of_before():
    (old, values), (new, _) = built("a"), built("a")
    moved = replace(SETTINGS, database=DatabaseSettings(host="other.example.com"))
    expanded = expand_template(old, values, new, moved.parameters("artifacts"))
    assert changed(old, expanded) == {"MigrateFunction"}
    resolved = resolve_template(expanded, values)
    hosts = {
        name: resource["Properties"]["Environment"]["Variables"].get("DATABASE_HOST")
        for name, resource in resolved.items()
        if resource["Type"] == FUNCTION
    }
    assert hosts["MigrateFunction"] == "other.example.com"
    assert hosts["LoadFunction"] == "db.example.com"


@pytest.mark.parametrize(
    ("stopped", "first", "expected"),
    [
        ("upload", True, ("functions: none yet", "table: as before", "not received")),
        ("expand", False, ("functions: those of before", "table: as before", "on, as before")),
        ("migrate", True, ("new migrate function alone", "one transaction", "not received")),
        ("migrate", False, ("those of before", "one transaction", "on, as before")),
        ("core", False, ("those of before", "table: migrated", "on, as before")),
        ("contract", False, ("those of this deployment", "table: migrated", "is not the new one")),
    ],
)
def test_a_deployment_that_stops_says_what_is_live(stopped, first, expected):
    text = live_state(stopped, first=first, migrates=True, settled=True).text
    assert all(part in text for part in (*expected, "`etl deploy` with the same options"))


def test_a_change_that_cloudformation_has_not_finished_is_not_taken_for_undone():
    several = live_state("migrate", first=False, migrates=True, settled=True, several=True).text
    assert "each as before, or migrated: a contract's migration is one transaction" in several
    text = live_state("core", first=False, migrates=True, settled=False).text
    assert "functions: of both versions" in text


class Migrate:
    """Lambda's client with one function, which answers in turn; ``asked`` has the calls."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def get_waiter(self, name: str) -> Any:
        return SimpleNamespace(wait=lambda **_: self.asked.append(name))

    def invoke(self, **_: Any) -> Any:
        self.asked.append("invoke")
        answer = self.answers.pop(0)
        error = {"FunctionError": "Unhandled"} if "errorType" in answer else {}
        return {"Payload": SimpleNamespace(read=lambda: json.dumps(answer).encode()), **error}


LOCKED = {
    "errorType": "DatabaseBusyError",
    "errorMessage": "Locks are held by pid 7 (psql, role analyst).",
}


def test_the_function_is_invoked_once_lambda_has_finished_its_update():
    client = Migrate({"table": ["ALTER TABLE"]})
    assert run_migration(client, "plant-migrate") == ["ALTER TABLE"]  # type: ignore[arg-type]
    assert client.asked == ["function_active", "function_updated", "invoke"]


def test_a_locked_table_is_tried_again_and_who_holds_it_is_named():
    client, notified = Migrate(LOCKED, {"table": []}), []
    assert run_migration(client, "plant-migrate", notified.append) == []  # type: ignore[arg-type]
    assert notified == [f"{LOCKED['errorMessage']} Trying again (2 of 3)."]


def test_a_table_that_stays_locked_ends_the_deployment():
    client = Migrate(LOCKED, LOCKED, LOCKED)
    with pytest.raises(MigrationError, match="DatabaseBusyError: Locks are held by pid 7"):
        run_migration(client, "plant-migrate")  # type: ignore[arg-type]
    assert client.answers == []


def test_a_refused_contract_is_not_tried_again():
    client = Migrate({"errorType": "ContractError", "errorMessage": "differs"})
    with pytest.raises(MigrationError, match="ContractError: differs"):
        run_migration(client, "plant-migrate")  # type: ignore[arg-type]
