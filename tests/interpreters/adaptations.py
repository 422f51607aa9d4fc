"""Everything that has to be changed for the other interpreters, and why. Nothing else is.

An adaptation of the definition is a function here. One of the interpreter is made by its program
(``programs/``), which names it by a comment ``adaptation: <name>``; a test holds the two together.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["ADAPTATIONS", "MANIFEST", "MAP", "MAPS", "Adaptation", "adapted"]

Definition = dict[str, Any]
MAP = "Load batches"
MAPS = (MAP, "Load drained batches")
MANIFEST = ": manifest"
"""End of the name of a state that reads a map's manifest, where an interpreter's map can't; it
counts as the map."""


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """One change, for one interpreter."""

    interpreter: str
    name: str
    reason: str
    change: Callable[[Definition], None] | None = None
    """Changes the definition in place; ``None`` where the interpreter's program is changed."""


def adapted(definition: Definition, interpreter: str, without: str = "") -> Definition:
    """A copy of the definition as an interpreter takes it; ``without`` leaves one change out."""
    changed = copy.deepcopy(definition)
    for one in ADAPTATIONS:
        if one.interpreter == interpreter and one.change is not None and one.name != without:
            one.change(changed)
    return changed


def _standard_children(definition: Definition) -> None:
    for name in MAPS:
        processor = definition["States"][name]["ItemProcessor"]
        processor["ProcessorConfig"]["ExecutionType"] = "STANDARD"


def _decimal_percentage(definition: Definition) -> None:
    for name in MAPS:
        state = definition["States"][name]
        state["ToleratedFailurePercentage"] = float(state["ToleratedFailurePercentage"])


def _manifest_by_a_task(definition: Definition) -> None:
    states = definition["States"]
    for name in MAPS:
        state = states[name]
        reader = state.pop("ItemReader")
        states[name + MANIFEST] = {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
            "Parameters": reader["Parameters"],
            "ResultPath": None,
            "Retry": state["Retry"],
            "Catch": state["Catch"],
            "Next": name,
        }
        state["ItemsPath"] = "$$.Manifest.Items"
    for other in states.values():
        for choice in other.get("Choices", []):
            if choice.get("Next") in MAPS:
                choice["Next"] += MANIFEST


def _tolerated_failures(definition: Definition) -> None:
    for each in MAPS:
        children = definition["States"][each]["ItemProcessor"]["States"]
        for name, state in children.items():
            if state["Type"] == "Fail":
                paths = {"Error.$": "ErrorPath", "Cause.$": "CausePath", "Cause": "Cause"}
                parameters = {key: state[path] for key, path in paths.items() if path in state}
                children[name] = {"Type": "Pass", "Parameters": parameters, "End": True}


ADAPTATIONS = [
    Adaptation(
        interpreter="moto",
        name="standard children",
        reason="Its grammar has no `EXPRESS` as the type of a map's child executions.",
        change=_standard_children,
    ),
    Adaptation(
        interpreter="moto",
        name="decimal percentage",
        reason="Its grammar takes `ToleratedFailurePercentage` with a decimal point alone.",
        change=_decimal_percentage,
    ),
    Adaptation(
        interpreter="moto",
        name="services of the pipeline",
        reason="Its tasks call moto's own services; here they call those that the pipeline is "
        "deployed to.",
    ),
    Adaptation(
        interpreter="moto",
        name="no waits",
        reason="It sleeps for the whole time between two attempts.",
    ),
    Adaptation(
        interpreter="moto",
        name="bodies as JSON",
        reason="It hands the body of an object to boto3 as a dictionary; Step Functions writes "
        "JSON.",
    ),
    Adaptation(
        interpreter="moto",
        name="a manifest that can't be read",
        reason="It lets the error of S3 end the map without a name; Step Functions calls it "
        "`States.ItemReaderFailed`, which the map's `Retry` names.",
    ),
    Adaptation(
        interpreter="moto",
        name="names of States",
        reason="It refuses the name of an error in a `Fail` state that begins with `States.`; the "
        "pages of AWS on `ErrorPath` (2026-11) know no such rule.",
    ),
    Adaptation(
        interpreter="node",
        name="manifest by a task",
        reason="Its map has no `ItemReader`: a task before it reads the manifest, with the map's "
        "`Retry` and `Catch`.",
        change=_manifest_by_a_task,
    ),
    Adaptation(
        interpreter="node",
        name="tolerated failures",
        reason="Its map has no `ToleratedFailurePercentage`, and fails with its first item: a "
        "batch that fails ends in a `Pass` with the same error and cause.",
        change=_tolerated_failures,
    ),
    Adaptation(
        interpreter="node",
        name="integrations",
        reason="It calls a function by its ARN alone: what `lambda:invoke`, `s3:putObject`, "
        "`s3:getObject` and `sns:publish` do is in its program.",
    ),
    Adaptation(
        interpreter="node",
        name="no waits",
        reason="It sleeps for the whole time between two attempts.",
    ),
    Adaptation(
        interpreter="node",
        name="older runtime",
        reason="It is written for Node.js 22; the one function that 20 lacks is added.",
    ),
]
