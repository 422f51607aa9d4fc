"""Adds states of a user's own to the workflow, and checks that everything around them still holds.

The pipeline's definition is composed with the SDK (:mod:`workflow.definition`). What a user adds is
composed with the SDK, too; it is joined here, on the Amazon States Language of both, so that
the definition without additions stays what it is.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workflow.definition.batches import DRAINED, LOAD_BATCHES, LOAD_DRAINED
from workflow.limits import EXPRESS_SECONDS, check_definition, longest_seconds
from workflow.own_states import (
    NAME_CHARACTERS,
    CustomizationError,
    complete,
    function_arn_of,
    own_rules,
    problems_of,
)

if TYPE_CHECKING:
    from workflow.states.sdk import Chain, Graph, State

__all__ = ["BATCH_STEPS", "EXECUTION_STEPS", "Customize", "WorkflowEditor", "customized"]

BATCH_STEPS = ("Transform", "Validate", "Load")
"""Steps of one micro-batch, in their order; they run once for each batch."""
EXECUTION_STEPS = ("Extract", "List staged batches", "Load batches", "Summarize")
"""Steps of an execution around its batches; ``List staged batches`` is a replay's ``Extract``."""
TWINS = {step: f"{step}{DRAINED}" for step in BATCH_STEPS} | {LOAD_BATCHES: LOAD_DRAINED}
"""Steps that the definition has twice: the other one is that of a drain loop. What is added at the
one is added at the other."""
RECORD_FAILURE = "Record failure"
"""Where an error within a batch leads to."""
NOTIFY_ERROR = "Notify: error"
"""Where an error around the batches leads to."""
_DEFAULT_SECONDS = 5

Machine = dict[str, Any]


