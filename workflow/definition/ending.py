"""The end of an execution, and which notification it sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflow.definition.tasks import notify

if TYPE_CHECKING:
    from workflow.states.sdk import Chain, Choice, State

__all__ = ["execution_failed", "how_did_it_end"]


def how_did_it_end(unsent: State) -> Choice:
    """Summarize's result decides how the execution ends, and which notification it sends."""
    from workflow.states.extended import FailWithPaths
    from workflow.states.sdk import Choice, ChoiceRule, Succeed

    ended = Choice("How did it end?")
    partial = notify(
        "Notify: some batches failed",
        "Telemetry: some batches failed",
        "$.message",
        Succeed("Partially loaded"),
        unsent,
    )
    # The error of a Fail state is a name to match on, its cause a text for people.
    failed = notify(
        "Notify: batches failed",
        "Telemetry: batches failed",
        "$.message",
        FailWithPaths("Batches failed", error="BatchesFailed", cause_path="$.message"),
        unsent,
    )
    ended.add_choice(ChoiceRule.StringEquals("$.status", "succeeded"), Succeed("All loaded"))
    ended.add_choice(ChoiceRule.StringEquals("$.status", "partial"), partial)
    ended.default_choice(failed)
    return ended


def execution_failed(unsent: State) -> Chain:
    """A step outside the batches failed permanently: send a notification, fail with its error."""
    from workflow.states.extended import FailWithPaths

    return notify(
        "Notify: error",
        "Telemetry: an execution failed",
        "States.Format('Execution {} failed with {}. Queued messages are processed by the next "
        "execution; staged batches are safe under raw/ in the data bucket, and the sweep loads "
        "them. {}', $$.Execution.Id, $.error.Error, States.JsonToString($.error))",
        FailWithPaths("Execution failed", error_path="$.error.Error", cause_path="$.error.Cause"),
        unsent,
    )
