"""What a deployer reads when CloudFormation fails: the first cause, not its consequences."""

from __future__ import annotations

from typing import Any

import pytest

from etl.aws.cloudformation import StackError, StackRequest, apply_stack


class Formation:
    """CloudFormation as the module sees it: a stack's status, a change set, events."""

    def __init__(self, status: str, events: list[tuple[str, str, str]]) -> None:
        self.status = status
        self.executed = False
        self._events = events

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        status = "UPDATE_ROLLBACK_COMPLETE" if self.executed else self.status
        return {"Stacks": [{"StackStatus": status, "StackId": "id"}]}

    def create_change_set(self, **_: Any) -> None:
        pass

    def describe_change_set(self, **_: str) -> dict[str, str]:
        return {"Status": "CREATE_COMPLETE"}

    def execute_change_set(self, **_: str) -> None:
        self.executed = True

    def get_paginator(self, _: str) -> Formation:
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        """Newest first, as CloudFormation lists them."""
        events = self._events if self.executed else []
        return [
            {
                "StackEvents": [
                    {
                        "EventId": f"{number}",
                        "LogicalResourceId": resource,
                        "ResourceType": "AWS::SQS::Queue",
                        "ResourceStatus": status,
                        "ResourceStatusReason": reason,
                    }
                    for number, (resource, status, reason) in reversed(list(enumerate(events)))
                ]
            }
        ]


REQUEST = StackRequest(stack="s", template={}, parameters={}, tags={}, resources=2)


def test_the_first_cause_is_named_and_its_consequences_are_not():
    formation = Formation(
        "CREATE_COMPLETE",
        [
            ("TelemetryQueue", "UPDATE_IN_PROGRESS", ""),
            ("TelemetryQueue", "UPDATE_FAILED", "Access denied"),
            ("Schedule", "UPDATE_FAILED", "Resource update cancelled"),
        ],
    )
    with pytest.raises(StackError) as failed:
        apply_stack(formation, REQUEST, lambda _: None)
    assert str(failed.value) == (
        "Stack s ended in UPDATE_ROLLBACK_COMPLETE:\n"
        "  TelemetryQueue (AWS::SQS::Queue): Access denied\n"
        "    -> Your role, or CloudFormation's execution role, lacks this permission: "
        "docs/deploy.md lists what a deployment needs.\n"
        "The stack was rolled back to its previous state. Fix the cause and deploy again."
    )


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED"])
def test_a_stack_that_cannot_be_changed_now_is_left_alone(status):
    formation = Formation(status, [])
    with pytest.raises(StackError, match=f"is in {status}"):
        apply_stack(formation, REQUEST, lambda _: None)
    assert not formation.executed