class WorkflowEditor:
    """The workflow of a pipeline, to which states of your own can be added.

    A function ``customize(workflow)`` gets one. ``functions`` maps names of your own Lambda
    functions to their ARNs, as ``[own_functions]`` of the settings does.
    """

    def __init__(
        self, definition: dict[str, Any], functions: Mapping[str, str] | None = None
    ) -> None:
        self._machine: Machine = json.loads(json.dumps(definition))
        self._functions = dict(functions or {})
        self._retry_on: dict[str, tuple[str, ...]] = {}

    def invoke(
        self,
        name: str,
        function: str,
        *,
        payload: dict[str, Any] | str | None = None,
        timeout_seconds: int = _DEFAULT_SECONDS,
        retry_on: Sequence[str] = (),
        **fields: Any,
    ) -> State:
        """Return a state that invokes one of your Lambda functions and discards its answer.

        ``function`` is a name in ``[own_functions]`` or an ARN. ``payload`` is what the function
        gets: a path such as ``"$.step.output"``, or an object whose members may end in ``.$``; by
        default the whole input of the state. ``timeout_seconds`` is a few seconds more than the
        function's own timeout. ``retry_on`` names exceptions of the function that are retried,
        besides ``TransientError`` and failures of Lambda itself. ``fields`` are further fields of
        the SDK's ``Task``, such as ``comment``. Raises :class:`CustomizationError` for an unknown
        function.
        """
        from workflow.states.extended import LambdaTask

        # How long the waits may be depends on where the state is inserted.
        self._retry_on[name] = tuple(retry_on)
        return LambdaTask(
            name,
            function=function_arn_of(function, self._functions),
            payload=payload,
            timeout_seconds=timeout_seconds,
            **{"result_path": None, **fields},
        )

    def insert_before(self, step: str, state: State | Chain) -> None:
        """Run a state, or a chain of them, before a step; the last one inserted runs last.

        ``step`` is one of :data:`BATCH_STEPS` or :data:`EXECUTION_STEPS`. Where the state has no
        ``Retry`` or no ``Catch`` of every error, it gets one as a step has. Raises
        :class:`CustomizationError` where the steps around it would not get what they need.
        """
        for place, added in self._prepared(step, state):
            machine = self._machine_of(place)
            for earlier in machine["States"].values():
                _lead_on(earlier, place, added["StartAt"])
            if machine["StartAt"] == place:
                machine["StartAt"] = added["StartAt"]
            for end in _ends(added):
                end.pop("End")
                end["Next"] = place
            machine["States"].update(added["States"])

    def insert_after(self, step: str, state: State | Chain) -> None:
        """Run a state, or a chain of them, after a step; the last one inserted runs first.

        As :meth:`insert_before`. After ``Load`` and ``Summarize`` the rows are in the table: a
        failure there does not take them out again. A batch that was loaded counts as
        loaded even where a state after ``Load`` fails, so let that function notify you itself.
        """
        for place, added in self._prepared(step, state):
            machine = self._machine_of(place)
            before = machine["States"][place]
            ends = _ends(added)
            if before.pop("End", False):
                # The last state chooses the output; before it, Record failure needs the whole
                # input.
                path = before.pop("OutputPath", "$")
                for end in ends:
                    end["OutputPath"] = path
            else:
                for end in ends:
                    end.pop("End")
                    end["Next"] = before["Next"]
            before["Next"] = added["StartAt"]
            machine["States"].update(added["States"])

    def limit_retries(self, step: str, most: int) -> None:
        """Let each ``Retry`` of a step repeat at most so often, at least once.

        The steps of a batch and all waits of their retries have to fit into the 300 seconds of an
        Express execution: what a step gives up, a state of your own can have. Raises
        :class:`CustomizationError`.
        """
        if most < 1:
            raise CustomizationError(f"{step}: {most} retries; leave it at least one.")
        for place in self._places(step):
            for retry in self._machine_of(place)["States"][place]["Retry"]:
                retry["MaxAttempts"] = min(retry["MaxAttempts"], most)

    @property
    def seconds_left(self) -> float:
        """Seconds that states of your own may still take in a batch, waits of retries included."""
        return EXPRESS_SECONDS.most - longest_seconds(self._batch)

    def definition(self) -> dict[str, Any]:
        """Return the workflow in Amazon States Language, as plain data of your own.

        Raises :class:`CustomizationError` where a batch may take too long, :class:`DefinitionError`
        where anything else breaks a limit of AWS or a rule of the pipeline.
        """
        left = self.seconds_left
        if left < 0:
            raise CustomizationError(
                f"The steps of a batch may take {-left:.0f} s more than the "
                f"{EXPRESS_SECONDS.most} s of an Express execution, with all waits of their "
                "retries: shorten timeout_seconds of your states, or let a step retry less often, "
                'as in workflow.limit_retries("Transform", 2).'
            )
        check_definition(self._machine)
        copied: dict[str, Any] = json.loads(json.dumps(self._machine))
        return copied

    def graph(self) -> Graph:
        """Return the workflow as a graph of the SDK, for ``Workflow`` and the pictures.

        Raises what :meth:`definition` raises.
        """
        from stepfunctions.steps.states import FrozenGraph

        return FrozenGraph(self.definition())

    @property
    def _batch(self) -> Machine:
        """The machine of one batch."""
        batch: Machine = self._machine["States"][LOAD_BATCHES]["ItemProcessor"]
        return batch

    @property
    def _drained_batch(self) -> Machine:
        """The machine of one batch of a drain loop."""
        batch: Machine = self._machine["States"][LOAD_DRAINED]["ItemProcessor"]
        return batch

    def _places(self, step: str) -> list[str]:
        """The step and its twin, where it has one. Raises :class:`CustomizationError`."""
        if step in BATCH_STEPS or step in EXECUTION_STEPS:
            return [step, TWINS[step]] if step in TWINS else [step]
        steps = [*BATCH_STEPS, *EXECUTION_STEPS]
        close = difflib.get_close_matches(step, steps, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"the steps are {', '.join(steps)}."
        raise CustomizationError(f"There is no step {step!r}: {hint}")

    def _machine_of(self, place: str) -> Machine:
        """The machine that a step is in: the execution's, or that of a batch."""
        machines = (self._batch, self._drained_batch)
        return next((one for one in machines if place in one["States"]), self._machine)

    def _prepared(self, step: str, state: State | Chain) -> list[tuple[str, Machine]]:
        """Each place of the step with the added states for it, completed and checked."""
        places, added = self._places(step), _as_machine(state)
        in_batch = step in BATCH_STEPS
        used = {*self._machine["States"], *self._batch["States"], *self._drained_batch["States"]}
        problems = [f"{name}: the name is in use" for name in added["States"] if name in used]
        for name, one in added["States"].items():
            complete(
                one,
                own_rules(self._retry_on.get(name, ()), in_batch=in_batch),
                RECORD_FAILURE if in_batch else NOTIFY_ERROR,
            )
            problems += [f"{name}: {problem}" for problem in problems_of(name, one)]
        if not _ends(added):
            problems.append(f"{added['StartAt']}: no state of these ends, so none leads to {step}")
        if problems:
            raise CustomizationError("These states can't be added:\n  " + "\n  ".join(problems))
        for one in (one for one in added["States"].values() if one["Type"] == "Task"):
            named = one["Parameters"]["FunctionName"]
            one["Parameters"]["FunctionName"] = function_arn_of(named, self._functions)
        return [(places[0], added), *((place, _twin(added)) for place in places[1:])]


def _as_machine(state: State | Chain) -> Machine:
    """States of the SDK in Amazon States Language; the SDK's objects are not changed."""
    from workflow.states.sdk import Graph

    try:
        machine: Machine = json.loads(json.dumps(Graph(state).to_dict()))
    except (AttributeError, TypeError, ValueError) as error:
        raise CustomizationError(f"{state!r} can't be added: {error}") from error
    return machine


def _ends(machine: Machine) -> list[dict[str, Any]]:
    """The states that end an added machine, which the next step follows."""
    return [state for state in machine["States"].values() if state.get("End")]


def _lead_on(state: dict[str, Any], old: str, new: str) -> None:
    """Let everything of a state that leads to the old state lead to the new one."""
    for place in (state, *state.get("Choices", ())):
        for member in ("Next", "Default"):
            if place.get(member) == old:
                place[member] = new


def _twin(added: Machine) -> Machine:
    """The added states once more, with names of a drain loop's own."""
    length = NAME_CHARACTERS - len(DRAINED)
    names = {name: f"{name[:length]}{DRAINED}" for name in (*added["States"], RECORD_FAILURE)}
    twin: Machine = json.loads(json.dumps(added))
    twin["StartAt"] = names[twin["StartAt"]]
    twin["States"] = {names[name]: state for name, state in twin["States"].items()}
    for state in twin["States"].values():
        for place in (state, *state.get("Choices", ()), *state.get("Catch", ())):
            for member in ("Next", "Default"):
                if place.get(member) in names:
                    place[member] = names[place[member]]
    return twin


Customize = Callable[[WorkflowEditor], object]
"""A function that changes the workflow that it gets; its result is ignored."""


def customized(
    definition: dict[str, Any],
    customize: Customize | None = None,
    functions: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a definition as a function of the user changes it; unchanged where there is none."""
    if customize is None:
        return definition
    editor = WorkflowEditor(definition, functions)
    customize(editor)
    return editor.definition()
