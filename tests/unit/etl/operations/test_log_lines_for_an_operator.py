"""``etl logs`` shows what a function says, not what it says to machines."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.operations.log_format import LONGEST_VALUE, parse_log_line


def test_a_structured_line_is_its_message_and_what_it_is_about():
    line = parse_log_line(
        json.dumps(
            {"level": "INFO", "location": "x:1", "message": "Loaded", "timestamp": "t",
             "service": "load", "execution": "run-7", "batch_id": "b", "inserted": 3,
             "request_id": "r", "xray_trace_id": "1-2-3", "rejected_by": {"not_json": 1}}
        )
    )  # fmt: skip
    assert line is not None
    assert (line.level, line.message) == ("INFO", "Loaded")
    assert line.fields == {
        "execution": "run-7", "batch_id": "b", "inserted": "3", "rejected_by": '{"not_json": 1}'
    }  # fmt: skip


def test_the_traceback_of_an_error_stands_below_it():
    line = parse_log_line(
        json.dumps({"level": "ERROR", "message": "no", "exception": "Traceback\n x"})
    )
    assert line is not None
    assert line.trace == "Traceback\n x"
    assert line.fields == {}


@pytest.mark.parametrize(
    "text",
    [
        '{"_aws": {"CloudWatchMetrics": []}, "Pipeline": "p", "StageSeconds": [0.1]}',
        "START RequestId: 1 Version: $LATEST",
        "END RequestId: 1",
        "REPORT RequestId: 1\tDuration: 3 ms",
        "  ",
        '{"time": "t", "type": "platform.start", "record": {"requestId": "r"}}',
        '{"type": "platform.report", "record": {"status": "success", "metrics": {"a": 1}}}',
        '{"type": "platform.report", "record": null}',
    ],
)
def test_lines_for_machines_are_left_out(text):
    assert parse_log_line(text) is None


def test_an_invocation_that_lambda_ended_is_shown():
    line = parse_log_line(
        json.dumps(
            {"time": "t", "type": "platform.report",
             "record": {"requestId": "r", "status": "timeout", "errorType": None,
                        "metrics": {"durationMs": 30000.0, "maxMemoryUsedMB": 512}}}
        )
    )  # fmt: skip
    assert line is not None
    assert (line.level, line.message) == ("ERROR", "Lambda ended the invocation: timeout")
    assert line.fields == {"durationMs": "30000.0", "maxMemoryUsedMB": "512"}


@pytest.mark.parametrize("text", ["plain text", "{broken", '{"no": "message"}', "[1, 2]", "3"])
def test_a_line_of_another_kind_is_shown_as_it_is(text):
    line = parse_log_line(text + "\n")
    assert line is not None
    assert (line.message, line.level, line.fields) == (text, "", {})


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.lists(st.integers())))
def test_whatever_a_line_holds_it_is_readable(content):
    line = parse_log_line(json.dumps(content | {"message": "m" * 500}))
    assert line is not None
    assert all(len(value) <= LONGEST_VALUE for value in [line.message, *line.fields.values()])
