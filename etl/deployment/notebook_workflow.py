"""Makes the SDK's ``Workflow`` over a deployed pipeline's functions, for notebooks.

Notebooks import it from :mod:`etl.workflow`, which is public. It is a separate state machine beside
the stack's, with the same role, so that experiments never make the stack differ from its template.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from etl.aws.cloudformation import stack_resources
from etl.aws.target import Target
from workflow.editor import Customize, customized
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
    *,
    customize: Customize | None = None,
    functions: Mapping[str, str] | None = None,
    role: str | None = None,
) -> Workflow:
    """Return the pipeline's workflow, ready for ``create()``, ``update(...)`` and ``execute(...)``.

    It is a second state machine beside the pipeline's own, over the same functions.
    ``customize`` is a function that adds states of your own, as the file of the setting
    ``run.customization`` has it; ``functions`` maps names of your own Lambda functions to their
    ARNs. ``graph`` is another definition altogether. ``role`` is the ARN of the machine's role: by
    default that of the pipeline, which may invoke your functions only where it was deployed with
    them. Raises ``NoStackError`` where nothing is deployed, ``CustomizationError`` and
    ``DefinitionError``.
    """
    from stepfunctions.steps.states import FrozenGraph

    from workflow.definition import definition_json
    from workflow.states.sdk import Workflow

    graph = graph or FrozenGraph(customized(definition_json(settings), customize, functions))
    client = target.client("stepfunctions")
    machine = client.describe_state_machine(stateMachineArn=target.outputs["StateMachineArn"])
    return Workflow(
        name=name,
        definition=resolve_graph(graph, substitutions(target), machine["roleArn"].split(":")[1]),
        role=role or machine["roleArn"],
        client=client,
    )


def trace_executions(target: Target, workflow: Workflow) -> None:
    """Switch X-Ray tracing on for a created workflow; the SDK's ``create`` has no such option."""
    target.client("stepfunctions").update_state_machine(
        stateMachineArn=workflow.state_machine_arn, tracingConfiguration={"enabled": True}
    )
