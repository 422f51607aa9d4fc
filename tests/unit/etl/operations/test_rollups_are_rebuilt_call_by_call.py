"""``etl rollups``: the function is called until nothing is left, and longer where it gets nowhere."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from etl.operations.rollups import RollupsError, refresh_rollups


class Function:
    """Answers with so many marks left, one number for each call."""

    def __init__(self, *left: int | dict[str, str]) -> None:
        self.left = list(left)
        self.asked: list[dict[str, Any]] = []

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        assert FunctionName == "telemetry-migrate"
        self.asked.append(json.loads(Payload))
        found = self.left.pop(0)
        if isinstance(found, dict):
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(found).encode())}
        return {"Payload": io.BytesIO(json.dumps({"left": found}).encode())}


class Stack:
    outputs = {"MigrateFunctionName": "telemetry-migrate"}  # noqa: RUF012

    def __init__(self, function: Function) -> None:
        self.invoking_client = lambda: function


@pytest.fixture
def calls() -> Any:
    def run(function: Function, work: Any) -> list[int]:
        return list(refresh_rollups(Stack(function), work))  # type: ignore[arg-type]

    return run


def test_a_rebuild_forgets_once_and_then_goes_on(calls: Any) -> None:
    function = Function(900, 400, 0)
    assert calls(function, "rebuild") == [900, 400, 0]
    assert [asked["rollups"] for asked in function.asked] == ["rebuild", "refresh", "refresh"]
    assert {asked["seconds"] for asked in function.asked} == {20}


def test_a_call_that_got_nowhere_is_followed_by_a_longer_one(calls: Any) -> None:
    function = Function(7, 7, 7, 3, 0)
    calls(function, "refresh")
    assert [asked["seconds"] for asked in function.asked] == [20, 20, 40, 80, 80]


def test_what_the_longest_call_can_not_do_is_reported(calls: Any) -> None:
    with pytest.raises(
        RollupsError, match=r"7 time ranges could not be refreshed.*metrics under \[analytics\]"
    ):
        calls(Function(*[7] * 9), "refresh")


def test_a_failure_says_why(calls: Any) -> None:
    failed = {"errorType": "DatabaseUnavailableError", "errorMessage": "PostgreSQL: gone"}
    with pytest.raises(RollupsError, match="DatabaseUnavailableError: PostgreSQL: gone"):
        calls(Function(failed), "refresh")
