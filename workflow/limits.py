"""AWS's limits, each with its page, and checks of a definition that fail before AWS would.

The local emulator enforces none of the limits, so they are checked where a definition or a package
is built. All pages read 2026-11.

The language's own rules (types of states, their fields, ``Next`` or ``End``) are cfn-lint's E3601,
which the tests run on the template of every contract. Here is what it doesn't find: a ``Next`` to
a state that doesn't exist, unreachable states, modes of a map, and this pipeline's own rules on
``Retry``, ``Catch``, timeouts and budgets.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from telemetry.errors import UserError
from workflow.budgets import history_events, largest_payloads, loops, reachable, targets

__all__ = [
    "CHANGE_SET_BODY",
    "DEFINITION",
    "EXPRESS_SECONDS",
    "HISTORY_EVENTS",
    "LAYERS_PER_FUNCTION",
    "PAYLOAD",
    "TEMPLATE",
    "UNZIPPED",
    "DefinitionError",
    "Limit",
    "check_definition",
    "definition_problems",
    "longest_seconds",
]


@dataclass(frozen=True)
class Limit:
    """One limit of a service."""

    name: str
    most: int
    unit: str
    page: str


_SFN_PAGE = "https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"
_LAMBDA_PAGE = "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"
_CFN_PAGE = (
    "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"
)
PAYLOAD = Limit("input or output of a state", 262_144, "bytes", _SFN_PAGE)
HISTORY_EVENTS = Limit("history of a Standard execution", 25_000, "events", _SFN_PAGE)
DEFINITION = Limit("state machine definition", 1_048_576, "bytes", _SFN_PAGE)
EXPRESS_SECONDS = Limit("duration of an Express execution", 300, "seconds", _SFN_PAGE)
UNZIPPED = Limit("function and its layers, unzipped", 262_144_000, "bytes", _LAMBDA_PAGE)
LAYERS_PER_FUNCTION = Limit("layers of a function", 5, "layers", _LAMBDA_PAGE)
TEMPLATE = Limit("template in a bucket", 1_048_576, "bytes", _CFN_PAGE)
CHANGE_SET_BODY = Limit("template in a request", 51_200, "bytes", _CFN_PAGE)

_RETRY_FIELDS = frozenset(
    {
        "ErrorEquals",
        "IntervalSeconds",
        "MaxAttempts",
        "BackoffRate",
        "MaxDelaySeconds",
        "JitterStrategy",
    }
)
_CATCH_FIELDS = frozenset({"ErrorEquals", "ResultPath", "Next"})

State = dict[str, Any]


class DefinitionError(UserError):
    """Raised when a definition breaks a limit of AWS or a rule of this pipeline."""


def check_definition(definition: dict[str, Any]) -> None:
    """Raises :class:`DefinitionError` listing every problem of a definition."""
    problems = list(definition_problems(definition))
    if problems:
        raise DefinitionError("The state machine's definition:\n  " + "\n  ".join(problems))


def definition_problems(definition: dict[str, Any]) -> Iterator[str]:
    """Every problem of a definition, one sentence each."""
    size = len(json.dumps(definition).encode())
    if size > DEFINITION.most:
        yield f"{size:,} bytes, {DEFINITION.most:,} at most"
    if not definition.get("TimeoutSeconds"):
        yield "the machine has no TimeoutSeconds"
    yield from _machine_problems(definition)
    names = [name for name, _ in _all_states(definition)]
    yield from (f"{name}: the name is used twice" for name in sorted(_repeated(names)))
    yield from _budget_problems(definition)


def _budget_problems(definition: dict[str, Any]) -> Iterator[str]:
    """Payloads and histories that would be too large with enough batches or retries."""
    machines = [definition, *(s["ItemProcessor"] for _, s in _maps(definition))]
    looping = [name for machine in machines for name in loops(machine)]
    if looping:
        yield f"the states {looping} form a loop: neither history nor payloads are bounded"
        return
    events = history_events(definition)
    if events > HISTORY_EVENTS.most:
        yield f"its history may have {events:,} events, {HISTORY_EVENTS.most:,} at most"
    for name, state in _maps(definition):
        if state["ItemProcessor"].get("ProcessorConfig", {}).get("Mode") != "DISTRIBUTED":
            yield f"{name}: the history grows with the items of a map that is not distributed"
    for name, size in largest_payloads(definition).items():
        if size > PAYLOAD.most:
            least = "without bound" if size == math.inf else f"{size:,.0f} bytes"
            yield f"{name}: its payload may become {least}, {PAYLOAD.most:,} bytes at most"


def _maps(definition: dict[str, Any]) -> list[tuple[str, State]]:
    states = definition.get("States", {})
    return [(name, state) for name, state in states.items() if "ItemProcessor" in state]


def longest_seconds(machine: dict[str, Any]) -> float:
    """Longest time of all tasks in seconds: one full attempt each, and every wait of their retries.

    Attempts that fail usually fail at once; the waits are what adds up. States that a ``Catch``
    leads to count too, as a batch may fail at its last step.
    """
    return sum(
        float(state.get("TimeoutSeconds", 0))
        + sum(_longest_wait(r) for r in state.get("Retry", ()))
        for state in machine["States"].values()
        if state["Type"] == "Task"
    )


def _longest_wait(retry: dict[str, Any]) -> float:
    interval, backoff = retry.get("IntervalSeconds", 1), retry.get("BackoffRate", 2.0)
    cap = retry.get("MaxDelaySeconds", float("inf"))
    attempts = range(retry.get("MaxAttempts", 3))
    return float(sum(min(interval * backoff**n, cap) for n in attempts))


def _machine_problems(machine: dict[str, Any]) -> Iterator[str]:
    states, start = machine.get("States", {}), machine.get("StartAt", "")
    if start not in states:
        yield f"StartAt names {start!r}, and there is no such state"
        return
    for name, state in states.items():
        yield from (f"{name}: {problem}" for problem in _state_problems(state, states))
    unreachable = sorted(set(states) - reachable(states, [start]))
    yield from (f"{name}: no state leads here" for name in unreachable)


def _state_problems(state: State, states: dict[str, State]) -> Iterator[str]:
    kind = state.get("Type")
    missing = sorted({target for target in targets(state) if target not in states})
    if missing:
        yield f"leads to {missing}, and there are no such states"
    if kind == "Choice" and "Default" not in state:
        yield "a Choice without Default fails on an input that no rule matches"
    if kind in {"Task", "Map"}:
        yield from _error_problems(state)
    if kind == "Task" and "TimeoutSeconds" not in state:
        yield "a Task without TimeoutSeconds may hang for a year"
    if "ItemProcessor" in state:
        yield from _map_problems(state)


def _error_problems(state: State) -> Iterator[str]:
    if not state.get("Retry"):
        yield "needs a Retry"
    if not state.get("Catch"):
        yield "needs a Catch"
    for retry in state.get("Retry", ()):
        if set(retry) != _RETRY_FIELDS:
            yield f"a Retry has the fields {sorted(retry)}, not all of {sorted(_RETRY_FIELDS)}"
        if "States.ALL" in retry.get("ErrorEquals", ()):
            yield "a Retry on States.ALL repeats permanent errors"
    for catch in state.get("Catch", ()):
        if not set(catch) <= _CATCH_FIELDS:
            yield f"a Catch has unknown fields {sorted(set(catch) - _CATCH_FIELDS)}"
    caught = [error for catch in state.get("Catch", ()) for error in catch["ErrorEquals"]]
    if caught and "States.ALL" not in caught:
        yield "no Catch for States.ALL"


def _map_problems(state: State) -> Iterator[str]:
    processor = state["ItemProcessor"]
    config = processor.get("ProcessorConfig", {})
    distributed = config.get("Mode") == "DISTRIBUTED"  # any other map fails the budget
    if distributed and config.get("ExecutionType") not in {"STANDARD", "EXPRESS"}:
        yield "a distributed Map needs an ExecutionType"
    if not distributed and {"ItemReader", "ResultWriter", "Label"} & set(state):
        yield "ItemReader, ResultWriter and Label need Mode DISTRIBUTED"
    if config.get("ExecutionType") == "EXPRESS":
        longest = longest_seconds(processor)
        if longest > EXPRESS_SECONDS.most:
            yield (
                f"its tasks may take {longest:.0f} s with their retries; an Express execution "
                f"ends after {EXPRESS_SECONDS.most} s"
            )
    yield from _machine_problems(processor)


def _all_states(machine: dict[str, Any]) -> Iterator[tuple[str, State]]:
    for name, state in machine.get("States", {}).items():
        yield name, state
        yield from _all_states(state.get("ItemProcessor", {}))


def _repeated(names: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    return {name for name in names if name in seen or seen.add(name)}  # type: ignore[func-returns-value]
