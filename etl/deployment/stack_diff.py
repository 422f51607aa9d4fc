"""One stack's changes, as a person reviews them: the change set and the templates put together.

A change set knows what is replaced and what follows from what; the templates know the values before
and after. Pure: both in, one list out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from etl.deployment.change_set import Replacement, ReportedChange
from etl.deployment.replacement import replaces, what_is_lost
from etl.deployment.template_diff import Action, PropertyChange, ResourceDiff

__all__ = ["ResourceChange", "StackReview", "StateChange", "review_resources", "state_changes"]

DEFINITION = "DefinitionString"
_ACTIONS: dict[str, Action] = {"Add": "add", "Import": "add", "Remove": "remove"}


@dataclass(frozen=True)
class ResourceChange:
    """What happens to one resource."""

    id: str
    type: str
    action: Action
    replacement: Replacement = "never"
    """Whether a new resource comes in its place."""
    loses: str = ""
    """What goes for good; empty where nothing does."""
    policy: str = "Delete"
    """What becomes of the old one: Delete, Retain or Snapshot."""
    changes: list[PropertyChange] = field(default_factory=list)
    follows: tuple[str, ...] = ()
    """What it changes in consequence of, where its own text is the same."""
    reported: bool = True
    """Whether the change set speaks of it; otherwise only the templates differ."""

    @property
    def only_follows(self) -> bool:
        """Its own text is the same: it refers to something that changes, and mostly stays."""
        return (
            self.action == "modify"
            and not self.loses
            and not any(one.known for one in self.changes)
        )


@dataclass(frozen=True)
class StateChange:
    """One state of the state machine that differs."""

    what: Action
    state: str
    """Name; states of a map below its name, as in ``Batches/Load``."""
    fields: tuple[str, ...] = ()
    """What of it differs."""


@dataclass(frozen=True, kw_only=True)
class StackReview:
    """Everything that would happen to one stack."""

    stack: str
    status: str | None
    """``None``: there is no such stack yet."""
    resources: list[ResourceChange]
    parameters: list[PropertyChange] = field(default_factory=list)
    tags: list[PropertyChange] = field(default_factory=list)
    states: list[StateChange] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """What could not be found out, and why."""

    @property
    def changes(self) -> bool:
        """Whether anything would change."""
        return bool(self.resources or self.parameters or self.tags)

    @property
    def losses(self) -> list[str]:
        """Sentences about what would be lost."""
        return [
            f"{one.id} is {'deleted' if one.action == 'remove' else 'replaced'}: {one.loses}"
            for one in self.resources
            if one.loses
        ]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return asdict(self) | {"losses": self.losses}


def review_resources(
    diffs: Sequence[ResourceDiff],
    reported: Iterable[ReportedChange] | None,
    *,
    trusted: bool = True,
) -> list[ResourceChange]:
    """All changed resources: what loses something first, then by action and name.

    ``reported`` is ``None`` where there is no change set. ``trusted``: whether its word about
    replacement counts; else CloudFormation's resource schemas decide.
    """
    by_template = {diff.id: diff for diff in diffs}
    by_change_set = {change.id: change for change in reported or ()}
    asked = reported is not None
    found = [
        *(_of_diff(diff, by_change_set.get(diff.id), trusted, asked) for diff in diffs),
        *(
            _of_change_set(change, trusted)
            for change in by_change_set.values()
            if change.id not in by_template
        ),
    ]
    order = ("remove", "modify", "add")
    return sorted(found, key=lambda one: (not one.loses, order.index(one.action), one.id))


def _of_diff(
    diff: ResourceDiff, change: ReportedChange | None, trusted: bool, asked: bool
) -> ResourceChange:
    """A resource whose text differs, with what the change set says of it."""
    replacement: Replacement = "never"
    if diff.action == "modify":
        by_schema = replaces(diff.type, {one.name for one in diff.changes})
        replacement = "always" if by_schema else "never"
        if change is not None and trusted:
            replacement = change.replacement
    goes = diff.action == "remove" or replacement != "never"
    told = {one.name for one in diff.changes}
    more = sorted(set(change.properties) - told) if change and diff.action == "modify" else []
    return ResourceChange(
        id=diff.id,
        type=diff.type,
        action=diff.action,
        replacement=replacement,
        loses=what_is_lost(diff.type, diff.old_policy) if goes else "",
        policy=diff.old_policy,
        changes=[*diff.changes, *(PropertyChange(name, None, None) for name in more)],
        follows=change.causes if change else (),
        reported=change is not None or not asked,
    )


def _of_change_set(change: ReportedChange, trusted: bool) -> ResourceChange:
    """A resource whose text is the same: it refers to one that changes."""
    replacement: Replacement = change.replacement if trusted else "never"
    kept = next((word for word in ("Retain", "Snapshot") if word in change.policy), "Delete")
    return ResourceChange(
        id=change.id,
        type=change.type,
        action=_ACTIONS.get(change.action, "modify"),
        replacement=replacement,
        loses=what_is_lost(change.type, kept) if replacement == "always" else "",
        policy=kept,
        changes=[PropertyChange(name, None, None) for name in sorted(change.properties)],
        follows=change.causes,
    )


def state_changes(resources: Iterable[ResourceChange]) -> list[StateChange]:
    """How the state machine's definition differs, state by state."""
    found: dict[tuple[Action, str], set[str]] = {}
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
            key = (what, "/".join(name for name in names if name) or "(the machine itself)")
            field_name = part.split(".")[0].split("[")[0] if inner else change.path.split(".")[-1]
            found.setdefault(key, set()).update({field_name} - {""})
    return [
        StateChange(what, state, tuple(sorted(names))) for (what, state), names in found.items()
    ]
