"""CloudFormation's resource schemas, as cfn-lint brings them; only those of both templates."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint

FOLDER = Path(cfnlint.__file__).parent / "data" / "schemas" / "resources"


def types_of(template: dict[str, Any]) -> set[str]:
    """Resource types of a template."""
    return {resource["Type"] for resource in template["Resources"].values()}


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """By resource type; files are named by hashes, so all of them are looked into."""
    found = {}
    for path in FOLDER.glob("**/*.json"):
        text = path.read_text(encoding="utf-8")
        if '"createOnlyProperties"' in text or '"handlers"' in text:
            schema = json.loads(text)
            found[schema["typeName"]] = schema
    return found
