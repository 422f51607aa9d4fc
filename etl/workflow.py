"""Build, change and run the workflow as code.

::

    from etl.workflow import WorkflowEditor

    def customize(workflow: WorkflowEditor) -> None:
        enrich = workflow.invoke("Enrich", "enrich", payload="$.step.output")
        workflow.insert_before("Load", enrich)

A file with this function, named by ``run.customization`` in the settings, changes what
``etl plan``, ``etl deploy`` and ``etl up`` deploy; :func:`build_workflow` makes a machine of it
beside the deployed one, for notebooks.

The names of ``__all__`` are public: they stay, or the changelog says what replaces them. The states
of the SDK are imported, which takes seconds, when one is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etl.deployment.notebook_workflow import build_workflow, trace_executions
from workflow.definition import function_arn
from workflow.editor import BATCH_STEPS, EXECUTION_STEPS, Customize, WorkflowEditor
from workflow.limits import DefinitionError
from workflow.own_states import CustomizationError

if TYPE_CHECKING:
    from workflow.states.extended import DistributedMap, LambdaTask, RetryWithJitter
    from workflow.states.sdk import Catch, Chain, Choice, ChoiceRule, Graph, Pass

__all__ = [
    "BATCH_STEPS",
    "EXECUTION_STEPS",
    "Catch",
    "Chain",
    "Choice",
    "ChoiceRule",
    "CustomizationError",
    "Customize",
    "DefinitionError",
    "DistributedMap",
    "Graph",
    "LambdaTask",
    "Pass",
    "RetryWithJitter",
    "WorkflowEditor",
    "build_workflow",
    "function_arn",
    "trace_executions",
]

_EXTENDED = {"DistributedMap", "LambdaTask", "RetryWithJitter"}


def __getattr__(name: str) -> Any:
    """Import a state of the SDK, or one that extends it, when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from workflow.states import extended, sdk

    return getattr(extended if name in _EXTENDED else sdk, name)
