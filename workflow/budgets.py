"""Bounds on the payloads and the history of a definition, computed from the definition alone.

Both limits of AWS are hit in production only, with the first backlog that is large enough. So the
bounds here hold for any number of batches:

- **Payload.** The input of each state is followed from the start through ``Parameters``,
  ``ResultPath``, ``OutputPath`` and ``Catch``, with bounds of what comes from outside: the input,
  the results of functions (``FunctionSpec.answer``, which tests check), errors, the context. The
  result of a map has no bound, as it grows with its items.
- **History.** Each state is visited once at most, and each attempt of a task or map leaves so many
  events. A loop is refused, unless it goes through :data:`WAIT`: Extract, which decides whether the
  execution waits again, does so :data:`~telemetry.manifest.MOST_DRAINS` times at most.

Pure: definitions are plain data, sizes are bytes of JSON.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from functions.inventory import FUNCTIONS
from telemetry.manifest import MOST_DRAINS

__all__ = [
    "INPUT_BYTES",
    "WAIT",
    "history_events",
    "largest_payloads",
    "loops",
    "reachable",
    "targets",
]

WAIT = "Wait for the next drain"
"""State that every cycle of the drain loop goes through."""
INPUT_BYTES = 16_384
"""Input of an execution. The pipeline's own are below 1 KiB; one started by hand may be larger."""
CONTEXT_BYTES = 2_048
"""A value of the context object: a name, an ARN, a time, an S3 key (1,024 bytes at most)."""
ERROR_NAME_BYTES = 256
ERROR_BYTES = ERROR_NAME_BYTES + 2 * 32_768
"""Added by a Catch: a cause has at most 32,768 characters, and quotation marks count twice."""
SERVICE_ANSWER_BYTES = 4_096
"""Size of a result of ``sns:publish`` or ``s3:putObject``: ids and headers."""

STATE_EVENTS = 2
"""Events of a state: entered and exited."""
ATTEMPT_EVENTS = 5
"""Most events of an attempt: scheduled, started, submitted, ended; a map has its run's as well."""
EXECUTION_EVENTS = 2
"""Events of an execution: started and ended."""

_INTRINSIC = re.compile(r"^States\.(\w+)\((.*)\)$", re.DOTALL)
# As a text in a text, each quotation mark is escaped; a split part is quoted by itself.
_GROWTH = {"JsonToString": 2, "StringSplit": 4}
_REST = "*"
"""Stands for all members whose names are not known."""

State = dict[str, Any]
Payload = dict[str, float]
"""Bounds of the members of a JSON object, in bytes."""


def history_events(machine: State) -> int:
    """Most events of a Standard execution, with every retry of every state used up."""
    repeated = set(_cycle(machine["States"]))
    return EXECUTION_EVENTS + sum(
        _events(state) * (MOST_DRAINS if name in repeated else 1)
        for name, state in machine["States"].items()
    )


def _events(state: State) -> int:
    """Most events of one visit to a state."""
    if state["Type"] not in {"Task", "Map", "Parallel"}:
        return STATE_EVENTS
    attempts: int = 1 + sum(retry.get("MaxAttempts", 3) for retry in state.get("Retry", ()))
    return STATE_EVENTS + ATTEMPT_EVENTS * attempts


def loops(machine: State) -> list[str]:
    """Names of the states that lead back to themselves without a wait between two drains."""
    return _cycle({name: s for name, s in machine["States"].items() if name != WAIT})


def _cycle(states: dict[str, State]) -> list[str]:
    return sorted(name for name in states if name in reachable(states, targets(states[name])))


def largest_payloads(machine: State, given: Payload | None = None) -> dict[str, float]:
    """Bound of each state's largest payload in bytes: of its input, its parameters, and its output.

    States inside a map are among them. The machine must be free of :func:`loops`; what waits for
    the next drain gets into the payloads of that as well.
    """
    inputs: dict[str, Payload] = {machine["StartAt"]: given or {_REST: INPUT_BYTES}}
    longest = _follow(machine, inputs)
    for _ in machine["States"]:
        again = _follow(machine, inputs)
        if again == longest:
            return longest
        longest = again
    return dict.fromkeys(longest, math.inf)  # each drain adds to the payload


