"""From a notebook: the SDK's ``Workflow`` over a deployed pipeline's functions.

The workflow made here is a state machine of its own beside the stack's, with the same role, so
that trying things out never makes the stack differ from its template.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from etl.aws.cloudformation import stack_resources
from etl.aws.target import Target
from workflow.settings import DefinitionSettings

if TYPE_CHECKING:
    from workflow.states.sdk import Graph, Workflow

__all__ = ["build_workflow", "resolved", "substitutions", "trace_executions"]


def substitutions(target: Target) -> dict[str, str]:
    """What ``${...}`` in a definition stand for in a deployed stack."""
    functions = target.client("lambda")
    values = {
        "DataBucketName": target.bucket,
        "TopicArn": target.outputs["TopicArn"],
    }
    for resource in stack_resources(target.client("cloudformation"), target.stack):
        if resource["ResourceType"] == "AWS::Lambda::Function":
            configuration = functions.get_function_configuration(
                FunctionName=resource["PhysicalResourceId"]
            )
            values[f"{resource['LogicalResourceId']}Arn"] = configuration["FunctionArn"]
    return values


def resolved(graph: Graph, values: dict[str, str]) -> Graph:
    """The same graph with its ``${...}`` replaced; the SDK ships what ``to_dict`` returns."""
    from stepfunctions.steps.states import FrozenGraph

    from workflow.definition import resolve

    return FrozenGraph(resolve(json.loads(json.dumps(graph.to_dict())), values))


def build_workflow(
    target: Target,
    name: str = "telemetry-notebook",
    settings: DefinitionSettings | None = None,
    graph: Graph | None = None,
) -> Workflow:
    """The pipeline's workflow, ready for ``create()``, ``update(...)`` and ``execute(...)``.

    ``graph`` is another definition over the same functions. Raises ``NoStackError`` where nothing
    is deployed.
    """
    from workflow.definition import build_definition
    from workflow.states.sdk import Workflow

    graph = graph or build_definition(settings)
    client = target.client("stepfunctions")
    machine: dict[str, Any] = client.describe_state_machine(
        stateMachineArn=target.outputs["StateMachineArn"]
    )
    return Workflow(
        name=name,
        definition=resolved(graph, substitutions(target)),
        role=machine["roleArn"],
        client=client,
    )


def trace_executions(target: Target, workflow: Workflow) -> None:
    """Have X-Ray follow the executions of a created workflow; the SDK's ``create`` can't say so."""
    target.client("stepfunctions").update_state_machine(
        stateMachineArn=workflow.state_machine_arn, tracingConfiguration={"enabled": True}
    )
