"""Writes the templates as they would be deployed, and every policy, for the checks.

``python -m audit.templates FOLDER``, in the environment of the product.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from audit.policies import policies_of, printed_policies
from functions.inventory import functions_of
from infrastructure.core.build import Artifacts, build_template
from infrastructure.platform.build import build_platform_template
from infrastructure.platform.settings import PlatformSettings
from infrastructure.settings import DatabaseSettings, DeploySettings
from layers.target import LAYERS
from telemetry.contract import ContractSet, load_contract
from workflow.definition import definition_json

CONTRACT = Path("contracts/fleet.toml")


def contracts() -> ContractSet:
    """The contracts of the templates."""
    return ContractSet.of([load_contract(CONTRACT)])


def core(*, fleet_provisioning: bool = True) -> dict[str, Any]:
    """The core template, with all that it can have by default, and the object keys of packaging."""
    functions = functions_of(fleet_provisioning=fleet_provisioning, channels=True)
    packages = [spec.package for spec in functions]
    artifacts = Artifacts(
        functions={package: f"functions/{package}.zip" for package in packages},
        layers={layer: f"layers/{layer}.zip" for layer in LAYERS},
    )
    settings = DeploySettings(
        stack="audit",
        contract=CONTRACT,
        database=DatabaseSettings(host="db.example.com"),
        fleet_provisioning=fleet_provisioning,
        channels=True,
    )
    built = build_template(contracts(), artifacts, settings, definition_json())
    plain: dict[str, Any] = built.to_dict()
    return plain


def platform() -> dict[str, Any]:
    """The template of the platform stack."""
    settings = PlatformSettings(stack="audit-platform")
    built = build_platform_template(contracts(), settings)
    plain: dict[str, Any] = built.to_dict()
    return plain


def main() -> None:
    """Write all templates into the folder, and the policies into one in it."""
    folder = Path(sys.argv[1])
    templates = {"core": core(), "platform": platform()}
    policies = printed_policies()
    for name, template in templates.items():
        policies |= {f"{name}-{policy}": one for policy, one in policies_of(template).items()}
    _write(folder, templates)
    _write(folder / "policies", policies)


def _write(folder: Path, documents: dict[str, dict[str, Any]]) -> None:
    """Write these as JSON into a folder, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
