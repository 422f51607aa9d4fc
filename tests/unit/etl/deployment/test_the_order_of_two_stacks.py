"""What is done to which stack, in which order: pure data."""

from __future__ import annotations

from typing import Any

import pytest

from etl.deployment.current_state import CurrentState
from etl.deployment.steps import deployment_steps, teardown_steps


def kinds(*, proxy: bool = False, migrate: bool = True, **facts: Any) -> list[str]:
    now = CurrentState(**{"core": "s", "core_status": None, **facts})
    steps = deployment_steps(now, proxy=proxy, migrate=migrate)
    return [f"{step.kind} {step.stack}" for step in steps]


THERE = {
    "core_status": "UPDATE_COMPLETE",
    "platform": "s-platform",
    "platform_status": "CREATE_COMPLETE",
}
ALONE = ["upload s", "expand s", "migrate s", "core s", "contract s"]


def test_without_a_platform_the_core_goes_alone():
    assert kinds() == ALONE


def test_at_first_the_platform_goes_before_the_core_and_is_linked_to_it_afterwards():
    assert kinds(platform="s-platform") == [
        "upload s",
        "platform s-platform",
        "expand s",
        "migrate s",
        "core s",
        "contract s",
        "link s-platform",
    ]


def test_with_a_proxy_the_core_then_connects_through_it():
    assert kinds(platform="s-platform", proxy=True)[-2:] == ["link s-platform", "core again s"]


def test_once_linked_each_stack_is_changed_once():
    assert kinds(**THERE, linked=True, proxy=True) == [
        "upload s",
        "platform s-platform",
        *ALONE[1:],
    ]


def test_a_core_with_more_alarms_is_linked_again_after_they_exist():
    now = CurrentState(core="s", **THERE, linked=True)
    assert [step.kind for step in deployment_steps(now, relink=True)][-2:] == ["contract", "link"]
    alone = CurrentState(core="s", core_status="UPDATE_COMPLETE")
    assert "link" not in [step.kind for step in deployment_steps(alone, relink=True)]


def test_a_core_that_is_gone_is_linked_again():
    facts = {**THERE, "core_status": None}
    assert "link s-platform" in kinds(**facts, linked=True)


@pytest.mark.parametrize(
    ("status", "first"),
    [
        ("UPDATE_IN_PROGRESS", "wait s"),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "wait s"),
        ("UPDATE_ROLLBACK_FAILED", "continue rollback s"),
        ("ROLLBACK_COMPLETE", "delete remains s"),
        ("ROLLBACK_FAILED", "delete remains s"),
        ("CREATE_FAILED", "delete remains s"),
        ("REVIEW_IN_PROGRESS", "upload s"),
        ("UPDATE_ROLLBACK_COMPLETE", "upload s"),
    ],
)
def test_a_stack_is_made_ready_first(status, first):
    assert kinds(core_status=status)[0] == first


def test_a_schema_that_is_someone_elses_is_not_migrated():
    assert kinds(migrate=False) == ["upload s", "core s", "contract s"]


@pytest.mark.parametrize("status", [None, "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"])
def test_functions_are_updated_after_the_table_that_they_write(status):
    ordered = kinds(core_status=status)
    assert ordered.index("expand s") < ordered.index("migrate s") < ordered.index("core s")


def gone(*, with_platform: bool, **facts: Any) -> list[str]:
    now = CurrentState(**{"core": "s", **facts})
    return [f"{one.kind} {one.stack}" for one in teardown_steps(now, with_platform=with_platform)]


def test_a_teardown_goes_in_reverse():
    assert gone(**THERE, linked=True, with_platform=True) == [
        "unlink s-platform",
        "delete core s",
        "delete platform s-platform",
    ]


def test_a_platform_that_is_kept_is_unlinked_from_the_core():
    assert gone(**THERE, linked=True, with_platform=False) == ["unlink s-platform", "delete core s"]


def test_what_is_not_there_is_not_deleted():
    assert gone(core_status=None, with_platform=True) == []
    assert gone(core_status="CREATE_COMPLETE", platform="p", with_platform=True) == [
        "delete core s"
    ]
