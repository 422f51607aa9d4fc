"""Merges the change set and the templates' difference into one review of a stack.

A change set knows what is replaced and which change causes another; the templates know the values
before and after. Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from etl.deployment.change_set import Replacement, ReportedChange
from etl.deployment.replacement import lost_contents, replaces
from etl.deployment.template_diff import Action, PropertyChange, ResourceDiff

__all__ = ["ResourceChange", "StackReview", "StateChange", "review_resources", "state_changes"]

DEFINITION = "DefinitionString"
_VERBS: dict[Action, str] = {"add": "added", "modify": "replaced", "remove": "deleted"}
_ACTIONS: dict[str, Action] = {"Add": "add", "Import": "add", "Remove": "remove"}


@dataclass(frozen=True)
class ResourceChange:
    """The change of one resource."""

    id: str
    type: str
    action: Action
    replacement: Replacement = "never"
    """Says if a new resource takes its place."""
    loses: str = ""
    """Data that is lost for good; empty where none is."""
    policy: str = "Delete"
    """Policy for the old resource: Delete, Retain or Snapshot."""
    changes: list[PropertyChange] = field(default_factory=list)
    follows: tuple[str, ...] = ()
    """Resources and parameters whose change causes this one, where its own text is the same."""
    reported: bool = True
    """True where the change set contains it; otherwise only the templates differ."""

    @property
    def only_follows(self) -> bool:
        """True where only a resource that it refers to changes; mostly it stays as it is."""
        return (
            self.action == "modify"
            and not self.loses
            and not any(change.known for change in self.changes)
        )


@dataclass(frozen=True)
class StateChange:
    """The change of one state of the state machine."""

    what: Action
    state: str
    """Name; states of a map below its name, as in ``Batches/Load``."""
    fields: tuple[str, ...] = ()
    """Names of the fields that differ."""


@dataclass(frozen=True, kw_only=True)
class StackReview:
    """Everything that a deployment would do to one stack."""

    stack: str
    status: str | None
    """``None`` where there is no such stack yet."""
    resources: list[ResourceChange]
    parameters: list[PropertyChange] = field(default_factory=list)
    tags: list[PropertyChange] = field(default_factory=list)
    states: list[StateChange] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """Sentences about what could not be determined, and why."""

    @property
    def changes(self) -> bool:
        """True where anything would change."""
        return bool(self.resources or self.parameters or self.tags)

    @property
    def losses(self) -> list[str]:
        """Sentences about the data that would be lost."""
        return [
            f"{resource.id} is {_VERBS[resource.action]}: {resource.loses}"
            for resource in self.resources
            if resource.loses
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, for ``--json``."""
        return asdict(self) | {"losses": self.losses}


def review_resources(
    diffs: Sequence[ResourceDiff],
    reported: Iterable[ReportedChange] | None,
    *,
    trusted: bool = True,
) -> list[ResourceChange]:
    """Return all changed resources: those that lose data first, then by action and name.

    ``reported`` is ``None`` where there is no change set. ``trusted``: whether its replacements
    count; otherwise CloudFormation's resource schemas decide.
    """
    by_template = {diff.id: diff for diff in diffs}
    by_change_set = {change.id: change for change in reported or ()}
    asked = reported is not None
    changed = [
        *(_from_diff(diff, by_change_set.get(diff.id), trusted, asked) for diff in diffs),
        *(
            _from_change_set(change, trusted)
            for change in by_change_set.values()
            if change.id not in by_template
        ),
    ]
    order = ("remove", "modify", "add")
    return sorted(changed, key=lambda one: (not one.loses, order.index(one.action), one.id))


def _from_diff(
    diff: ResourceDiff, change: ReportedChange | None, trusted: bool, asked: bool
) -> ResourceChange:
    """Describe a resource whose text differs, with the change set's report of it."""
    replacement: Replacement = "never"
    if diff.action == "modify":
        by_schema = replaces(diff.type, {one.name for one in diff.changes})
        replacement = "always" if by_schema else "never"
        if change is not None and trusted:
            replacement = change.replacement
    removed = diff.action == "remove" or replacement != "never"
    named = {one.name for one in diff.changes}
    more = sorted(set(change.properties) - named) if change and diff.action == "modify" else []
    return ResourceChange(
        id=diff.id,
        type=diff.type,
        action=diff.action,
        replacement=replacement,
        loses=lost_contents(diff.type, diff.old_policy) if removed else "",
        policy=diff.old_policy,
        changes=[*diff.changes, *(PropertyChange(name, None, None) for name in more)],
        follows=change.causes if change else (),
        reported=change is not None or not asked,
    )


def _from_change_set(change: ReportedChange, trusted: bool) -> ResourceChange:
    """Describe a resource whose own text is the same: it refers to one that changes."""
    replacement: Replacement = change.replacement if trusted else "never"
    kept = next((word for word in ("Retain", "Snapshot") if word in change.policy), "Delete")
    return ResourceChange(
        id=change.id,
        type=change.type,
        action=_ACTIONS.get(change.action, "modify"),
        replacement=replacement,
        loses=lost_contents(change.type, kept) if replacement == "always" else "",
        policy=kept,
        changes=[PropertyChange(name, None, None) for name in sorted(change.properties)],
        follows=change.causes,
    )


def state_changes(resources: Iterable[ResourceChange]) -> list[StateChange]:
    """Return the changes of the state machine's definition, state by state."""
    changes: dict[tuple[Action, str], set[str]] = {}
    for resource in resources:
        for change in resource.changes:
            if change.path.split(".")[0] != DEFINITION:
                continue
            *states, last = change.path.split(".States.")[1:] or [""]
            inner, _, part = last.partition(".")
            names = [state.split(".")[0] for state in states] + [inner]
            what: Action = "modify"
            if not part and inner:
                what = "add" if change.old is None else "remove" if change.new is None else "modify"
            key = (what, "/".join(name for name in names if name) or "(the state machine itself)")
            field_name = part.split(".")[0].split("[")[0] if inner else change.path.split(".")[-1]
            changes.setdefault(key, set()).update({field_name} - {""})
    return [
        StateChange(what, state, tuple(sorted(names))) for (what, state), names in changes.items()
    ]
