"""AWS's limits, each with its page, and checks that refuse before AWS would.

The local emulator enforces none of these, so they are checked where a definition or a package is
built. All pages read 2026-11.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from telemetry.errors import UserError
from workflow.budgets import history_events, largest_payloads, loops

__all__ = [
    "CHANGE_SET_BODY",
    "DEFINITION_CHARACTERS",
    "EXPRESS_SECONDS",
    "HISTORY_EVENTS",
    "LAYERS_PER_FUNCTION",
    "PAYLOAD",
    "STATE_NAME_CHARACTERS",
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
DEFINITION_CHARACTERS = Limit("state machine definition", 1_048_576, "bytes", _SFN_PAGE)
EXPRESS_SECONDS = Limit("life of an Express execution", 300, "seconds", _SFN_PAGE)
STATE_NAME_CHARACTERS = Limit("name of a state", 80, "characters", _SFN_PAGE)
UNZIPPED = Limit("function and its layers, unzipped", 262_144_000, "bytes", _LAMBDA_PAGE)
LAYERS_PER_FUNCTION = Limit("layers of a function", 5, "layers", _LAMBDA_PAGE)
TEMPLATE = Limit("template in a bucket", 1_048_576, "bytes", _CFN_PAGE)
CHANGE_SET_BODY = Limit("template in a request", 51_200, "bytes", _CFN_PAGE)

# The language's own fields: https://states-language.net/spec.html, and for the distributed map
# https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
_COMMON = frozenset({"Type", "Comment", "InputPath", "OutputPath"})
_FLOW = frozenset({"Next", "End"})
_RESULT = frozenset({"ResultPath", "ResultSelector", "Parameters"})
_ERRORS = frozenset({"Retry", "Catch"})
_FIELDS: dict[str, frozenset[str]] = {
    "Task": _COMMON
    | _FLOW
    | _RESULT
    | _ERRORS
    | {
        "Resource",
        "TimeoutSeconds",
        "TimeoutSecondsPath",
        "HeartbeatSeconds",
        "HeartbeatSecondsPath",
        "Credentials",
    },
    "Map": _COMMON
    | _FLOW
    | _RESULT
    | _ERRORS
    | {
        "ItemProcessor",
        "ItemReader",
        "ItemSelector",
        "ItemBatcher",
        "ItemsPath",
        "ResultWriter",
        "MaxConcurrency",
        "MaxConcurrencyPath",
        "ToleratedFailurePercentage",
        "ToleratedFailurePercentagePath",
        "ToleratedFailureCount",
        "ToleratedFailureCountPath",
        "Label",
    },
    "Choice": _COMMON | {"Choices", "Default"},
    "Pass": _COMMON | _FLOW | {"Result", "ResultPath", "Parameters"},
    "Wait": _COMMON | _FLOW | {"Seconds", "SecondsPath", "Timestamp", "TimestampPath"},
    "Succeed": _COMMON,
    "Fail": frozenset({"Type", "Comment", "Error", "Cause", "ErrorPath", "CausePath"}),
    "Parallel": _COMMON | _FLOW | _RESULT | _ERRORS | {"Branches"},
}
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
_MACHINE_FIELDS = frozenset({"Comment", "StartAt", "States", "TimeoutSeconds", "Version"})
_PROCESSOR_FIELDS = _MACHINE_FIELDS - {"TimeoutSeconds", "Version"} | {"ProcessorConfig"}
_TERMINAL = frozenset({"Succeed", "Fail"})

State = dict[str, Any]


class DefinitionError(UserError):
    """Raised when a definition breaks a limit, a rule of the language or one of our own."""


def check_definition(definition: dict[str, Any]) -> None:
    """Raises :class:`DefinitionError` listing every problem of a definition."""
    problems = list(definition_problems(definition))
    if problems:
        raise DefinitionError("The state machine's definition:\n  " + "\n  ".join(problems))


def definition_problems(definition: dict[str, Any]) -> Iterator[str]:
    """Every problem of a definition, one sentence each."""
    size = len(json.dumps(definition).encode())
    if size > DEFINITION_CHARACTERS.most:
        yield f"{size:,} bytes, {DEFINITION_CHARACTERS.most:,} at most"
    if not definition.get("TimeoutSeconds"):
        yield "the machine has no TimeoutSeconds"
    yield from _machine_problems(definition, _MACHINE_FIELDS)
    names = [name for name, _ in _all_states(definition)]
    yield from (f"{name}: the name is used twice" for name in sorted(_repeated(names)))
    yield from _budget_problems(definition)


def _budget_problems(definition: dict[str, Any]) -> Iterator[str]:
    """What would be too large or too long one day, with enough batches or bad luck."""
    machines = [definition, *(s["ItemProcessor"] for _, s in _maps(definition))]
    turning = [name for machine in machines for name in loops(machine)]
    if turning:
        yield f"a loop leads through {turning}: neither history nor payloads have a bound"
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
    """Longest time of all tasks: one attempt each in full, and every wait of their retries.

    Attempts that fail usually fail at once; the waits are what adds up. ``States`` of catches are
    counted too, as a batch may fail at its last step.
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


