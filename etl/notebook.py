"""Makes the SDK's ``Workflow`` over a deployed pipeline's functions, for notebooks.

It is a separate state machine beside the stack's, with the same role, so that experiments never
make the stack differ from its template.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from etl.aws.cloudformation import stack_resources
from etl.aws.target import Target
from workflow.settings import DefinitionSettings

if TYPE_CHECKING:
    from workflow.states.sdk import Graph, Workflow

__all__ = ["build_workflow", "resolve_graph", "substitutions", "trace_executions"]


def substitutions(target: Target) -> dict[str, str]:
    """Return the values of a definition's ``${...}`` placeholders in a deployed stack."""
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


def resolve_graph(graph: Graph, values: dict[str, str], partition: str = "aws") -> Graph:
    """Return the graph with its ``${...}`` replaced, for an AWS partition.

    The SDK deploys what ``to_dict`` returns.
    """
    from stepfunctions.steps.states import FrozenGraph

    from workflow.definition import in_partition, resolve

    plain = in_partition(json.loads(json.dumps(graph.to_dict())), partition)
    return FrozenGraph(resolve(plain, values))


def build_workflow(
    target: Target,
    name: str = "telemetry-notebook",
    settings: DefinitionSettings | None = None,
    graph: Graph | None = None,
) -> Workflow:
    """Return the pipeline's workflow, ready for ``create()``, ``update(...)`` and ``execute(...)``.

    ``graph`` is another definition over the same functions. Raises ``NoStackError`` where nothing
    is deployed.
    """
    from workflow.definition import build_definition
    from workflow.states.sdk import Workflow

    graph = graph or build_definition(settings)
    client = target.client("stepfunctions")
    machine = client.describe_state_machine(stateMachineArn=target.outputs["StateMachineArn"])
    return Workflow(
        name=name,
        definition=resolve_graph(graph, substitutions(target), machine["roleArn"].split(":")[1]),
        role=machine["roleArn"],
        client=client,
    )


def trace_executions(target: Target, workflow: Workflow) -> None:
    """Switch X-Ray tracing on for a created workflow; the SDK's ``create`` has no such option."""
    target.client("stepfunctions").update_state_machine(
        stateMachineArn=workflow.state_machine_arn, tracingConfiguration={"enabled": True}
    )
