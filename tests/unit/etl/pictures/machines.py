"""State machines to draw: ours as it is, and one with everything that ours has not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def ours() -> dict[str, Any]:
    text = Path("tests/unit/workflow/golden/definition.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def task(**fields: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": "arn:aws:lambda:eu-west-1:111122223333:function:work:live"},
        **fields,
    }


def caught(target: str, *errors: str) -> list[dict[str, Any]]:
    return [{"ErrorEquals": list(errors or ("States.ALL",)), "Next": target}]


def everything() -> dict[str, Any]:
    """Loops, branches within branches, an error that leads back into the flow, odd names."""
    done = [
        {"Variable": "$.status", "StringEquals": "RUNNING", "Next": "Wait for it"},
        {"Not": {"Variable": "$.parts", "IsPresent": True}, "Next": "Nothing came"},
        {"Variable": "$.n", "NumericGreaterThanEquals": 10, "Next": "Fan out"},
    ]
    inner = {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:putItem", "End": True}
    each = {"Type": "Map", "End": True, "Iterator": {"StartAt": "Put", "States": {"Put": inner}}}
    branches = [
        {
            "StartAt": "First",
            "States": {"First": task(Next="Pass on"), "Pass on": {"Type": "Pass", "End": True}},
        },
        {"StartAt": "Each", "States": {"Each": each}},
    ]
    return {
        "Comment": "Everything",
        "StartAt": "Submit",
        "States": {
            "Submit": task(Next="Wait for it", Catch=caught("Clean up")),
            "Wait for it": {"Type": "Wait", "Seconds": 30, "Next": "Check"},
            "Check": task(Next="Done?", Catch=caught("Clean up") + caught("Report", "Odd")),
            "Done?": {"Type": "Choice", "Choices": done, "Default": "Submit"},
            "Nothing came": {"Type": "Succeed"},
            "Fan out": {
                "Type": "Parallel",
                "Next": "Merge & <report>",
                "Catch": caught("Clean up"),
                "Branches": branches,
            },
            "Merge & <report>": task(End=True, Catch=caught("Check")),
            "Clean up": task(Next="Merge & <report>", Catch=caught("Give up")),
            "Report": task(Next="Give up"),
            "Give up": {"Type": "Fail"},
        },
    }
