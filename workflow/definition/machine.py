"""The whole state machine: how it finds the batches, and what follows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from telemetry.manifest import ExecutionInput
from workflow.budgets import WAIT
from workflow.definition.batches import EXECUTION, load_batches, load_drained_batches
from workflow.definition.ending import execution_failed, how_did_it_end
from workflow.definition.tasks import invoke
from workflow.limits import check_definition
from workflow.retries import PARENT_TASK
from workflow.settings import DefinitionSettings

if TYPE_CHECKING:
    from workflow.states.sdk import Chain, Graph, State

__all__ = ["build_definition", "definition_json", "in_partition", "resolve"]

INTEGRATION = "arn:aws:states:::"
"""Beginning of an integration's resource, as the states have it before a partition is known."""


def _extract_states(on_error: Chain) -> tuple[State, State]:
    """The two states that find batches with one function: drain the queue, or list a prefix.

    Both get the whole input: it may hold more than the prefix, or what a drain loop is to do.
    """
    common: dict[str, Any] = {
        "rules": PARENT_TASK,
        "on_error": on_error,
        "output_path": "$.step.output",
    }
    started = {"execution.$": EXECUTION, "started.$": "$$.Execution.StartTime"}
    extract = invoke("Extract", "extract", payload={**started, "input.$": "$"}, **common)
    listing = invoke(
        "List staged batches", "extract", payload={**started, "request.$": "$"}, **common
    )
    return extract, listing


def build_definition(settings: DefinitionSettings | None = None) -> Graph:
    """The graph to hand to the SDK's ``Workflow`` or to :func:`definition_json`.

    Imports ``stepfunctions``, which takes seconds. Raises ``DefinitionError`` where the result
    would break a limit or a rule of the language.
    """
    from workflow.states.extended import FailWithPaths
    from workflow.states.sdk import Chain, Choice, ChoiceRule, Graph, Succeed, Wait

    settings = settings or DefinitionSettings()
    unsent = FailWithPaths(
        "Notification failed", error_path="$.error.Error", cause_path="$.error.Cause"
    )
    on_error = execution_failed(unsent)
    extract, listing = _extract_states(on_error)
    summarize = invoke(
        "Summarize",
        "summarize",
        payload={
            "bucket.$": "$.bucket",
            "manifest.$": "$.manifest",
            "execution.$": EXECUTION,
            # Whole, because a checksum of the manifest may be absent, and a path to it would fail.
            "input.$": "$",
        },
        rules=PARENT_TASK,
        on_error=on_error,
        output_path="$.step.output",
    )
    loading = Chain([load_batches(on_error), summarize, how_did_it_end(unsent)])
    anything = Choice("Anything staged?")
    staged_some = ChoiceRule.NumericGreaterThan("$.batches", 0)
    again = ChoiceRule.IsPresent("$.again", True)
    wait = Wait(WAIT, timestamp_path="$.again.at")
    drained = load_drained_batches(on_error)
    drained.next(wait)
    wait.next(extract)
    anything.add_choice(ChoiceRule.And([again, staged_some]), drained)
    anything.add_choice(again, wait)
    anything.add_choice(staged_some, loading)
    # The last of several drains found nothing, and earlier ones did.
    anything.add_choice(ChoiceRule.IsPresent("$.whole", True), summarize)
    anything.default_choice(Succeed("Nothing to do"))
    extract.next(anything)
    listing.next(anything)
    staged = Choice("Already staged?")
    named = [ChoiceRule.IsPresent(f"$.{name}", True) for name in ExecutionInput.required()]
    staged.add_choice(ChoiceRule.And(named), anything)
    staged.add_choice(ChoiceRule.IsPresent("$.prefix", True), listing)
    staged.default_choice(extract)
    graph = Graph(
        staged,
        comment="Micro-batches of device telemetry, from the queue through S3 into PostgreSQL.",
        timeout_seconds=settings.execution_timeout_seconds,
    )
    check_definition(graph.to_dict())
    return graph


def definition_json(
    settings: DefinitionSettings | None = None, partition: str = "aws"
) -> dict[str, Any]:
    """The same in Amazon States Language, as plain data, for an AWS partition."""
    plain: dict[str, Any] = json.loads(json.dumps(build_definition(settings).to_dict()))
    written: dict[str, Any] = in_partition(plain, partition)
    return written


def in_partition(node: Any, partition: str) -> Any:
    """A part of the definition whose integrations are those of the partition."""
    if isinstance(node, list):
        return [in_partition(entry, partition) for entry in node]
    if not isinstance(node, dict):
        return node
    changed = {name: in_partition(value, partition) for name, value in node.items()}
    resource = changed.get("Resource")
    if isinstance(resource, str) and resource.startswith(INTEGRATION):
        changed["Resource"] = f"arn:{partition}{resource.removeprefix('arn:aws')}"
    return changed


def resolve(definition: dict[str, Any], substitutions: dict[str, str]) -> dict[str, Any]:
    """Replace ``${Name}`` as CloudFormation's ``DefinitionSubstitutions`` does."""
    text = json.dumps(definition)
    for name, value in substitutions.items():
        text = text.replace(f"${{{name}}}", json.dumps(value)[1:-1])
    resolved: dict[str, Any] = json.loads(text)
    return resolved
