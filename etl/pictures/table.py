"""The states of a machine as a Markdown table, for the documentation."""

from __future__ import annotations

from typing import Any

from etl.pictures.states import Machine, Step, read_machine

__all__ = ["states_table"]


def states_table(definition: dict[str, Any]) -> str:
    """A row for each state, in the order in which they are reached; those inside a Map below it."""
    states: dict[str, Any] = {}
    _collect(definition, states)
    machine = read_machine(definition)
    lines = [
        "| state | what it is | then | retried | on an error |",
        "|---|---|---|---|---|",
        *_rows(machine, states, ""),
    ]
    return "\n".join(lines) + "\n"


def _collect(machine: dict[str, Any], states: dict[str, Any]) -> None:
    for name, state in machine["States"].items():
        states[name] = state
        for inner in (
            state.get("ItemProcessor"),
            state.get("Iterator"),
            *state.get("Branches", ()),
        ):
            if inner:
                _collect(inner, states)


def _rows(machine: Machine, states: dict[str, Any], indent: str) -> list[str]:
    lines = []
    for name in _order(machine):
        step, arrows = machine.steps[name], [a for a in machine.arrows if a.source == name]
        then = "; ".join(
            f"{a.label + ': ' if a.label else ''}{a.target}" for a in arrows if not a.caught
        )
        caught = ", ".join(a.target for a in arrows if a.caught)
        again = _retried(states[name])
        ends = then or ("the end" if step.ends or step.kind in ("Succeed", "Fail") else "")
        lines.append(f"| {indent}{name} | {_what(step)} | {ends} | {again} | {caught} |")
        for inner in step.inner:
            lines += _rows(inner, states, indent + "&emsp;↳ ")
    return lines


def _what(step: Step) -> str:
    return step.about or step.kind


def _order(machine: Machine) -> list[str]:
    """Names in the order in which they are reached: first without errors, then by errors."""
    order: list[str] = []
    for ahead in ([machine.start], list(machine.steps)):
        while ahead:
            name = ahead.pop(0)
            if name in order:
                continue
            order.append(name)
            ahead += [a.target for a in machine.arrows if a.source == name and not a.caught]
    return order


def _retried(state: dict[str, Any]) -> str:
    """The highest number of retries for any error."""
    most = max((r.get("MaxAttempts", 3) for r in state.get("Retry", ())), default=0)
    return "" if not most else "once" if most == 1 else f"up to {most} times"
