"""Each place where a canary may stop is a failure that names it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest

from etl.aws.target import Target
from etl.doctor import pipeline
from etl.doctor.canary import CanaryBatch
from etl.doctor.check_result import CheckResult
from etl.doctor.pipeline import check_canary
from etl.pictures.gantt import FUNCTION_CODE
from tests.unit.etl.doctor.stubbed import account

WHOLE = ("plant-transform", "plant-validate", "plant-load", "plant-summarize")


def batch(*statuses: str) -> CanaryBatch:
    executions = ("run-1",) if statuses else ()
    return CanaryBatch(
        "b1", "raw/2026/11/29/run-1/b1.n1.ndjson.gz", frozenset(statuses), executions
    )


def trace(*functions: str) -> dict[str, Any]:
    return {"spans": [{"name": name, "origin": FUNCTION_CODE} for name in functions]}


def unreachable(_: Target) -> None:
    raise psycopg2.OperationalError("no route to host")


def checked(
    monkeypatch: pytest.MonkeyPatch, found: CanaryBatch | None, traced: dict[str, Any] | None = None
) -> dict[str, CheckResult]:
    monkeypatch.setattr(pipeline, "send_canary", lambda _: SimpleNamespace())
    monkeypatch.setattr(pipeline, "wait_for_batch", lambda *_: found)
    monkeypatch.setattr(pipeline, "load_trace", lambda *_: traced)
    monkeypatch.setattr(pipeline, "TRACE_SECONDS", 0.0)
    monkeypatch.setattr(Target, "connect", unreachable)
    with account() as aws:
        names = ("QueueUrl", "DeadLetterQueueUrl", "RuleErrorQueueUrl")
        urls = dict.fromkeys(names, "https://sqs/q")
        machine = "arn:aws:states:eu-central-1:123456789012:stateMachine:plant"
        aws.target.__dict__["outputs"] = {**urls, "StateMachineArn": machine}
        if found is None:
            for waiting in ("0", "1", "0"):
                answer = {"Attributes": {"ApproximateNumberOfMessages": waiting}}
                aws.answers("sqs", "get_queue_attributes", answer)
        results = list(check_canary(aws.examination(may_send_canary=True)))
    return {result.name: result for result in results}


def test_one_that_no_execution_staged_is_looked_for_in_the_queues(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = checked(monkeypatch, None)["canary: batch"]
    assert found.status == "fail"
    assert (
        "0 in the queue, 1 in the dead-letter queue, 0 in the rule's error queue" in found.finding
    )


@pytest.mark.parametrize("status", ["failed", "quarantined"])
def test_one_whose_batch_ended_otherwise_fails(
    status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = checked(monkeypatch, batch(status))["canary: ledger"]
    assert (found.status, found.finding) == ("fail", f"batch b1 ended as {status}")
    assert "etl logs --execution run-1" in found.remedy


def test_one_whose_batch_did_not_end_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    found = checked(monkeypatch, batch())["canary: ledger"]
    assert found.status == "fail"
    assert "no execution ended with it" in found.finding


def test_a_whole_trace_passes_and_a_database_out_of_reach_is_not_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = checked(monkeypatch, batch("loaded"), trace(*WHOLE))
    assert found["canary: ledger"].status == "pass"
    assert found["canary: trace"].status == "pass"
    assert found["canary: ledger row"].status == "not checked"


def test_a_trace_without_a_function_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    found = checked(monkeypatch, batch("loaded"), trace(*WHOLE[:2], WHOLE[3]))["canary: trace"]
    assert (found.status, found.finding) == ("fail", "the trace lacks plant-load")


def test_an_execution_that_was_not_sampled_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked(monkeypatch, batch("loaded"))["canary: trace"].status == "not checked"


def test_without_consent_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "send_canary", lambda _: pytest.fail("it was sent"))
    with account() as aws:
        [found] = check_canary(aws.examination())
    assert found.status == "not checked"
