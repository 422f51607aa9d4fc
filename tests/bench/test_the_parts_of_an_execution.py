"""The counts of the parts of an execution follow from those of a few executions."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.request_recorder import operation_of
from bench.tally import NotAdditiveError, batch_part, loop_parts, minus, tally

PARTS = st.dictionaries(st.sampled_from(["transitions", "s3.PUT", "s3.GET"]), st.integers(1, 9))


def times(number, part):
    return Counter({name: number * count for name, count in part.items()})


def whole(execution, *parts):
    return dict(sum((times(number, part) for number, part in parts), Counter(execution)))


@given(PARTS, PARTS, PARTS, PARTS, st.integers(1, 5), st.integers(1, 5), st.integers(0, 5))
def test_the_parts_of_a_loop_are_recovered(execution, drain, idle, batch, few, more, between):
    def loop(busy, idles):
        return whole(execution, (busy, drain), (busy, batch), (idles, idle))

    runs = {(b, i): loop(b, i) for b, i in ((1, few), (1, few + more), (2, between))}
    assert loop_parts(runs, batch) == (execution, drain, idle)


@given(PARTS, PARTS)
def test_a_batch_is_half_the_difference_of_one_and_three(execution, batch):
    one, three = (whole(execution, (number, batch)) for number in (1, 3))
    assert batch_part(one, three) == batch
    assert minus(one, batch) == execution


def test_counts_that_do_not_add_up_are_refused():
    with pytest.raises(NotAdditiveError, match=r"s3\.GET"):
        batch_part({"s3.GET": 3}, {"s3.GET": 8})
    with pytest.raises(NotAdditiveError, match="more in the parts"):
        minus({"s3.GET": 3}, {"s3.GET": 8})


def entered(kind, name):
    return {"type": f"{kind}StateEntered", "stateEnteredEventDetails": {"name": name}}


def test_an_execution_is_counted_by_its_histories_and_requests():
    load = {"Type": "Map", "ItemReader": {}, "ResultWriter": {}}
    machine = {"States": {"Extract": {"Type": "Task"}, "Load": load, "Done": {"Type": "Succeed"}}}
    history = [entered("Task", "Extract"), entered("Map", "Load"), entered("Succeed", "Done")]
    child = [entered("Task", "Transform"), {"type": "TaskSucceeded"}]
    requests = {"extract": Counter(PutObject=2, ListObjectsV2=1, ReceiveMessage=4, DeleteObject=1)}
    assert tally(machine, history, [child, child], requests) == {
        "children": 2,
        "events": (2 + 5 + 4 + 2) + 2 * (2 + 5),
        "invocations": 3,
        "s3.GET": 1,
        "s3.LIST": 1,
        "s3.PUT": 4,
        "transitions": 5,
    }


@pytest.mark.parametrize(
    ("method", "url", "target", "operation"),
    [
        ("PUT", "/bucket/raw/2026/a.gz", "", "PutObject"),
        ("GET", "/bucket/raw/2026/a.gz", "", "GetObject"),
        ("GET", "/bucket?list-type=2&prefix=raw%2F", "", "ListObjectsV2"),
        ("HEAD", "/bucket/raw/a", "", "HeadObject"),
        ("POST", "/bucket?delete", "", "DeleteObjects"),
        ("POST", "/", "AmazonSQS.ReceiveMessage", "ReceiveMessage"),
        ("POST", "/", "AWSStepFunctions.StartExecution", "StartExecution"),
    ],
)
def test_a_request_on_the_wire_has_the_name_of_its_operation(method, url, target, operation):
    assert operation_of(method, url, target) == operation
