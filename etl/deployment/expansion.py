"""Makes the template of a deployment's first change: the new migrate function, and nothing else.

Expand, switch, contract: the table gets what the new functions need before any of them is updated.
So CloudFormation first takes the template that is deployed already, with the migrate function of
the new one in it. Where nothing is deployed, it creates that function and what it needs: its role,
layers and log group, the two database logins, bucket and key. Pure functions.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

from etl.deployment.intrinsics import ResolvedResources, resolve_template

__all__ = ["MIGRATE", "expand_template", "first_template"]

MIGRATE = "MigrateFunction"
"""Logical id of the function; all that starts with ``Migrate`` is its own."""
OWN = "Migrate"
NEW = "New"
"""Prefix of the logical id of a layer that other functions have, in another version."""
LAYER = "AWS::Lambda::LayerVersion"
REFERENCE = re.compile(r"\$\{([A-Za-z0-9]+)")
Template = dict[str, Any]


def first_template(new: Template) -> Template:
    """Return the part of a template without which there is no migrate function."""
    names = _needed(new["Resources"], MIGRATE)
    resources = {name: part for name, part in new["Resources"].items() if name in names}
    others = new["Resources"].keys() - names
    outputs = {
        name: output
        for name, output in new.get("Outputs", {}).items()
        if others.isdisjoint(_references(output))
    }
    return {**new, "Resources": resources, "Outputs": outputs}


def expand_template(
    old: Template, old_values: dict[str, str], new: Template, new_values: dict[str, str]
) -> Template:
    """Return the deployed template with the migrate function of the new one.

    ``old_values`` and ``new_values``: parameters. Those of the new template are filled in, so that
    the result is deployed with the old ones, and no other resource changes. Equal to ``old`` where
    the function is the same.
    """
    wanted, present = resolve_template(new, new_values), resolve_template(old, old_values)
    result = copy.deepcopy(old)
    names = {name: name for name in _needed(wanted, MIGRATE)}
    for name in names:
        if _is_shared_layer(name, wanted, present):
            names[name] = f"{NEW}{name}"
    for name, target in sorted(names.items()):
        resource = _renamed(wanted[name], names)
        resource.pop("Condition", None)  # it holds, and the old template may not have it
        changes = target not in present or target.startswith((OWN, NEW))
        if changes and resource != present.get(target):
            result["Resources"][target] = resource
    return result


def _is_shared_layer(name: str, wanted: ResolvedResources, present: ResolvedResources) -> bool:
    """True for a layer that is deployed in another version, which other functions keep."""
    return wanted[name]["Type"] == LAYER and name in present and wanted[name] != present[name]


def _needed(resources: dict[str, Any], name: str) -> set[str]:
    """Return the logical ids of a resource and of all that it refers to, directly or not."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one in resources and one not in found:
            found.add(one)
            waiting += _references(resources[one])
    return found


def _references(part: Any) -> Iterator[str]:
    """Yield the names in all references of a part of a template; parameters are among them."""
    if isinstance(part, list):
        for one in part:
            yield from _references(one)
    if not isinstance(part, dict):
        return
    for key, value in part.items():
        if key == "Ref":
            yield str(value)
        elif key == "Fn::GetAtt":
            yield (value.split(".")[0] if isinstance(value, str) else str(value[0]))
        elif key == "DependsOn":
            yield from [value] if isinstance(value, str) else value
        else:
            if key == "Fn::Sub":
                yield from REFERENCE.findall(value if isinstance(value, str) else value[0])
            yield from _references(value)


def _renamed(part: Any, names: dict[str, str]) -> Any:
    """Return a copy with references to layers of another name."""
    if isinstance(part, list):
        return [_renamed(one, names) for one in part]
    if not isinstance(part, dict):
        return part
    return {
        key: names.get(value, value) if key == "Ref" else _renamed(value, names)
        for key, value in part.items()
    }
