"""A dbt project over a contract's table and views: sources, tests, freshness, an example model.

:func:`project_files` returns the files' texts. Those of a contract (``models/<name>/``) are made
of it and are written again each time; the others are a start, and belong to the user.
Needs dbt 1.10.8 or newer: https://docs.getdbt.com/reference/source-properties (read 2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from etl.connect.dbt_model import example_model, model_name, model_properties
from etl.connect.dbt_sources import sources
from etl.connect.yaml_text import yaml_text
from telemetry.contract.model import Contract

__all__ = ["ProjectFile", "project_files"]

GENERATED = "# Written by `etl connect dbt` from the contract: do not edit.\n"
STARTED = ("dbt_project.yml", "profiles.yml", "tests/generic/in_range.sql",
           "tests/generic/unique_together.sql")  # fmt: skip


@dataclass(frozen=True)
class ProjectFile:
    """One file of the project."""

    path: str
    """Relative to the project's folder."""
    text: str
    generated: bool
    """True if it follows the contract; else it is the user's, once it is there."""


def project_files(contracts: Sequence[Contract]) -> list[ProjectFile]:
    """All files of a project over these contracts."""
    templates = resources.files("etl.connect") / "dbt_files"
    found = [
        ProjectFile(path, (templates / path).read_text(encoding="utf-8"), generated=False)
        for path in STARTED
    ]
    for contract in contracts:
        folder = f"models/{contract.name}"
        found.append(_generated(f"{folder}/sources.yml", sources(contract)))
        model = example_model(contract)
        if model is not None:
            name = model_name(contract)
            found.append(ProjectFile(f"{folder}/{name}.sql", model, generated=False))
            found.append(_generated(f"{folder}/{name}.yml", model_properties(contract)))
    return found


def _generated(path: str, content: dict[str, Any]) -> ProjectFile:
    return ProjectFile(path, GENERATED + yaml_text({"version": 2, **content}), generated=True)
