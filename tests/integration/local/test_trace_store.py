"""The trace store takes what the X-Ray daemon takes and answers boto3's X-Ray client."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError

from local.traces.launcher import TraceDaemon
from local.traces.store import BadFilterError, TraceStore, parse_filter

HEADER = b'{"format": "json", "version": 1}\n'


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    daemon = TraceDaemon(tmp_path_factory.mktemp("some traces"))
    yield daemon.start()
    daemon.stop()


@pytest.fixture(scope="module")
def xray(endpoint):
    return boto3.client(
        "xray",
        endpoint_url=endpoint.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        aws_session_token=endpoint.session_token,
    )


def ask(endpoint, headers, host=None):
    """Status and body of a request for summaries."""
    address = endpoint.endpoint_url.removeprefix("http://")
    body = b'{"StartTime": 0, "EndTime": 1}'
    given = {"Host": host or address, "Content-Length": str(len(body)), **headers}
    with closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        connection.putrequest("POST", "/TraceSummaries", skip_host=True)
        for name, value in given.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.mark.parametrize("headers", [{}, {"X-Amz-Security-Token": "guessed"}])
def test_without_the_secret_nothing_is_answered(endpoint, headers):
    status, body = ask(endpoint, headers)
    assert status == 403
    assert "stack.json" in body


def test_a_web_page_gets_no_answer(endpoint):
    token = {"X-Amz-Security-Token": endpoint.session_token}
    port = endpoint.endpoint_url.rpartition(":")[2]
    assert ask(endpoint, token)[0] == 200
    assert ask(endpoint, {**token, "Origin": "http://evil.example"})[0] == 403
    assert ask(endpoint, token, f"evil.example:{port}")[0] == 403


@pytest.mark.parametrize(
    "fields",
    [
        {"annotations": "text"},
        {"annotations": {"a": {}}, "subsegments": 7},
        {"start_time": 10**400},
        {"subsegments": [["x"]]},
    ],
)
def test_a_document_of_another_form_does_no_harm(endpoint, xray, fields):
    send(endpoint, segment(new_trace(), "odd", **fields))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(HEADER + b"[" * 60000, ("127.0.0.1", endpoint.udp_port))
    let_all_arrive(endpoint, xray)


def new_trace():
    return f"1-{int(time.time()):08x}-{os.urandom(12).hex()}"


def segment(trace_id, name, **fields):
    now = time.time()
    own = {"trace_id": trace_id, "id": os.urandom(8).hex(), "name": name}
    return {**own, "start_time": now, "end_time": now + 0.5, **fields}


def send(endpoint, *documents):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for document in documents:
            sender.sendto(HEADER + json.dumps(document).encode(), ("127.0.0.1", endpoint.udp_port))


def fetch(xray, trace_id, segments=1):
    deadline = time.monotonic() + 120
    while True:
        answer = xray.batch_get_traces(TraceIds=[trace_id])
        found = [json.loads(one["Document"]) for t in answer["Traces"] for one in t["Segments"]]
        if len(found) >= segments:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def let_all_arrive(endpoint, xray):
    """Datagrams are kept in the order in which they came, so a last one tells of all before."""
    last = segment(new_trace(), "last")
    send(endpoint, last)
    fetch(xray, last["trace_id"])


def summaries(xray, expression):
    now = datetime.now(UTC)
    answer = xray.get_trace_summaries(
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        FilterExpression=expression,
    )
    return answer["TraceSummaries"]


def test_a_segment_sent_over_udp_comes_back_through_the_api(endpoint, xray):
    document = segment(new_trace(), "one")
    send(endpoint, document)
    assert fetch(xray, document["trace_id"]) == [document]


def test_a_subsegment_sent_on_its_own_comes_back_inside_its_parent(endpoint, xray):
    trace_id = new_trace()
    parent = segment(trace_id, "parent")
    child = segment(trace_id, "child", type="subsegment", parent_id=parent["id"])
    grandchild = segment(trace_id, "grandchild", type="subsegment", parent_id=child["id"])
    send(endpoint, grandchild, child)
    fetch(xray, trace_id, segments=1)  # orphans so far
    send(endpoint, parent)
    let_all_arrive(endpoint, xray)
    (found,) = fetch(xray, trace_id)
    assert found["name"] == "parent"
    assert [one["name"] for one in found["subsegments"]] == ["child"]
    assert [one["name"] for one in found["subsegments"][0]["subsegments"]] == ["grandchild"]


def test_a_finished_segment_replaces_its_announcement_in_either_order(endpoint, xray):
    finished = segment(new_trace(), "late")
    announced = {**finished, "in_progress": True}
    del announced["end_time"]
    send(endpoint, announced, finished, announced)
    let_all_arrive(endpoint, xray)
    assert fetch(xray, finished["trace_id"]) == [finished]


def test_summaries_are_found_by_annotation(endpoint, xray):
    mark = os.urandom(4).hex()
    inner = segment(new_trace(), "inner", annotations={"execution": mark, "rows": 5, "cold": True})
    trace_id = inner["trace_id"]
    outer = segment(trace_id, "outer", subsegments=[inner])
    send(endpoint, outer, segment(new_trace(), "other", annotations={"execution": "x"}))
    fetch(xray, trace_id)
    (found,) = summaries(xray, f'annotation.execution = "{mark}"')
    assert found["Id"] == trace_id
    assert found["Duration"] == pytest.approx(0.5, abs=0.01)
    values = {key: value[0]["AnnotationValue"] for key, value in found["Annotations"].items()}
    assert values == {
        "execution": {"StringValue": mark},
        "rows": {"NumberValue": 5},
        "cold": {"BooleanValue": True},
    }
    assert summaries(xray, f'annotation.execution = "{mark}" AND annotation.rows = 6') == []
    assert len(summaries(xray, f'annotation[execution] = "{mark}" AND annotation.rows = 5')) == 1


def test_summaries_are_found_by_fault(endpoint, xray):
    mark = os.urandom(4).hex()
    good = segment(new_trace(), "good", annotations={"mark": mark})
    bad = segment(new_trace(), "bad", annotations={"mark": mark}, fault=True)
    send(endpoint, good, bad)
    fetch(xray, bad["trace_id"])
    (found,) = summaries(xray, f'annotation.mark = "{mark}" AND fault')
    assert found["Id"] == bad["trace_id"]
    assert found["HasFault"]


def test_segments_can_also_be_put_through_the_api(xray):
    document = segment(new_trace(), "put")
    answer = xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(document), '{"id": "x"}'])
    assert [one["Id"] for one in answer["UnprocessedTraceSegments"]] == ["x"]
    assert fetch(xray, document["trace_id"]) == [document]


def test_an_unknown_trace_is_reported_as_unprocessed(xray):
    trace_id = new_trace()
    answer = xray.batch_get_traces(TraceIds=[trace_id])
    assert (answer["Traces"], answer["UnprocessedTraceIds"]) == ([], [trace_id])


def test_limits_of_the_api_are_kept(xray):
    with pytest.raises(ClientError, match="InvalidRequestException"):
        xray.batch_get_traces(TraceIds=[new_trace() for _ in range(6)])
    now = datetime.now(UTC)
    with pytest.raises(ClientError, match="24 hours"):
        xray.get_trace_summaries(StartTime=now - timedelta(hours=25), EndTime=now)
    with pytest.raises(ClientError, match="not supported"):
        summaries(xray, "responsetime > 5")


def test_garbage_on_the_udp_port_is_dropped(endpoint, xray):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for garbage in (b"", b"\xff\xfe", HEADER, HEADER + b"[1]", b"1\n{}", HEADER + b'{"id": 1}'):
            sender.sendto(garbage, ("127.0.0.1", endpoint.udp_port))
    document = segment(new_trace(), "after")
    send(endpoint, document)
    assert fetch(xray, document["trace_id"]) == [document]


def test_a_burst_of_segments_is_kept_whole(endpoint, xray):
    trace_id = new_trace()
    parent = segment(trace_id, "parent")
    children = [
        segment(trace_id, f"{i}", type="subsegment", parent_id=parent["id"]) for i in range(2000)
    ]
    send(endpoint, parent, *children)
    deadline = time.monotonic() + 120
    while len(fetch(xray, trace_id)[0].get("subsegments", [])) < 2000:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_traces_survive_a_restart_and_old_ones_are_dropped(tmp_path):
    file = tmp_path / "traces.sqlite"
    fresh = segment(new_trace(), "fresh")
    old = segment(new_trace(), "old", start_time=time.time() - 31 * 86400, annotations={"a": 1})
    store = TraceStore(file)
    store.add([fresh, old])
    store.close()
    store = TraceStore(file)
    assert store.trace(fresh["trace_id"]) == [fresh]
    assert store.trace(old["trace_id"]) == []
    store.close()


def test_a_filter_value_may_hold_the_word_and():
    assert parse_filter('annotation.a = "x AND y"').annotations == {"a": '"x AND y"'}
    with pytest.raises(BadFilterError):
        parse_filter('annotation.a > "x"')
