"""The platform template as plain data, and settings of several deployments of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infrastructure.platform.build import build_platform_template
from telemetry.contract import Contract, ContractSet, load_contract
from tests.unit.infrastructure.platform.deployments import SETTINGS

CONTRACT = Path("tests/fixtures/reading.toml")


@pytest.fixture(scope="session")
def contract() -> Contract:
    return load_contract(CONTRACT)


@pytest.fixture(scope="session")
def template(contract: Contract) -> dict[str, Any]:
    built = build_platform_template(ContractSet((contract,)), SETTINGS["new network and database"])
    plain: dict[str, Any] = json.loads(json.dumps(built.to_dict()))
    return plain


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = template["Resources"]
    return found
