"""Compares the deployed template with the new one, property by property. Pure functions.

Documents that a template carries as JSON text (the state machine, a dashboard) are compared as
documents.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from etl.deployment.intrinsics import ResolvedResources

__all__ = ["PropertyChange", "ResourceDiff", "diff_resources", "shorten"]

Action = Literal["add", "modify", "remove"]
PROPERTIES = "Properties"
BESIDE_PROPERTIES = ("DeletionPolicy", "UpdateReplacePolicy", "DependsOn")
ABSENT = object()
KEYED_BY = ("Id", "Sid", "Key", "PolicyName", "Name", "AttributeName", "RuleName")
"""Members that identify an entry of a list, so that a new first entry doesn't change all others."""


@dataclass(frozen=True)
class PropertyChange:
    """One value that differs."""

    path: str
    """Dotted, such as ``Environment.Variables.DRAIN_SECONDS``."""
    old: Any
    """``None`` where there was none."""
    new: Any
    """``None`` where there will be none."""

    @property
    def known(self) -> bool:
        """True where a value is known; of dependent properties a change set gives only names."""
        return self.old is not None or self.new is not None

    @property
    def name(self) -> str:
        """Name of the top-level property, as change sets have it."""
        return self.path.split(".")[0].split("[")[0]


@dataclass(frozen=True)
class ResourceDiff:
    """The difference between two templates in one resource."""

    id: str
    type: str
    action: Action
    changes: list[PropertyChange] = field(default_factory=list)
    old_policy: str = "Delete"
    """Policy for the old resource on removal or replacement: Delete, Retain or Snapshot."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def diff_resources(old: ResolvedResources, new: ResolvedResources) -> list[ResourceDiff]:
    """Return every resource that differs, by logical id."""
    diffs = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before is None and after is not None:
            diffs.append(ResourceDiff(name, after["Type"], "add"))
        elif after is None and before is not None:
            policy = before.get("DeletionPolicy", "Delete")
            diffs.append(ResourceDiff(name, before["Type"], "remove", old_policy=policy))
        elif before is not None and after is not None and before != after:
            changes = list(_changes(before, after))
            policy = before.get("UpdateReplacePolicy", "Delete")
            diffs.append(ResourceDiff(name, after["Type"], "modify", changes, policy))
    return diffs


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
            yield from _differences(inner, old.get(key, ABSENT), new.get(key, ABSENT))
    elif isinstance(old, list) and isinstance(new, list) and _keyed(old) and _keyed(new):
        before, after = _by_key(old), _by_key(new)
        for key in [*before, *(key for key in after if key not in before)]:
            inner = f"{path}[{key}]"
            yield from _differences(inner, before.get(key, ABSENT), after.get(key, ABSENT))
    else:
        yield PropertyChange(path, *(None if value is ABSENT else value for value in (old, new)))


def _document(value: Any) -> Any:
    """Parse a JSON text; return any other value as it is."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _intrinsic(*values: dict[str, Any]) -> bool:
    """Return true for a call such as ``{"Fn::GetAtt": ...}``, which is one value."""
    return any(
        len(value) == 1 and (next(iter(value)) == "Ref" or next(iter(value)).startswith("Fn::"))
        for value in values
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


def shorten(value: Any, most: int = 60) -> str:
    """Show a value in one short line of at most ``most`` characters."""
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return text if len(text) <= most else text[: most - 1] + "…"
