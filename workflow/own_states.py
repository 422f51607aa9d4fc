"""Checks of the states that a user adds to the workflow, as data: what they may be and do.

The steps around an added state read members of its input, so it must hand its input on as it got
it: its result is discarded (``ResultPath: null``). :mod:`workflow.limits` checks the whole
definition afterwards; here is what only added states can get wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from telemetry.errors import UserError
from workflow.retries import FUNCTION_DIED, LAMBDA_NOT_READY, LAMBDA_SERVICE, TRANSIENT, RetryRule

__all__ = [
    "NAME_CHARACTERS",
    "CustomizationError",
    "complete",
    "function_arn_of",
    "invoked_arns",
    "own_rules",
    "problems_of",
]

State = dict[str, Any]


class CustomizationError(UserError):
    """Raised where the workflow can't be changed as asked; says which state, why, and a way out."""


FUNCTION_ARN = re.compile(
    r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[\w-]{1,64}(:(\$LATEST|[\w-]{1,128}))?",
    re.ASCII,
)
FUNCTION_NAME = re.compile(r"[\w-]{1,64}(:(\$LATEST|[\w-]{1,128}))?", re.ASCII)
INVOKE = "arn:aws:states:::lambda:invoke"
_INVOKE = re.compile(r"^arn:aws[a-z-]*:states:::lambda:invoke$")
_TYPES = ("Task", "Pass", "Choice")
_FIELDS = {
    "Task": {
        "Resource", "Parameters", "TimeoutSeconds", "ResultPath", "InputPath", "OutputPath",
        "Retry", "Catch",
    },
    "Pass": {"ResultPath", "InputPath", "OutputPath"},
    "Choice": {"Choices", "Default", "InputPath", "OutputPath"},
}  # fmt: skip
_EVERYWHERE = {"Type", "Comment", "Next", "End"}
NAME_CHARACTERS = 80
"""Longest name of a state (https://states-language.net, read 2026-11)."""


def own_rules(retry_on: tuple[str, ...], *, in_batch: bool) -> tuple[RetryRule, ...]:
    """Retries of an added function: the pipeline's own are too long for what a batch has left.

    ``retry_on``: names of the function's own exceptions that pass. A failure of any other name is
    final at once.
    """
    errors = (*retry_on, *(name for name in TRANSIENT if name not in retry_on))
    cap, more = (4, 0) if in_batch else (30, 2)
    return (
        RetryRule(errors=errors, interval=1, attempts=2 + more, cap=cap),
        RetryRule(errors=LAMBDA_SERVICE, interval=1, attempts=1 + more, cap=cap),
        RetryRule(errors=LAMBDA_NOT_READY, interval=1, attempts=2 + more, cap=cap),
        RetryRule(errors=FUNCTION_DIED, interval=1, attempts=1, cap=cap),
    )


def complete(state: State, rules: tuple[RetryRule, ...], on_error: str) -> None:
    """Give an added state what every state of the pipeline has, where its author left it out.

    A task discards its result, is retried by the rules, and leads to ``on_error`` with every error
    that it doesn't catch itself.
    """
    if state.get("Type") != "Task":
        return
    state["Resource"] = _INVOKE.sub(INVOKE, str(state.get("Resource")))
    state.setdefault("ResultPath", None)
    if state["ResultPath"] is None:
        state.pop("ResultSelector", None)
    if not state.get("Retry"):
        state["Retry"] = [_retrier(rule) for rule in rules]
    catches = state.setdefault("Catch", [])
    for catch in catches:
        catch.setdefault("ResultPath", None)
    if not any("States.ALL" in catch["ErrorEquals"] for catch in catches):
        catches.append({"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": on_error})


def _retrier(rule: RetryRule) -> State:
    return {
        "ErrorEquals": list(rule.errors),
        "IntervalSeconds": rule.interval,
        "MaxAttempts": rule.attempts,
        "BackoffRate": rule.backoff,
        "MaxDelaySeconds": rule.cap,
        "JitterStrategy": "FULL",
    }


def function_arn_of(name: str, functions: Mapping[str, str]) -> str:
    """ARN of a function by its name among ``functions``, or the ARN itself.

    Raises :class:`CustomizationError` for any other name.
    """
    arn = functions.get(name, name)
    if FUNCTION_ARN.fullmatch(arn):
        return arn
    known = ", ".join(sorted(functions)) or "none"
    raise CustomizationError(
        f"{name!r} is neither an ARN of a function nor the name of one of your own functions "
        f"({known}): add it to [own_functions] in the settings."
    )


def invoked_arns(definition: dict[str, Any]) -> list[str]:
    """ARNs of the functions that a definition invokes besides the pipeline's own."""
    found = set()
    for state in definition.get("States", {}).values():
        name = str(state.get("Parameters", {}).get("FunctionName", "${"))
        if not name.startswith("${"):
            found.add(name)
        if "ItemProcessor" in state:
            found.update(invoked_arns(state["ItemProcessor"]))
    return sorted(found)


def problems_of(name: str, state: State) -> Iterator[str]:
    """Problems of one added state, one sentence each, without its name."""
    kind = state.get("Type", "")
    if len(name) > NAME_CHARACTERS:
        yield f"its name has {len(name)} characters, {NAME_CHARACTERS} at most"
    if kind not in _TYPES:
        yield (
            f"a state of type {kind} can't be added, only {', '.join(_TYPES)}: the time, the "
            "payload or the end of a batch would have no bound or no record"
        )
        return
    unknown = sorted(set(state) - _FIELDS[kind] - _EVERYWHERE)
    if unknown:
        yield f"leave out {', '.join(unknown)}"
    for path in ("InputPath", "OutputPath"):
        if state.get(path, "$") != "$":
            yield f"leave out {path}: the next step needs the whole input"
    if state.get("ResultPath") is not None:
        yield "its ResultPath must be null (None): the next step needs the input as it is"
    for catch in state.get("Catch", ()):
        if catch.get("ResultPath") not in (None, "$.error"):
            yield "the ResultPath of its Catch must be null: the next step needs the input as it is"
    if kind == "Task":
        yield from _task_problems(state)


def _task_problems(state: State) -> Iterator[str]:
    if state.get("Resource") != INVOKE:
        yield (
            f"its resource is {state.get('Resource')}: only {INVOKE} is "
            "possible, as the role of the state machine may do nothing else for you"
        )
        return
    if "FunctionName" not in state.get("Parameters", {}):
        yield "it names no function (FunctionName)"
    if not isinstance(state.get("TimeoutSeconds"), int):
        yield "it needs timeout_seconds, a few seconds more than the function's own timeout"
