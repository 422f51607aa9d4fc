"""A search of executions finds the ones that match, and describes no more than it needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.sources.executions import page_of
from dashboard.sources.pipeline import Pipeline
from etl.aws.target import Target
from etl.cli.execution_list import _table
from etl.operations import execution_search
from etl.operations.execution_search import (
    FAILED,
    STATUSES,
    ExecutionFilter,
    is_idle,
    result_of,
    search,
)
from etl.operations.executions import Execution
from etl.operations.time_range import TimeRange
from tests.unit.etl.cli.test_ids_are_printed_whole import printed

BEGAN = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
LOADED = {"batches": 3, "loaded": 2, "quarantined": 1, "failed": 0, "failures": []}
PARTIAL = LOADED | {"failed": 1, "failures": [{"error": "DatabaseUnavailableError"}]}
OUTPUTS: list[dict[str, Any]] = [LOADED, PARTIAL, {"batches": 0}]


class States:
    """Step Functions' listing and descriptions of some executions."""

    def __init__(self, executions: list[dict[str, Any]]) -> None:
        self.executions = sorted(
            executions, key=lambda e: e.get("stopDate") or e["startDate"], reverse=True
        )
        self.described: list[str] = []

    def get_paginator(self, name: str) -> States:
        assert name == "list_executions"
        return self

    def paginate(
        self, *, statusFilter: str = "", PaginationConfig: dict[str, int], **_: str
    ) -> Iterator[dict[str, Any]]:
        size = min(7, PaginationConfig["PageSize"])
        chosen = [e for e in self.executions if statusFilter in ("", e["status"])]
        for start in range(0, len(chosen), size):
            yield {
                "executions": [
                    {name: value for name, value in e.items() if name not in ("output", "cause")}
                    for e in chosen[start : start + size]
                ]
            }

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:
        self.described.append(executionArn)
        return next(e for e in self.executions if e["executionArn"] == executionArn)


class Account:
    def __init__(self, states: States) -> None:
        self.states = states
        self.outputs = {"StateMachineArn": "arn"}

    def client(self, _: str) -> States:
        return self.states


def execution(number: int, minute: int, status: str, output: dict[str, Any]) -> dict[str, Any]:
    started = BEGAN + timedelta(minutes=minute)
    made: dict[str, Any] = {
        "executionArn": f"arn:{number}",
        "name": f"one-{number}",
        "status": status,
        "startDate": started,
    }
    if status != "RUNNING":
        made["stopDate"] = started + timedelta(minutes=number % 9)
    if status == "SUCCEEDED":
        made["output"] = json.dumps(output)
    if status in FAILED:
        cause = json.dumps({"errorMessage": "no password for the loader", "stackTrace": []})
        made |= {"error": "SecretMissingError", "cause": cause}
    return made


some = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(STATUSES), st.sampled_from(OUTPUTS)), max_size=40
).map(lambda parts: [execution(n, *part) for n, part in enumerate(parts)])


@given(
    some,
    st.lists(st.sampled_from(STATUSES), unique=True),
    st.tuples(st.integers(0, 60), st.integers(1, 61)),
    st.sampled_from(["", "PASSWORD", "SecretMissing", "unavailable", "quarantined", "no such"]),
)
def test_a_search_finds_what_a_look_at_each_would(
    executions: list[dict[str, Any]], statuses: list[Any], minutes: tuple[int, int], cause: str
) -> None:
    span = TimeRange(
        BEGAN + timedelta(minutes=minutes[0]), BEGAN + timedelta(minutes=minutes[0] + minutes[1])
    )
    wanted = ExecutionFilter(statuses=tuple(statuses), started=span, cause=cause)
    found = list(search(cast(Target, Account(States(executions))), wanted))
    expected = {
        one["name"]
        for one in executions
        if one["startDate"] in span
        and (not statuses or one["status"] in statuses)
        and cause.lower() in (one.get("error", "") + one.get("cause", "") + _words(one)).lower()
    }
    assert {one.name for one in found} == expected
    assert len(found) == len(expected)
    changes = [one.changed for one in found]
    assert changes == sorted(changes, reverse=True)


@given(some, st.integers(1, 5), st.booleans())
def test_pages_hold_each_execution_once(
    executions: list[dict[str, Any]], size: int, idle: bool
) -> None:
    pipeline = cast(Pipeline, SimpleNamespace(target=Account(States(executions))))
    seen, left_out, before, first = [], 0, None, True
    while before or first:
        page = page_of(pipeline, ExecutionFilter(before=before), size, idle=idle)
        seen += [one.name for one in page.executions]
        left_out += page.idle
        before, first = page.older, False
    assert len(set(seen)) == len(seen)
    assert len(seen) + left_out == len(executions)
    assert idle is False or left_out == 0


def _words(one: dict[str, Any]) -> str:
    output = json.loads(one.get("output", "{}"))
    if output == PARTIAL:
        return "2 batches loaded, 1 batch quarantined, 1 batch failed, DatabaseUnavailableError"
    return "2 batches loaded, 1 batch quarantined" if output == LOADED else "nothing to do"


