from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.stub import Stubber
from rich.console import Console

from etl.operations.executions import trace_header
from etl.operations.traces import flatten, load_trace, timeline
from etl.pictures.history import error_message


def test_a_trace_header_is_new_each_time_and_sampled() -> None:
    assert trace_header() != trace_header()
    assert trace_header().startswith("Root=1-")
    assert trace_header().endswith(";Sampled=1")


def test_spans_nest_under_their_parents_in_order_of_time() -> None:
    documents = [
        {"id": "b", "parent_id": "a", "name": "load", "start_time": 2.0, "end_time": 3.0},
        {
            "id": "a",
            "name": "machine",
            "start_time": 0.0,
            "end_time": 4.0,
            "subsegments": [{"id": "c", "name": "extract", "start_time": 1.0, "end_time": 2.0}],
        },
    ]
    spans = flatten(documents)
    assert [(s["name"], s["depth"]) for s in spans] == [("machine", 0), ("extract", 1), ("load", 1)]


def test_a_span_whose_parent_is_unknown_is_still_shown() -> None:
    spans = flatten([{"id": "b", "parent_id": "gone", "name": "load", "start_time": 2.0}])
    assert [s["name"] for s in spans] == ["load"]


def test_an_error_of_a_function_is_reported_without_its_stack() -> None:
    cause = '{"errorMessage": "No queue.", "errorType": "X", "stackTrace": ["File ..."]}'
    failed = {"id": "a", "name": "extract", "start_time": 0.0, "end_time": 1.0, "fault": True}
    exceptions = [{"type": "X", "message": cause}]
    (span,) = flatten([{**failed, "cause": {"exceptions": exceptions}}])
    assert (span["error"], span["cause"]) == ("X", "No queue.")
    assert error_message(cause[:60]) == "No queue."
    assert error_message('{"errorMessage": "cut in the mid') == '{"errorMessage": "cut in the mid'
    assert error_message(r'{"errorMessage":"a \"b\" \u00e9"}') == 'a "b" é'
    assert error_message("plain text") == "plain text"
    assert error_message("[1]") == "[1]"


def test_a_failure_is_told_without_colours() -> None:
    cause = {"exceptions": [{"type": "DatabaseUnavailableError", "message": "gone \x1b[2J"}]}
    span = {"start_time": 0.0, "end_time": 1.0}
    documents = [
        {"id": "a", "name": "load", "fault": True, "cause": cause, **span},
        {"id": "b", "name": "other", "fault": True, "cause": "a", **span},
        {"id": "c", "name": "third", **span},
    ]
    file = io.StringIO()
    trace = {"trace_id": "1", "spans": flatten(documents)}
    Console(file=file, width=160, color_system=None).print(timeline(trace))
    lines = {
        line.split("│")[1].strip(): line for line in file.getvalue().splitlines() if "│" in line
    }
    assert "DatabaseUnavailableError: gone \\x1b[2J" in lines["load"]
    assert "failed" in lines["other"]
    assert "failed" not in lines["third"]


class Account:
    """A target whose clients answer what the test has put in."""

    def __init__(self) -> None:
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
        self.clients = {
            name: boto3.client(name, region_name="eu-central-1", **keys)
            for name in ("xray", "stepfunctions")
        }
        self.answers = {name: Stubber(client) for name, client in self.clients.items()}

    def client(self, name: str) -> Any:
        return self.clients[name]


def trace(number: int, start: float) -> dict[str, Any]:
    document = {"id": f"{number:016x}", "name": "load", "start_time": start, "end_time": start + 1}
    segment = {"Id": document["id"], "Document": json.dumps(document)}
    return {"Id": f"1-{number:08x}-0", "Duration": 1.0, "Segments": [segment]}


def test_every_trace_of_an_execution_is_read_page_by_page() -> None:
    account, began = Account(), datetime(2026, 3, 1, tzinfo=UTC)
    states, xray = account.answers["stepfunctions"], account.answers["xray"]
    run = {"name": "run", "status": "SUCCEEDED", "startDate": began, "stopDate": began}
    arn = "arn:aws:states:eu-central-1:123456789012:execution:s:run"
    states.add_response("describe_execution", {**run, "executionArn": arn, "stateMachineArn": arn})
    traces = [trace(n, float(n)) for n in range(7)]
    for some, more in ((traces[3:], {"NextToken": "2"}), (traces[:3], {})):
        xray.add_response(
            "get_trace_summaries", {"TraceSummaries": [{"Id": t["Id"]} for t in some], **more}
        )
    for some, more in ((traces[:2], {"NextToken": "2"}), (traces[2:5], {}), (traces[5:], {})):
        xray.add_response("batch_get_traces", {"Traces": some, **more})
    with states, xray:
        found = load_trace(account, arn)  # type: ignore[arg-type]
    assert found is not None
    assert found["trace_id"] == traces[0]["Id"]
    assert [span["start"] for span in found["spans"]] == [float(n) for n in range(7)]
    xray.assert_no_pending_responses()
