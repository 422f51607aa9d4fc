"""Writes the templates that are to be judged, as they would be deployed.

``python -m audit.templates FOLDER``, in the environment of the product.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from functions.inventory import FUNCTIONS
from infrastructure.core import Artifacts, build_template
from infrastructure.settings import DatabaseSettings, DeploySettings
from layers.target import LAYERS
from telemetry.contract import load_contract
from workflow.definition import definition_json

CONTRACT = Path("contracts/fleet.toml")


def core() -> dict[str, Any]:
    """The template of a pipeline, with the names that packaging would give."""
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


def platform() -> dict[str, Any] | None:
    """The template of what only AWS can host; ``None`` where this copy has none."""
    if find_spec("infrastructure.platform") is None:
        return None
    optional = import_module("infrastructure.platform")
    settings = optional.PlatformSettings(stack="audit-platform")
    built = optional.build_platform_template(load_contract(CONTRACT), settings)
    plain: dict[str, Any] = built.to_dict()
    return plain


def main() -> None:
    """Write all of them into the folder."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    for name, template in (("core", core()), ("platform", platform())):
        if template is not None:
            (folder / f"{name}.json").write_text(json.dumps(template, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