def test_the_first_ones_are_found_without_describing_all() -> None:
    states = States([execution(n, 10 * n, "SUCCEEDED", LOADED) for n in range(300)])
    found = list(islice(search(cast(Target, Account(states)), ExecutionFilter()), 3))
    assert [one.name for one in found] == ["one-299", "one-298", "one-297"]
    assert len(states.described) < 30


def made(number: int, status: str, output: dict[str, Any]) -> Execution:
    states = States([execution(number, number, status, output)])
    return next(search(cast(Target, Account(states)), ExecutionFilter()))


@pytest.mark.parametrize(
    ("status", "output", "result", "idle"),
    [
        ("SUCCEEDED", LOADED, "2 batches loaded, 1 batch quarantined", False),
        ("SUCCEEDED", {"batches": 0}, "nothing to do", True),
        ("RUNNING", {}, "", False),
        ("TIMED_OUT", {}, "SecretMissingError: no password for the loader", False),
    ],
)
def test_a_result_says_what_became_of_it(
    status: str, output: dict[str, Any], result: str, idle: bool
) -> None:
    one = made(1, status, output)
    assert is_idle(one) == idle
    assert result_of(one) == result


def test_a_failed_execution_says_first_why_its_batches_failed() -> None:
    refused = "DatabaseUnavailableError: Could not connect to db:5432"
    cause = (
        "Execution drain-1: 0 of 3 batches loaded, 3 failed.\n"
        f"- raw/2026/11/23/drain-1/a.n1.ndjson.gz: {refused}\n"
        f"- raw/2026/11/23/drain-1/b.n1.ndjson.gz: {refused}\n"
        "- raw/2026/11/23/drain-1/c.n1.ndjson.gz: Lambda.Unknown: killed\n"
        "Nothing is lost: the batches are in S3."
    )
    failed = replace(made(1, "FAILED", {}), error="BatchesFailed", cause=cause)
    assert result_of(failed) == f"BatchesFailed: {refused}\nLambda.Unknown: killed\n{cause}"


def test_executions_with_nothing_to_do_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = {"batches": 0}
    rows = [
        made(9, "SUCCEEDED", LOADED),
        *(made(n, "SUCCEEDED", nothing) for n in (8, 7, 6)),
        made(5, "FAILED", {}),
    ]
    text = printed(_table(rows, idle=False), 200, monkeypatch)
    assert "3 executions until 2026-11-23 06:38:00: nothing to do" in text
    assert "one-9" in text
    assert "one-5" in text
    assert "one-7" not in text
    assert "one-7" in printed(_table(rows, idle=True), 200, monkeypatch)


def test_a_contract_is_known_by_ledger_or_report_and_else_is_the_deployed_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    states = States([
        execution(1, 1, "SUCCEEDED", LOADED), execution(2, 2, "SUCCEEDED", LOADED),
        execution(3, 3, "FAILED", PARTIAL), execution(4, 4, "FAILED", PARTIAL),
        execution(5, 5, "FAILED", PARTIAL),
    ])  # fmt: skip
    account = Account(states)
    account.outputs["ContractName"] = "fleet"
    reports = {"b3": {"contract": "fleet"}, "b4": {"contract": "kiln"}}

    def manifest(_: Any, name: str) -> list[Any]:
        number = name.removeprefix("one-")
        key = f"raw/2026/11/23/e{number}/b{number}.n1.ndjson.gz"
        return [SimpleNamespace(key=key)]

    monkeypatch.setattr(execution_search, "_executions_of", lambda *_: frozenset({"one-1"}))
    monkeypatch.setattr(execution_search, "manifest_of", manifest)
    monkeypatch.setattr(execution_search, "read_report", lambda _, batch: reports.get(batch))
    found = search(cast("Target", account), ExecutionFilter(contract="fleet"))
    assert {one.name for one in found} == {"one-1", "one-3", "one-5"}


def test_a_failed_batch_is_of_the_contract_that_its_key_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    states = States([execution(n, n, "FAILED", PARTIAL) for n in (1, 2, 3)])
    account = Account(states)
    account.outputs["ContractName"] = "fleet"
    keys = {
        "one-1": ["e1/b1.n1"], "one-2": ["e2/b2.status.n1"], "one-3": ["e3/b3.n1", "e3/b4.status.n1"],
    }  # fmt: skip

    def manifest(_: Any, name: str) -> list[Any]:
        found = (f"raw/2026/11/23/{key}.ndjson.gz" for key in keys[name])
        return [SimpleNamespace(key=key) for key in found]

    monkeypatch.setattr(execution_search, "_executions_of", lambda *_: frozenset())
    monkeypatch.setattr(execution_search, "manifest_of", manifest)
    monkeypatch.setattr(execution_search, "read_report", lambda *_: None)

    def names(contract: str) -> set[str]:
        found = search(cast("Target", account), ExecutionFilter(contract=contract))
        return {one.name for one in found}

    assert names("fleet") == {"one-1", "one-3"}
    assert names("status") == {"one-2", "one-3"}