def _machine_problems(machine: dict[str, Any], allowed: frozenset[str]) -> Iterator[str]:
    unknown = sorted(set(machine) - allowed)
    if unknown:
        yield f"the machine has unknown fields {unknown}"
    states, start = machine.get("States", {}), machine.get("StartAt", "")
    if start not in states:
        yield f"StartAt names {start!r}, which is no state"
        return
    for name, state in states.items():
        yield from (f"{name}: {problem}" for problem in _state_problems(name, state, states))
    unreachable = sorted(set(states) - _reachable(start, states))
    yield from (f"{name}: no state leads here" for name in unreachable)


def _state_problems(name: str, state: State, states: dict[str, State]) -> Iterator[str]:
    kind = state.get("Type", "")
    if kind not in _FIELDS:
        yield f"unknown type {kind!r}"
        return
    if len(name) > STATE_NAME_CHARACTERS.most:
        yield f"name of {len(name)} characters, {STATE_NAME_CHARACTERS.most} at most"
    unknown = sorted(set(state) - _FIELDS[kind])
    if unknown:
        yield f"{kind} has no fields {unknown}"
    missing = sorted({target for target in _targets(state) if target not in states})
    if missing:
        yield f"leads to {missing}, which are no states"
    if kind not in _TERMINAL | {"Choice"} and ("Next" in state) == bool(state.get("End")):
        yield "needs either Next or End"
    if kind == "Choice" and "Default" not in state:
        yield "a Choice without Default fails on what it didn't expect"
    if kind in {"Task", "Map"}:
        yield from _error_problems(state)
    if kind == "Task":
        yield from _task_problems(state)
    if kind == "Map":
        yield from _map_problems(state)


def _task_problems(state: State) -> Iterator[str]:
    if not state.get("Resource"):
        yield "a Task needs a Resource"
    if "TimeoutSeconds" not in state:
        yield "a Task without TimeoutSeconds may hang for a year"


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
    processor = state.get("ItemProcessor")
    if processor is None:
        yield "a Map needs an ItemProcessor"
        return
    config = processor.get("ProcessorConfig", {})
    distributed = config.get("Mode") == "DISTRIBUTED"
    if distributed and config.get("ExecutionType") not in {"STANDARD", "EXPRESS"}:
        yield "a distributed Map needs an ExecutionType"
    if not distributed and {"ItemReader", "ResultWriter", "Label"} & set(state):
        yield "ItemReader, ResultWriter and Label need Mode DISTRIBUTED"
    if config.get("ExecutionType") == "EXPRESS":
        longest = longest_seconds(processor)
        if longest > EXPRESS_SECONDS.most:
            yield (
                f"its tasks may take {longest:.0f} s with their retries; an Express execution "
                f"lives {EXPRESS_SECONDS.most} s"
            )
    yield from _machine_problems(processor, _PROCESSOR_FIELDS)


def _targets(state: State) -> Iterator[str]:
    if "Next" in state:
        yield state["Next"]
    if "Default" in state:
        yield state["Default"]
    yield from (choice["Next"] for choice in state.get("Choices", ()))
    yield from (catch["Next"] for catch in state.get("Catch", ()))


def _reachable(start: str, states: dict[str, State]) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in seen and name in states:
            seen.add(name)
            waiting.extend(_targets(states[name]))
    return seen


def _all_states(machine: dict[str, Any]) -> Iterator[tuple[str, State]]:
    for name, state in machine.get("States", {}).items():
        yield name, state
        yield from _all_states(state.get("ItemProcessor", {}))


def _repeated(names: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    return {name for name in names if name in seen or seen.add(name)}  # type: ignore[func-returns-value]
