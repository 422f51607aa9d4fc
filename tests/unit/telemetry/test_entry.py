"""What every function gets from its entry point."""

import json

import pytest

from telemetry import metrics
from telemetry.entry import identify, lambda_entry, seconds_left
from telemetry.errors import (
    DatabaseBusyError,
    QueueUnavailableError,
    StorageUnavailableError,
)
from telemetry.logs import log
from tests.fixtures.aws_fakes import LambdaContext, aws_error

RAW_KEY = "raw/2026/11/23/run-7/run-7-abcdef-0001.n3.ndjson.gz"


def handler(work):
    def handle(event):
        return work(event)

    return lambda_entry(handle)


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_every_line_says_which_batch_it_is_about(capsys, monkeypatch):
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
    handler(lambda _: log.info("Working") or {})(
        {"execution": "run-7", "batch_id": "b"}, LambdaContext()
    )
    line = lines(capsys)[0]
    assert (line["message"], line["execution"], line["batch_id"]) == ("Working", "run-7", "b")
    assert line["xray_trace_id"] == "1-5759e988-bd862e3fe1be46a994272793"
    assert line["request_id"] == LambdaContext().aws_request_id


def test_a_raw_key_says_execution_and_batch(capsys):
    handler(lambda _: log.info("Working") or {})({"key": RAW_KEY}, None)
    line = lines(capsys)[0]
    assert (line["execution"], line["batch_id"]) == ("run-7", "run-7-abcdef-0001")


def test_nothing_of_one_invocation_is_in_the_lines_of_the_next(capsys):
    handle = handler(lambda _: log.info("Working") or {})
    handle({"execution": "run-7", "batch_id": "b"}, None)
    handle({}, None)
    assert not {"execution", "batch_id"} & lines(capsys)[1].keys()


def test_what_becomes_known_on_the_way_is_in_all_lines_from_there(capsys):
    def work(_):
        identify(execution="esm-1")
        log.info("Working")
        metrics.record("MessagesStaged", 3)
        return {}

    handler(work)({}, LambdaContext())
    told, written = lines(capsys)
    for line in (told, written):
        assert line["execution"] == "esm-1"
        assert line["request_id"] == LambdaContext().aws_request_id


def test_metrics_are_written_once_at_the_end_also_of_a_failure(capsys):
    def work(_):
        metrics.record("ReadingsInserted", 3)
        raise DatabaseBusyError("deadlock")

    with pytest.raises(DatabaseBusyError):
        handler(work)({"execution": "run-7", "batch_id": "b"}, None)
    handler(lambda _: {})({}, None)
    (written,) = [line for line in lines(capsys) if "_aws" in line]
    assert written["ReadingsInserted"] == [3.0]
    assert (written["execution"], written["batch_id"]) == ("run-7", "b")


def test_metrics_that_can_not_be_written_fail_nothing(capsys, monkeypatch):
    def broken(*_):
        raise RuntimeError("no room")

    monkeypatch.setattr("telemetry.metrics.flush", broken)
    assert handler(lambda _: {"done": 1})({}, None) == {"done": 1}
    assert lines(capsys)[0]["message"] == "The metrics could not be written"


def test_a_stage_says_how_long_it_took(capsys, monkeypatch):
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "load")
    monkeypatch.setenv("PIPELINE", "fleet")
    handler(lambda _: {})({}, None)
    (written,) = lines(capsys)
    assert 0 <= written["StageSeconds"][0] < 5
    assert (written["Pipeline"], written["Stage"]) == ("fleet", "load")


def test_the_error_line_names_the_error(capsys):
    def work(_):
        raise DatabaseBusyError("deadlock")

    with pytest.raises(DatabaseBusyError):
        handler(work)({}, None)
    line = lines(capsys)[0]
    assert (line["level"], line["error"]) == ("WARNING", "DatabaseBusyError")


@pytest.mark.parametrize(
    ("operation", "expected"),
    [("ReceiveMessage", QueueUnavailableError), ("GetObject", StorageUnavailableError)],
)
def test_an_aws_error_from_anywhere_is_typed(operation, expected):
    error = aws_error("SlowDown", 503, operation)

    def work(_):
        raise error

    with pytest.raises(expected) as caught:
        handler(work)({}, None)
    assert caught.value.__cause__ is error


def test_a_defect_passes_unchanged():
    error = ZeroDivisionError("a defect")

    def work(_):
        raise error

    with pytest.raises(ZeroDivisionError) as caught:
        handler(work)({}, None)
    assert caught.value is error


def test_the_time_left_is_lambdas_and_without_it_endless():
    seen = []
    handle = handler(lambda _: seen.append(seconds_left()) or {})
    handle({}, LambdaContext(remaining_ms=1500))
    handle({}, None)
    assert seen == [1.5, float("inf")]
