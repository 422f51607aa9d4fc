"""How an execution ends, and who is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflow.definition.tasks import notify

if TYPE_CHECKING:
    from workflow.states.sdk import Chain, Choice, State

__all__ = ["broken_down", "how_did_it_end"]


def how_did_it_end(untold: State) -> Choice:
    """What Summarize found decides how the execution ends, and who is told."""
    from workflow.states.extended import FailWithPaths
    from workflow.states.sdk import Choice, ChoiceRule, Succeed

    ended = Choice("How did it end?")
    partial = notify(
        "Tell of failed batches",
        "Telemetry: some batches failed",
        "$.message",
        Succeed("Partly loaded"),
        untold,
    )
    # The error of a Fail state is a name to match on, its cause a text for a person.
    failed = notify(
        "Tell of failure",
        "Telemetry: batches failed",
        "$.message",
        FailWithPaths("Not loaded", error="BatchesFailed", cause_path="$.message"),
        untold,
    )
    ended.add_choice(ChoiceRule.StringEquals("$.status", "succeeded"), Succeed("All loaded"))
    ended.add_choice(ChoiceRule.StringEquals("$.status", "partial"), partial)
    ended.default_choice(failed)
    return ended


def broken_down(untold: State) -> Chain:
    """A step around the batches failed for good: tell, then fail with its error."""
    from workflow.states.extended import FailWithPaths

    return notify(
        "Tell of breakdown",
        "Telemetry: an execution broke down",
        "States.Format('Execution {} broke down with {}. What is queued goes on with the next "
        "execution; what was staged is safe under raw/ in the data bucket, and the sweep loads "
        "it. {}', $$.Execution.Id, $.error.Error, States.JsonToString($.error))",
        FailWithPaths("Broken down", error_path="$.error.Error", cause_path="$.error.Cause"),
        untold,
    )
