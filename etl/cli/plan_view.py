"""A plan for a person: what is added, changed, replaced, removed, with the values of both sides."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from etl.deployment.contract_review import ContractReview
from etl.deployment.plan import DeployPlan
from etl.deployment.stack_diff import ResourceChange, StackReview
from etl.deployment.template_diff import PropertyChange, shown

__all__ = ["tell_plan"]

SIGNS = {"add": "[green]+[/]", "modify": "[yellow]~[/]", "remove": "[red]-[/]"}
OF_CONTRACT = {"added": SIGNS["add"], "removed": SIGNS["remove"], "changed": SIGNS["modify"]}
MOST_PROPERTIES = 12
"""Of one resource; ``--json`` has them all."""
DOCUMENTS = ("DefinitionString", "DashboardBody")
"""Too long to show; what differs in the state machine is told state by state."""
WIDTH = 96


def tell_plan(console: Console, plan: DeployPlan, remarks: Sequence[str] = ()) -> None:
    """Print the whole plan. ``remarks`` are what else there is to say."""
    for review in plan.stacks:
        _tell_stack(console, review)
    _tell_contract(console, plan.contract)
    _tell_uploads(console, plan)
    for remark in (*remarks, *_remarks(plan)):
        console.print(f"[dim]note: {escape(remark)}[/]", soft_wrap=True)
    for loss in plan.losses:
        console.print(f"[bold red]warning: data is lost. {escape(loss)}[/]", soft_wrap=True)
    console.print(_summary(plan))


def _remarks(plan: DeployPlan) -> Iterator[str]:
    said: dict[str, None] = dict.fromkeys(plan.remarks)
    for review in plan.stacks:
        said |= dict.fromkeys(review.remarks)
    yield from said


def _tell_stack(console: Console, review: StackReview) -> None:
    title = f"stack [bold]{escape(review.stack)}[/]"
    if review.status is None:
        console.print(f"{title}: new, {_counted(review)}")
        _tell_new(console, review)
        return
    if not review.changes:
        console.print(f"{title}: no changes")
        return
    console.print(f"{title}: {_counted(review)}")
    for resource in review.resources:
        if not resource.only_follows:
            _tell_resource(console, resource)
    _tell_values(console, "parameters", review.parameters)
    _tell_values(console, "tags", review.tags)
    if review.states:
        console.print("  state machine")
        for state in review.states:
            fields = f": {', '.join(state.fields)}" if state.fields else ""
            console.print(f"    {SIGNS[state.what]} {escape(state.state)}{escape(fields)}")


def _counted(review: StackReview) -> str:
    own = [one for one in review.resources if not one.only_follows]
    number = {what: sum(one.action == what for one in own) for what in SIGNS}
    replaced = sum(one.replacement == "always" for one in own)
    follow = len(review.resources) - len(own)
    parts = [
        f"{number['add']} to add" if number["add"] else "",
        f"{number['modify']} to change" if number["modify"] else "",
        f"{replaced} of them by new ones" if replaced else "",
        f"{number['remove']} to remove" if number["remove"] else "",
        f"{follow} that refer to them" if follow else "",
    ]
    return ", ".join(part for part in parts if part) or "parameters and tags alone"


def _tell_new(console: Console, review: StackReview) -> None:
    """What a new stack brings, by type: its resources have no history to compare with."""
    by_type: dict[str, int] = {}
    for one in review.resources:
        name = one.type.removeprefix("AWS::")
        by_type[name] = by_type.get(name, 0) + 1
    # A number stays with its name when lines are broken.
    told = ", ".join(f"{count}\N{NO-BREAK SPACE}{name}" for name, count in sorted(by_type.items()))
    lines = textwrap.wrap(told, WIDTH)
    _indented(console, "\n".join(lines).replace("\N{NO-BREAK SPACE}", " "), 2)


def _indented(console: Console, text: str | Text, by: int) -> None:
    """Lines moved to the right; no line is broken or filled up."""
    room = " " * by
    moved = Text(textwrap.indent(text, room)) if isinstance(text, str) else Text(room) + text
    console.print(moved, soft_wrap=True)


def _tell_resource(console: Console, resource: ResourceChange) -> None:
    kind = resource.type.removeprefix("AWS::")
    sign = SIGNS[resource.action]
    console.print(f"  {sign} {escape(resource.id)} [dim]{kind}[/]{_fate(resource)}", soft_wrap=True)
    own = [one for one in resource.changes if one.known and one.name not in DOCUMENTS]
    for change in own[:MOST_PROPERTIES]:
        _indented(console, _property(change), 6)
    for name in sorted({one.name for one in resource.changes if one.known} & set(DOCUMENTS)):
        _indented(console, f"{name}: another document", 6)
    if len(own) > MOST_PROPERTIES:
        _indented(console, f"and {len(own) - MOST_PROPERTIES} more (--json shows all)", 6)


def _fate(resource: ResourceChange) -> str:
    """What becomes of the resource itself, in red where that loses something."""
    maybe = resource.replacement == "maybe"
    if resource.loses:
        verb = "removed" if resource.action == "remove" else "replaced"
        doubt = "may be " if maybe and verb == "replaced" else ""
        return f" [bold red]{doubt}{verb}, and with it {escape(resource.loses)}[/]"
    kept = f"the old one stays ({resource.policy})" if resource.policy != "Delete" else ""
    if resource.action == "remove":
        return f" [yellow]{kept}[/]" if kept else ""
    if resource.action == "modify" and resource.replacement != "never":
        said = "perhaps a new one in its place" if maybe else "a new one in its place"
        return f" [magenta]{said}{', ' if kept else ''}{kept}[/]"
    return ""


def _property(change: PropertyChange) -> Text:
    return Text.assemble(
        f"{change.path}: ", (shown(change.old), "red"), " → ", (shown(change.new), "green")
    )


def _tell_values(console: Console, title: str, changes: list[PropertyChange]) -> None:
    if changes:
        console.print(f"  {title}")
        for change in changes:
            _indented(console, _property(change), 4)


def _tell_contract(console: Console, review: ContractReview) -> None:
    title = f"contract [bold]{escape(review.name)}[/]"
    if review.unknown:
        console.print(f"{title}: {escape(review.unknown)}", soft_wrap=True)
    elif review.first:
        table = escape(review.table)
        console.print(f"{title}: table {table}, made where it isn't there yet", soft_wrap=True)
    elif not review.changes:
        console.print(f"{title}: no changes")
    else:
        _tell_contract_changes(console, title, review)


def _tell_contract_changes(console: Console, title: str, review: ContractReview) -> None:
    number = len(review.changes)
    console.print(f"{title}: {number} {'change' if number == 1 else 'changes'}")
    for change in review.changes:
        values = f": {change.old} → {change.new}" if change.what == "changed" else ""
        kind = f" {change.new}" if change.what == "added" else ""
        told = escape(change.key + kind + values)
        meaning = f"[dim]{escape(change.meaning)}[/]"
        console.print(f"  {OF_CONTRACT[change.what]} {told} {meaning}", soft_wrap=True)
    if review.refused:
        console.print("  [bold red]the migration will refuse this:[/]")
        _indented(console, review.refused, 4)
    elif review.statements:
        console.print("  the migration will run")
        for statement in review.statements:
            _indented(console, f"{statement};", 4)


def _tell_uploads(console: Console, plan: DeployPlan) -> None:
    if not plan.uploads:
        console.print("uploads: none")
        return
    total = sum(one.size for one in plan.uploads)
    console.print(f"uploads: {len(plan.uploads)} zips, {_bytes(total)}")
    for one in plan.uploads:
        console.print(f"  [green]+[/] {escape(one.key)} [dim]{_bytes(one.size)}[/]", soft_wrap=True)


def _bytes(number: int) -> str:
    return f"{number / 1e6:.1f} MB" if number >= 100_000 else f"{number / 1e3:.1f} kB"


def _summary(plan: DeployPlan) -> str:
    if not plan.changes:
        return "[green]Nothing would change.[/]"
    order = " [dim]Steps: " + ", ".join(f"{one.kind} {one.stack}" for one in plan.steps) + ".[/]"
    return f"[bold]Nothing has been changed yet.[/]{order if len(plan.stacks) > 1 else ''}"
