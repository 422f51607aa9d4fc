"""What unit tests share: one definition of the state machine, one template of each kind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from functions.inventory import functions_of
from infrastructure.core.build import Artifacts, build_template
from infrastructure.platform.build import build_platform_template
from infrastructure.settings import DatabaseSettings, DeploySettings
from layers.target import LAYERS
from telemetry.contract import Contract, ContractSet, load_contract
from tests.unit.infrastructure.platform.deployments import NEW

READING = Path("tests/fixtures/reading.toml")
OWNER_SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:owner-AbCdEf"


@pytest.fixture(scope="session")
def definition() -> dict[str, Any]:
    """The state machine with default settings; the SDK's import takes seconds, so once."""
    from workflow.definition import definition_json

    return definition_json()


@pytest.fixture(scope="session")
def contract() -> Contract:
    return load_contract(READING)


@pytest.fixture(scope="session")
def artifacts() -> Artifacts:
    return Artifacts(
        functions={
            spec.package: f"functions/{spec.package}-0.zip"
            for spec in functions_of(fleet_provisioning=True, channels=True)
        },
        layers={layer: f"layers/{layer}-0.zip" for layer in LAYERS},
    )


@pytest.fixture(scope="session")
def settings() -> DeploySettings:
    return DeploySettings(
        stack="golden",
        contract=READING,
        database=DatabaseSettings(host="db.example.com", owner_secret_arn=OWNER_SECRET),
    )


@pytest.fixture(scope="session")
def template(
    contract: Contract,
    artifacts: Artifacts,
    settings: DeploySettings,
    definition: dict[str, Any],
) -> dict[str, Any]:
    """The template with default settings, as plain data."""
    return plain_template(contract, artifacts, settings, definition)


@pytest.fixture(scope="session")
def provisioning_template(
    contract: Contract,
    artifacts: Artifacts,
    settings: DeploySettings,
    definition: dict[str, Any],
) -> dict[str, Any]:
    """The core's template with fleet provisioning, as plain data."""
    wanted = replace(settings, fleet_provisioning=True)
    return plain_template(contract, artifacts, wanted, definition)


@pytest.fixture(scope="session")
def channels_template(
    contract: Contract,
    artifacts: Artifacts,
    settings: DeploySettings,
    definition: dict[str, Any],
) -> dict[str, Any]:
    """The core's template with channels, as plain data."""
    wanted = replace(settings, channels=True, runbook_url="https://docs.example.com/etl")
    return plain_template(contract, artifacts, wanted, definition)


def plain_template(
    contract: Contract, artifacts: Artifacts, settings: DeploySettings, definition: dict[str, Any]
) -> dict[str, Any]:
    """The core's template with these settings, as plain data."""
    built = build_template(ContractSet((contract,)), artifacts, settings, definition)
    plain: dict[str, Any] = json.loads(json.dumps(built.to_dict()))
    return plain


@pytest.fixture(scope="session")
def templates(contract: Contract, template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Both templates with default settings, by the part that each deploys."""
    platform = build_platform_template(ContractSet((contract,)), NEW).to_dict()
    return {"core": template, "platform": json.loads(json.dumps(platform))}


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = template["Resources"]
    return found
