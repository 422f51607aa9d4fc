from __future__ import annotations

from etl.operations.executions import trace_header
from etl.operations.traces import flatten
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
