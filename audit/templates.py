"""Writes the templates as they would be deployed and the printed policies, for the checks.

``python -m audit.templates FOLDER``, in the environment of the product.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from etl.deployment.permissions import Part, cloudformation_policy, deployer_policy
from functions.inventory import FUNCTIONS
from infrastructure.core import Artifacts, build_template
from infrastructure.platform import PlatformSettings, build_platform_template
from infrastructure.settings import DatabaseSettings, DeploySettings
from layers.target import LAYERS
from telemetry.contract import load_contract
from workflow.definition import definition_json

CONTRACT = Path("contracts/fleet.toml")


def core() -> dict[str, Any]:
    """The core template of a pipeline, with the object keys that packaging would give."""
    artifacts = Artifacts(
        functions={spec.package: f"functions/{spec.package}.zip" for spec in FUNCTIONS},
        layers={layer: f"layers/{layer}.zip" for layer in LAYERS},
    )
    settings = DeploySettings(
        stack="audit", contract=CONTRACT, database=DatabaseSettings(host="db.example.com")
    )
    built = build_template(load_contract(CONTRACT), artifacts, settings, definition_json())
    plain: dict[str, Any] = built.to_dict()
    return plain


def platform() -> dict[str, Any]:
    """The template of the platform stack."""
    settings = PlatformSettings(stack="audit-platform")
    built = build_platform_template(load_contract(CONTRACT), settings)
    plain: dict[str, Any] = built.to_dict()
    return plain


def policies() -> dict[str, dict[str, Any]]:
    """The policies that `etl settings policy` prints, by name."""
    where = ("audit", "123456789012", "eu-central-1")
    parts: tuple[Part, ...] = ("core", "platform", "quicksight")
    role = "arn:aws:iam::123456789012:role/cloudformation"
    printed = {f"cloudformation-{part}": cloudformation_policy(part, *where) for part in parts}
    return {"deployer": deployer_policy(*where, role=role), **printed}


def write(folder: Path, documents: dict[str, dict[str, Any]]) -> None:
    """Write each document into a file of its name, and remove all others."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document, indent=1), encoding="utf-8")


def main() -> None:
    """Write all templates into the folder, and the policies into a folder in it."""
    folder = Path(sys.argv[1])
    write(folder, {"core": core(), "platform": platform()})
    write(folder / "policies", policies())


if __name__ == "__main__":
    main()
