"""Messages that wait while no trigger drains the queue are a problem at once, with its command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from etl.operations.triggers import (
    Trigger,
    comes_by_itself,
    running_loops,
    stall_of,
    switch,
    triggers,
)

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
MAPPING, SCHEDULE = "00128e87-5861-43b2-98d5-55c5bb149792", "plant-Schedule-6A1B"


@pytest.mark.parametrize(
    ("expression", "comes"),
    [
        ("rate(1 minute)", True),
        ("rate(7 days)", True),
        ("cron(0/5 * * * ? *)", True),
        ("cron(0 0 1 1 ? 2099)", False),
        ("cron(0 0 1 1 ? 2019-2025,2030)", False),
        ("cron(0 0 1 1 ? 2020-2026)", True),
        ("cron(0 0 1 1 ? 2025/1)", True),
        ("at(2099-01-01T00:00:00)", False),
        ("at(2026-11-29T11:59:00)", False),
        ("at(2026-11-29T12:30:00)", True),
        ("at(soon)", True),
    ],
)
def test_a_schedule_that_never_comes_is_known(expression: str, comes: bool) -> None:
    assert comes_by_itself(expression, NOW) is comes


@pytest.mark.parametrize(
    ("trigger", "on_laptop", "command"),
    [
        (Trigger("queue", False, MAPPING), True, "etl triggers enable"),
        (Trigger("schedule", False, SCHEDULE, "rate(1 hour)"), False, "etl triggers enable"),
        (Trigger("schedule", True, SCHEDULE, "at(2099-01-01T00:00:00)", comes=False), True,
         "etl up --trigger both"),
        (Trigger("schedule", False, SCHEDULE, "at(2099-01-01T00:00:00)", comes=False), False,
         "etl deploy --trigger both"),
    ],
)  # fmt: skip
def test_the_command_is_the_one_that_helps(trigger: Trigger, on_laptop: bool, command: str) -> None:
    found = stall_of([trigger], 1, on_laptop=on_laptop)
    assert found is not None
    assert found.command == command
    assert found.sentence.startswith("1 message waits in the queue, and no trigger drains it")


def test_a_trigger_that_is_on_or_an_empty_queue_needs_nobody() -> None:
    off, on = Trigger("queue", False, MAPPING), Trigger("schedule", True, SCHEDULE, "rate(1 hour)")
    assert stall_of([off, on], 2_000, on_laptop=True) is None
    assert stall_of([off], 0, on_laptop=True) is None


class _Account:
    """A stack with both triggers switched off by hand, and what an update gave."""

    def __init__(self) -> None:
        self.target = SimpleNamespace(stack="plant", client=lambda service: self)
        self.given: dict[str, dict[str, Any]] = {}
        self.ends: dict[str, Any] = {}

    def get_paginator(self, _: str) -> Any:
        entries = [
            ("QueueTriggerMapping", MAPPING, "CREATE_COMPLETE"),
            ("Schedule", SCHEDULE, "UPDATE_COMPLETE"),
            ("SweepSchedule", "plant-SweepSchedule-6A1B", "CREATE_COMPLETE"),
            ("Schedule", "an-earlier-one", "DELETE_COMPLETE"),
        ]
        page = [
            {"LogicalResourceId": name, "PhysicalResourceId": known, "ResourceStatus": status}
            for name, known, status in entries
        ]
        return SimpleNamespace(paginate=lambda **_: [{"StackResourceSummaries": page}])

    def get_event_source_mapping(self, **given: str) -> dict[str, str]:
        assert given == {"UUID": MAPPING}
        return {"State": "Disabled"}

    def get_schedule(self, **given: str) -> dict[str, Any]:
        assert given == {"Name": SCHEDULE}
        return {
            "Arn": "arn:aws:scheduler:::schedule/default/plant", "Name": SCHEDULE,
            "GroupName": "default", "State": "DISABLED", "ScheduleExpression": "rate(5 minutes)",
            "Target": {"Arn": "machine", "RoleArn": "role", "Input": "{}"},
            "FlexibleTimeWindow": {"Mode": "OFF"}, "Description": "Drains the queue", **self.ends,
        }  # fmt: skip

    def update_event_source_mapping(self, **given: Any) -> None:
        self.given["queue"] = given

    def update_schedule(self, **given: Any) -> None:
        self.given["schedule"] = given


def test_triggers_are_read_and_switched_on_as_they_were_deployed() -> None:
    account = _Account()
    target: Any = account.target
    found = triggers(target)
    assert [(one.kind, one.enabled, one.comes) for one in found] == [
        ("queue", False, True),
        ("schedule", False, True),
    ]
    for one in found:
        switch(target, one, on=True)
    assert account.given["queue"] == {"UUID": MAPPING, "Enabled": True}
    assert account.given["schedule"] == {
        "Name": SCHEDULE, "GroupName": "default", "State": "ENABLED",
        "ScheduleExpression": "rate(5 minutes)", "Description": "Drains the queue",
        "Target": {"Arn": "machine", "RoleArn": "role", "Input": "{}"},
        "FlexibleTimeWindow": {"Mode": "OFF"},
    }  # fmt: skip


def test_a_schedule_outside_its_dates_does_not_come() -> None:
    account = _Account()
    target: Any = account.target
    account.ends = {"EndDate": datetime.now(UTC) - timedelta(days=1)}
    assert [one.comes for one in triggers(target) if one.kind == "schedule"] == [False]
    account.ends = {"StartDate": datetime.now(UTC) + timedelta(days=1)}
    assert [one.comes for one in triggers(target) if one.kind == "schedule"] == [False]


def test_a_drain_loop_is_a_schedule_of_its_own() -> None:
    loop = Trigger("drain", True, SCHEDULE, "rate(10 minutes)")
    assert loop.drains
    assert loop.sentence == "the queue's drain loop, started at rate(10 minutes), is on"
    off = Trigger("drain", False, SCHEDULE, "rate(10 minutes)")
    found = stall_of([off], 2, on_laptop=False)
    assert found is not None
    assert found.command == "etl triggers enable"


class _Executions:
    """Executions that run: a loop, a replay, and one started by hand with any text."""

    inputs: ClassVar = {"a": '{"drains": {"every": 25}}', "b": '{"prefix": "raw/"}', "c": "x"}

    def get_paginator(self, _: str) -> Any:
        page = {"executions": [{"executionArn": arn} for arn in self.inputs]}
        return SimpleNamespace(paginate=lambda **_: [page])

    def describe_execution(self, **given: str) -> dict[str, str]:
        return {"input": self.inputs[given["executionArn"]]}


def test_loops_that_run_are_known_by_their_input() -> None:
    client = _Executions()
    target: Any = SimpleNamespace(client=lambda _: client, outputs={"StateMachineArn": "m"})
    assert running_loops(target) == ["a"]