def _follow(machine: State, inputs: dict[str, Payload]) -> dict[str, float]:
    """Follow the payloads through all states once; adds to the inputs of each."""
    states: dict[str, State] = machine["States"]
    longest: dict[str, float] = {}
    for name in _in_order(machine):
        state, taken = states[name], inputs.get(name, {})
        sent, output = _sent(state, taken), _output(state, taken)
        longest[name] = max(_total(taken), sent, _total(output))
        for target in _next(state):
            _merge(inputs.setdefault(target, {}), output)
        for catch in state.get("Catch", ()):
            caught = _placed(taken, catch.get("ResultPath", "$"), ERROR_BYTES)
            _merge(inputs.setdefault(catch["Next"], {}), caught)
        if "ItemProcessor" in state:
            item = _members(state.get("ItemSelector", {}), taken)
            longest |= largest_payloads(state["ItemProcessor"], item)
    return longest


def _sent(state: State, taken: Payload) -> float:
    """Bound of a task's parameters; without ``Parameters`` it sends its input."""
    if "Parameters" not in state:
        return _total(taken)
    return _total(_members(state["Parameters"], taken))


def _output(state: State, taken: Payload) -> Payload:
    if state["Type"] not in {"Task", "Map", "Parallel"}:
        return taken
    placed = _placed(taken, state.get("ResultPath", "$"), _answer(state))
    path = state.get("OutputPath", "$")
    if path is None:
        return {}
    return placed if path == "$" else {_REST: _value(path, placed)}


def _answer(state: State) -> float:
    """Bound of a result; the result selector of our tasks keeps only the payload."""
    if state["Type"] != "Task":
        return math.inf
    function = str(state.get("Parameters", {}).get("FunctionName", ""))
    for spec in FUNCTIONS:
        if function == f"${{{spec.title}FunctionArn}}":
            return spec.answer or math.inf
    return math.inf if function else SERVICE_ANSWER_BYTES


def _placed(taken: Payload, path: str | None, size: float) -> Payload:
    """A result put into the input, as ``ResultPath`` says."""
    if path is None:
        return taken
    if path == "$":
        return {_REST: size}
    name = path.removeprefix("$.").partition(".")[0]
    return {**taken, name: size}


def _members(template: State, taken: Payload) -> Payload:
    """Bounds of the members of a template with ``.$`` members."""
    return {
        name.removesuffix(".$"): _filled(name, value, taken) for name, value in template.items()
    }


def _filled(name: str, value: Any, taken: Payload) -> float:
    if name.endswith(".$"):
        return _value(value, taken)
    if isinstance(value, dict):
        return _total(_members(value, taken))
    return len(json.dumps(value))


def _value(expression: str, taken: Payload) -> float:
    """Bound of a path or an intrinsic function."""
    called = _INTRINSIC.match(expression)
    if called:
        arguments = sum(_value(argument, taken) for argument in _arguments(called[2]))
        return arguments * _GROWTH.get(called[1], 1)
    if expression.startswith("$$."):
        return CONTEXT_BYTES
    if not expression.startswith("$"):
        return len(json.dumps(expression))
    if expression == "$":
        return _total(taken)
    first, _, below = expression.removeprefix("$.").partition(".")
    if first == "error" and below == "Error":
        return ERROR_NAME_BYTES
    return taken.get(first.partition("[")[0], _total(taken))


def _arguments(text: str) -> Iterator[str]:
    """Arguments of an intrinsic function, split at the commas of this level."""
    depth, quoted, start = 0, False, 0
    for place, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif not quoted and character in "()":
            depth += 1 if character == "(" else -1
        elif not quoted and character == "," and not depth:
            yield text[start:place].strip()
            start = place + 1
    yield text[start:].strip()


def _total(payload: Payload) -> float:
    return 2 + sum(len(name) + 4 + size for name, size in payload.items())


def _merge(into: Payload, other: Payload) -> None:
    for name, size in other.items():
        into[name] = max(size, into.get(name, 0))


def _next(state: State) -> Iterator[str]:
    if "Next" in state:
        yield state["Next"]
    if "Default" in state:
        yield state["Default"]
    yield from (choice["Next"] for choice in state.get("Choices", ()))


def targets(state: State) -> list[str]:
    """Names of the states that a state may lead to, with or without an error."""
    return [*_next(state), *(catch["Next"] for catch in state.get("Catch", ()))]


def reachable(states: dict[str, State], start: list[str]) -> set[str]:
    """Names of the states that can be reached from these, which are included."""
    seen: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in seen and name in states:
            seen.add(name)
            waiting.extend(targets(states[name]))
    return seen


def _in_order(machine: State) -> list[str]:
    """Names of the states, each after all states that lead to it."""
    states, order, seen = machine["States"], [], set()

    def visit(name: str) -> None:
        if name in seen or name not in states:
            return
        seen.add(name)
        for target in targets(states[name]):
            visit(target)
        order.append(name)

    visit(machine["StartAt"])
    return order[::-1]
