"""Counts of one execution, and how those of several give the counts of each part of one.

An execution has parts: itself, its drains of the queue and its batches. The counts of an execution
are the sum of those of its parts, so a few executions with different numbers of them give the
counts of each part, exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["NotAdditiveError", "Tally", "batch_part", "loop_parts", "minus", "tally"]

Tally = dict[str, int]
"""Counts by name, such as ``transitions`` or ``s3.PUT``."""

S3 = {
    "PutObject": "s3.PUT",
    "POST": "s3.PUT",
    "ListObjectsV2": "s3.LIST",
    "GetObject": "s3.GET",
    "HeadObject": "s3.GET",
}
"""S3 requests by what they are billed as; deletions are free."""
ENDS = 2
"""Events that an execution begins and ends with."""
RESULT_OBJECTS = 2
"""Objects that Step Functions writes for a map with a ``ResultWriter``: a manifest and the
results (https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html)."""


class NotAdditiveError(AssertionError):
    """Raised where the counts of the recorded executions don't add up from those of their parts."""


def tally(
    definition: Mapping[str, Any],
    history: Iterable[Mapping[str, Any]],
    children: Iterable[Iterable[Mapping[str, Any]]],
    requests: Mapping[str, Counter[str]],
) -> Tally:
    """Counts of one execution: its history, those of its children, and its functions' requests.

    A transition is charged for each state entered, and one for each child that a Distributed Map
    starts (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-transitions.html); the
    states of an Express child cost none.
    """
    found: Counter[str] = Counter(events=ENDS)
    for event in history:
        kind = event["type"]
        if kind.endswith("StateEntered"):
            found["transitions"] += 1
            found["events"] += _events(kind)
        if kind == "TaskStateEntered":
            found["invocations"] += 1
        elif kind == "MapStateEntered":
            name = event["stateEnteredEventDetails"]["name"]
            _add_map(definition["States"][name], found)
    for child in children:
        states = [event["type"] for event in child if event["type"].endswith("StateEntered")]
        found["children"] += 1
        found["transitions"] += 1
        found["invocations"] += states.count("TaskStateEntered")
        found["events"] += ENDS + sum(map(_events, states))
    for operations in requests.values():
        for operation, number in operations.items():
            if operation in S3:
                found[S3[operation]] += number
    return {name: number for name, number in sorted(found.items()) if number}


def _events(kind: str) -> int:
    """Events that a visit to a state is on AWS; the emulator leaves out some of them.

    A state is entered and exited, a task scheduled, started and succeeded in between, and a map run
    started and succeeded.
    """
    return 2 + {"TaskStateEntered": 3, "MapStateEntered": 2}.get(kind, 0)


def _add_map(state: Mapping[str, Any], found: Counter[str]) -> None:
    """Add the requests that Step Functions itself makes for a Distributed Map."""
    if "ItemReader" in state:
        found["s3.GET"] += 1
    if "ResultWriter" in state:
        found["s3.PUT"] += RESULT_OBJECTS


def minus(left: Tally, right: Tally, *, times: int = 1) -> Tally:
    """``left`` without ``times`` the counts of ``right``; raises :class:`NotAdditiveError` below
    zero."""
    found = {
        name: left.get(name, 0) - times * right.get(name, 0) for name in sorted({*left, *right})
    }
    below = {name: number for name, number in found.items() if number < 0}
    if below:
        raise NotAdditiveError(f"more in the parts than in the whole: {below}")
    return {name: number for name, number in found.items() if number}


def _divided(whole: Tally, by: int) -> Tally:
    rest = {name: number for name, number in whole.items() if number % by}
    if rest:
        raise NotAdditiveError(f"not a multiple of {by}: {rest}")
    return {name: number // by for name, number in whole.items()}


def batch_part(one: Tally, three: Tally) -> Tally:
    """Counts of one batch, from executions with one batch and with three."""
    return _divided(minus(three, one), 2)


def loop_parts(runs: Mapping[tuple[int, int], Tally], batch: Tally) -> tuple[Tally, Tally, Tally]:
    """Counts of an execution that loops, of a drain with one batch and of one without.

    ``runs``: executions by the number of their drains with and without a batch: two with one of
    those with a batch, and one with two.
    """
    (first, least), (second, most) = _by_idle(runs, 1)
    ((two, between),) = _by_idle(runs, 2)
    idle = _divided(minus(second, first), most - least)
    if between >= least:
        busy = minus(minus(two, first), idle, times=between - least)
    else:
        missing = {name: number * (least - between) for name, number in idle.items()}
        busy = minus({k: two.get(k, 0) + missing.get(k, 0) for k in {*two, *missing}}, first)
    execution = minus(minus(first, busy), idle, times=least)
    return execution, minus(busy, batch), idle


def _by_idle(runs: Mapping[tuple[int, int], Tally], busy: int) -> list[tuple[Tally, int]]:
    return [(runs[key], key[1]) for key in sorted(runs) if key[0] == busy]
