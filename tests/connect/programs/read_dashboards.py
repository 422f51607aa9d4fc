"""Reads dashboards with the models that Grafana generates from its own schema, and writes them.

Prints each field that is lost or changed on the way, and each unit that Grafana does not have.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

UNITS = {value for value in vars(units).values() if isinstance(value, str)}


def lost(before: Any, after: Any, path: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            if name not in after:
                yield f"{path}.{name}: lost"
            else:
                yield from lost(value, after[name], f"{path}.{name}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, value in enumerate(before):
            yield from lost(value, after[number], f"{path}[{number}]")
    elif before != after:
        yield f"{path}: {before!r} became {after!r}"


def unknown_units(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "short")
        if unit not in UNITS and not unit.startswith("suffix: "):
            yield f"{panel['title']}: Grafana has no unit {unit!r}"


plugins.register_default_plugins()
for name in sys.argv[1:]:
    found = json.loads(Path(name).read_text(encoding="utf-8"))
    text = JSONEncoder(sort_keys=True).encode(Dashboard.from_json(found))
    for problem in (*lost(found, json.loads(text)), *unknown_units(found)):
        print(f"{name}: {problem}")
