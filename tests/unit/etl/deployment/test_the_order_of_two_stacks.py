"""What is done to which stack, in which order: pure data."""

from __future__ import annotations

from typing import Any

import pytest

from etl.deployment.steps import Situation, deployment_steps, destruction_steps


def kinds(**facts: Any) -> list[str]:
    now = Situation(**{"core": "s", "core_status": None, **facts})
    return [f"{step.kind} {step.stack}" for step in deployment_steps(now)]


THERE = {
    "core_status": "UPDATE_COMPLETE",
    "platform": "s-platform",
    "platform_status": "CREATE_COMPLETE",
}
ALONE = ["upload s", "core s", "migrate s", "contract s"]


def test_without_a_platform_the_core_goes_alone():
    assert kinds() == ALONE


def test_at_first_the_platform_goes_before_the_core_and_joins_it_afterwards():
    assert kinds(platform="s-platform") == [
        "upload s",
        "platform s-platform",
        "core s",
        "migrate s",
        "contract s",
        "join s-platform",
    ]


def test_with_a_proxy_the_core_then_connects_through_it():
    assert kinds(platform="s-platform", proxy=True)[-2:] == ["join s-platform", "core again s"]


def test_once_joined_each_stack_is_changed_once():
    assert kinds(**THERE, joined=True, proxy=True) == [
        "upload s",
        "platform s-platform",
        *ALONE[1:],
    ]


def test_a_core_that_is_gone_is_joined_again():
    facts = {**THERE, "core_status": None}
    assert "join s-platform" in kinds(**facts, joined=True)


@pytest.mark.parametrize(
    ("status", "first"),
    [
        ("UPDATE_IN_PROGRESS", "wait s"),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "wait s"),
        ("UPDATE_ROLLBACK_FAILED", "continue rollback s"),
        ("ROLLBACK_COMPLETE", "clear s"),
        ("ROLLBACK_FAILED", "clear s"),
        ("CREATE_FAILED", "clear s"),
        ("REVIEW_IN_PROGRESS", "upload s"),
        ("UPDATE_ROLLBACK_COMPLETE", "upload s"),
    ],
)
def test_a_stack_is_made_ready_first(status, first):
    assert kinds(core_status=status)[0] == first


def gone(*, with_platform: bool, **facts: Any) -> list[str]:
    now = Situation(**{"core": "s", **facts})
    return [
        f"{one.kind} {one.stack}" for one in destruction_steps(now, with_platform=with_platform)
    ]


def test_a_destruction_goes_the_other_way():
    assert gone(**THERE, joined=True, with_platform=True) == [
        "part s-platform",
        "delete core s",
        "delete platform s-platform",
    ]


def test_a_platform_that_stays_lets_go_of_the_core():
    assert gone(**THERE, joined=True, with_platform=False) == ["part s-platform", "delete core s"]


def test_what_is_not_there_is_not_deleted():
    assert gone(core_status=None, with_platform=True) == []
    assert gone(core_status="CREATE_COMPLETE", platform="p", with_platform=True) == [
        "delete core s"
    ]
