"""Remembers with which customization a stack on this machine was deployed last.

Its definition alone doesn't tell: without the file, a later ``etl up`` outside the project whose
settings name it would deploy the workflow without the added states.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from etl.aws.target import Target
from infrastructure.settings import DeploySettings
from workflow.own_states import CustomizationError

__all__ = ["KeptCustomization", "keep_customization", "kept_customization"]


@dataclass(frozen=True)
class KeptCustomization:
    """The settings that add states to a workflow."""

    customization: Path | None = None
    own_functions: Mapping[str, str] = field(default_factory=dict)


def keep_customization(target: Target, settings: DeploySettings) -> None:
    """Remember the customization of a stack on this machine; forget it where there is none."""
    file = _file(target)
    if settings.customization is None:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        "customization": str(settings.customization.resolve()),
        "own_functions": dict(settings.own_functions),
    }
    file.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def kept_customization(target: Target) -> KeptCustomization:
    """Return the customization with which a stack on this machine was deployed last.

    Raises ``CustomizationError`` where its file is gone: without it, its states would go, too.
    """
    try:
        kept = json.loads(_file(target).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return KeptCustomization()
    customization = Path(kept["customization"])
    if not customization.is_file():
        raise CustomizationError(
            f"The workflow of the stack '{target.stack}' is customized by {customization}, which "
            "is gone. Restore the file, or run `etl up` in the folder of the project whose "
            "pipeline.toml says what the workflow should be."
        )
    return KeptCustomization(customization, kept["own_functions"])


def _file(target: Target) -> Path:
    return target.state / "customizations" / f"{target.stack}.json"
