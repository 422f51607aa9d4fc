"""Prints a plan: what is added, changed, replaced and removed, with old and new values."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from etl.deployment.contract_review import ContractReview
from etl.deployment.plan import DeployPlan
from etl.deployment.stack_diff import ResourceChange, StackReview
from etl.deployment.template_diff import PropertyChange, shorten

__all__ = ["print_plan"]

SIGNS = {"add": "[green]+[/]", "modify": "[yellow]~[/]", "remove": "[red]-[/]"}
CONTRACT_SIGNS = {"added": SIGNS["add"], "removed": SIGNS["remove"], "changed": SIGNS["modify"]}
MOST_PROPERTIES = 12
"""Most properties shown of one resource; ``--json`` has them all."""
DOCUMENTS = ("DefinitionString", "DashboardBody")
"""Properties too long to show; the state machine's changes are listed state by state."""
WIDTH = 96


def print_plan(console: Console, plan: DeployPlan, remarks: Sequence[str] = ()) -> None:
    """Print the whole plan, and further ``remarks``."""
    for review in plan.stacks:
        _print_stack(console, review)
    for contract in plan.contracts:
        _print_contract(console, contract)
    for removed in plan.removed_contracts:
        console.print(f"contract [bold]{escape(removed.name)}[/]: removed", soft_wrap=True)
    _print_uploads(console, plan)
    for remark in (*remarks, *_remarks(plan)):
        console.print(f"[dim]note: {escape(remark)}[/]", soft_wrap=True)
    for loss in plan.losses:
        console.print(f"[bold red]warning: data would be lost. {escape(loss)}[/]", soft_wrap=True)
    console.print(_summary(plan))


def _remarks(plan: DeployPlan) -> Iterator[str]:
    remarks: dict[str, None] = dict.fromkeys(plan.remarks)
    for contract in plan.contracts:
        remarks |= dict.fromkeys(contract.remarks)
    for review in plan.stacks:
        remarks |= dict.fromkeys(review.remarks)
    yield from remarks


def _print_stack(console: Console, review: StackReview) -> None:
    title = f"stack [bold]{escape(review.stack)}[/]"
    if review.status is None:
        console.print(f"{title}: new, {_counted(review)}")
        _print_new(console, review)
        return
    if not review.changes:
        console.print(f"{title}: no changes")
        return
    console.print(f"{title}: {_counted(review)}")
    for resource in review.resources:
        if not resource.only_follows:
            _print_resource(console, resource)
    _print_values(console, "parameters", review.parameters)
    _print_values(console, "tags", review.tags)
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
        f"{replaced} of them replaced" if replaced else "",
        f"{number['remove']} to remove" if number["remove"] else "",
        f"{follow} that depend on them" if follow else "",
    ]
    return ", ".join(part for part in parts if part) or "only parameters and tags"


def _print_new(console: Console, review: StackReview) -> None:
    """Print the resources of a new stack by type: there is nothing to compare them with."""
    by_type: dict[str, int] = {}
    for one in review.resources:
        name = one.type.removeprefix("AWS::")
        by_type[name] = by_type.get(name, 0) + 1
    # A number stays with its name when lines are broken.
    text = ", ".join(f"{count}\N{NO-BREAK SPACE}{name}" for name, count in sorted(by_type.items()))
    lines = textwrap.wrap(text, WIDTH)
    _indented(console, "\n".join(lines).replace("\N{NO-BREAK SPACE}", " "), 2)


def _indented(console: Console, text: str | Text, by: int) -> None:
    """Print indented lines without wrapping or padding them."""
    room = " " * by
    moved = Text(textwrap.indent(text, room)) if isinstance(text, str) else Text(room) + text
    console.print(moved, soft_wrap=True)


def _print_resource(console: Console, resource: ResourceChange) -> None:
    kind = resource.type.removeprefix("AWS::")
    sign = SIGNS[resource.action]
    console.print(
        f"  {sign} {escape(resource.id)} [dim]{kind}[/]{_effect(resource)}", soft_wrap=True
    )
    own = [one for one in resource.changes if one.known and one.name not in DOCUMENTS]
    for change in own[:MOST_PROPERTIES]:
        _indented(console, _property(change), 6)
    for name in sorted({one.name for one in resource.changes if one.known} & set(DOCUMENTS)):
        _indented(console, f"{name}: changed document", 6)
    if len(own) > MOST_PROPERTIES:
        _indented(console, f"and {len(own) - MOST_PROPERTIES} more (--json shows all)", 6)


def _effect(resource: ResourceChange) -> str:
    """Say whether the resource is replaced or kept, in red where data is lost."""
    maybe = resource.replacement == "maybe"
    if resource.loses:
        verb = "removed" if resource.action == "remove" else "replaced"
        doubt = "may be " if maybe and verb == "replaced" else ""
        return f" [bold red]{doubt}{verb}, and with it {escape(resource.loses)}[/]"
    kept = f"the old one is kept ({resource.policy})" if resource.policy != "Delete" else ""
    if resource.action == "remove":
        return f" [yellow]{kept}[/]" if kept else ""
    if resource.action == "modify" and resource.replacement != "never":
        verb = "may be replaced" if maybe else "replaced"
        return f" [magenta]{verb}{', ' if kept else ''}{kept}[/]"
    return ""


def _property(change: PropertyChange) -> Text:
    return Text.assemble(
        f"{change.path}: ", (shorten(change.old), "red"), " → ", (shorten(change.new), "green")
    )


def _print_values(console: Console, title: str, changes: list[PropertyChange]) -> None:
    if changes:
        console.print(f"  {title}")
        for change in changes:
            _indented(console, _property(change), 4)


def _print_contract(console: Console, review: ContractReview) -> None:
    title = f"contract [bold]{escape(review.name)}[/]"
    if review.unknown:
        console.print(f"{title}: {escape(review.unknown)}", soft_wrap=True)
    elif review.first:
        table = escape(review.table)
        console.print(f"{title}: table {table}, created if it doesn't exist", soft_wrap=True)
    elif not review.changes:
        console.print(f"{title}: no changes")
    else:
        _print_contract_changes(console, title, review)


def _print_contract_changes(console: Console, title: str, review: ContractReview) -> None:
    number = len(review.changes)
    console.print(f"{title}: {number} {'change' if number == 1 else 'changes'}")
    for change in review.changes:
        values = f": {change.old} → {change.new}" if change.what == "changed" else ""
        kind = f" {change.new}" if change.what == "added" else ""
        text = escape(change.key + kind + values)
        meaning = f"[dim]{escape(change.meaning)}[/]"
        console.print(f"  {CONTRACT_SIGNS[change.what]} {text} {meaning}", soft_wrap=True)
    if review.refused:
        console.print("  [bold red]the migration can't apply this:[/]")
        _indented(console, review.refused, 4)
    elif review.statements:
        console.print("  the migration will run")
        for statement in review.statements:
            _indented(console, f"{statement};", 4)


def _print_uploads(console: Console, plan: DeployPlan) -> None:
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
