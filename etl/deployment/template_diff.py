"""What differs between the template that is deployed and the one to come, property by property.

Pure: two templates and their parameters' values in, changes out. Documents that templates carry as
JSON text (the state machine, a dashboard) are compared as documents.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from etl.deployment.intrinsics import Resolved

__all__ = ["PropertyChange", "ResourceDiff", "diff_resources", "shown"]

Action = Literal["add", "modify", "remove"]
PROPERTIES = "Properties"
BESIDE_PROPERTIES = ("DeletionPolicy", "UpdateReplacePolicy", "DependsOn")
NOTHING = object()
KEYED_BY = ("Id", "Sid", "Key", "PolicyName", "Name", "AttributeName", "RuleName")
"""What names an entry of a list of objects, so that one more at the top isn't a change of all."""


@dataclass(frozen=True)
class PropertyChange:
    """One value that differs."""

    path: str
    """Dotted, such as ``Environment.Variables.DRAIN_SECONDS``."""
    old: Any
    """``None`` where it was not there."""
    new: Any
    """``None`` where it will not be there."""

    @property
    def known(self) -> bool:
        """Whether its values are; a change set tells but the name of what follows from others."""
        return self.old is not None or self.new is not None

    @property
    def name(self) -> str:
        """The property itself, as change sets name it."""
        return self.path.split(".")[0].split("[")[0]


@dataclass(frozen=True)
class ResourceDiff:
    """How one resource differs, by the templates."""

    id: str
    type: str
    action: Action
    changes: list[PropertyChange] = field(default_factory=list)
    old_policy: str = "Delete"
    """What becomes of what is there when it is removed or replaced: Delete, Retain or Snapshot."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def diff_resources(old: Resolved, new: Resolved) -> list[ResourceDiff]:
    """Every resource that differs, by logical id."""
    found = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before is None and after is not None:
            found.append(ResourceDiff(name, after["Type"], "add"))
        elif after is None and before is not None:
            policy = before.get("DeletionPolicy", "Delete")
            found.append(ResourceDiff(name, before["Type"], "remove", old_policy=policy))
        elif before is not None and after is not None and before != after:
            changes = list(_changes(before, after))
            policy = before.get("UpdateReplacePolicy", "Delete")
            found.append(ResourceDiff(name, after["Type"], "modify", changes, policy))
    return found


def _changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[PropertyChange]:
    for key in BESIDE_PROPERTIES:
        if before.get(key) != after.get(key):
            yield PropertyChange(key, before.get(key), after.get(key))
    yield from _differences("", before.get(PROPERTIES, {}), after.get(PROPERTIES, {}))


def _differences(path: str, old: Any, new: Any) -> Iterator[PropertyChange]:
    if old == new:
        return
    old, new = _document(old), _document(new)
    if isinstance(old, dict) and isinstance(new, dict) and not _intrinsic(old, new):
        for key in [*old, *(key for key in new if key not in old)]:
            inner = f"{path}.{key}" if path else key
            yield from _differences(inner, old.get(key, NOTHING), new.get(key, NOTHING))
    elif isinstance(old, list) and isinstance(new, list) and _keyed(old) and _keyed(new):
        before, after = _by_key(old), _by_key(new)
        for key in [*before, *(key for key in after if key not in before)]:
            inner = f"{path}[{key}]"
            yield from _differences(inner, before.get(key, NOTHING), after.get(key, NOTHING))
    else:
        yield PropertyChange(path, *(None if one is NOTHING else one for one in (old, new)))


def _document(value: Any) -> Any:
    """What a JSON text says; any other value as it is."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _intrinsic(*values: dict[str, Any]) -> bool:
    """A call such as ``{"Fn::GetAtt": ...}`` is one value."""
    return any(
        len(one) == 1 and (next(iter(one)) == "Ref" or next(iter(one)).startswith("Fn::"))
        for one in values
    )


def _keyed(entries: list[Any]) -> bool:
    keys = [_key(entry) for entry in entries]
    return None not in keys and len(set(keys)) == len(keys)


def _by_key(entries: list[Any]) -> dict[str, Any]:
    return {str(_key(entry)): entry for entry in entries}


def _key(entry: Any) -> str | None:
    if isinstance(entry, dict):
        for name in KEYED_BY:
            if isinstance(entry.get(name), str):
                return str(entry[name])
    return None


def shown(value: Any, most: int = 60) -> str:
    """A value in one short line."""
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return text if len(text) <= most else text[: most - 1] + "…"
