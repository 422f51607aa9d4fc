"""What a picture is made of comes from the API as a picture expects it: history, map runs, definition.

(The notebooks, which the slow suite executes, cover the trace.)
"""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from etl.operations.executions import describe
from etl.operations.pictures import NoTraceError, draw_execution, draw_trace, execution_progress
from etl.pictures.progress import ItemCounts

SOURCE = """
class OddError(Exception):
    pass

def handle(event, context):
    if event.get("odd"):
        raise OddError("odd on purpose")
    return {}
"""


@pytest.fixture(scope="module")
def target(emulator):
    return SimpleNamespace(client=emulator.client, outputs={})


@pytest.fixture(scope="module")
def execution(function, machine, run):
    work = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function(SOURCE), "Payload.$": "$"},
    }
    inner = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
        "StartAt": "Work",
        "States": {"Work": {**work, "End": True}},
    }
    each = {
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemProcessor": inner,
        "ToleratedFailurePercentage": 100,
        "ResultPath": None,
        "Next": "Check",
    }
    caught = [{"ErrorEquals": ["OddError"], "Next": "Told", "ResultPath": None}]
    check = {**work, "Catch": caught, "Next": "Fine"}
    definition = {
        "StartAt": "Each",
        "States": {
            "Each": each,
            "Check": check,
            "Fine": {"Type": "Succeed"},
            "Told": {"Type": "Fail", "Error": "Odd", "Cause": "Told."},
        },
    }
    given = {"odd": True, "items": [{}, {"odd": True}, {}]}
    return definition, run(machine(definition), given)["executionArn"]


def test_states_have_their_status_and_the_map_its_counts(target, execution):
    definition, arn = execution
    progress = execution_progress(target, describe(target, arn), definition)
    assert {name: step.status for name, step in progress.steps.items()} == {
        "Each": "succeeded",
        "Check": "caught",
        "Told": "failed",
    }
    assert progress.steps["Each"].counts == ItemCounts(succeeded=2, failed=1)
    assert (progress.steps["Check"].error, progress.steps["Check"].cause) == (
        "OddError",
        "odd on purpose",
    )
    assert progress.taken == {("Each", "Check"), ("Check", "Told")}


def test_the_picture_is_of_the_definition_that_the_execution_ran(target, execution):
    _, arn = execution
    picture = draw_execution(target, arn)
    shown = re.findall(r">([^<]+)</text>", picture.svg)
    assert {"Each", "Work", "Check", "Fine", "Told", "OddError", "Odd: Told."} <= set(shown)
    assert "3 items: 2 succeeded, 1 failed" in shown
    assert re.match(r"<execution [\w-]+: failed after ", repr(picture))


def test_an_execution_without_a_trace_says_so(target, execution):
    with pytest.raises(NoTraceError, match="no trace"):
        draw_trace(target, execution[1], patience=0)
