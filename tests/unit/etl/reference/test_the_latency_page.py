"""The latency page has the bench's figures, and an estimate that follows the settings."""

from __future__ import annotations

import json

import pytest

from etl.cost.settings import Pipeline
from etl.reference import latency
from etl.reference.latency_estimate import estimated, parts

PAGE = latency.latency_page()
CASES = json.loads(latency.RESULTS.read_text())["results"]


@pytest.mark.parametrize(
    "case", CASES, ids=lambda one: f"{one['way']} {one['rate']} {one['readings']}"
)
def test_every_measured_case_is_on_the_page(case):
    figures = [latency._seconds(case[name]) for name in ("p50", "p95", "p99", "most")]
    (line,) = [
        line
        for line in PAGE.splitlines()
        if line.startswith(f"| {case['way']} | {case['rate']:,.0f} | {case['readings']} |")
    ]
    assert " | ".join(figures) in line
    assert case["p50"] <= case["p95"] <= case["p99"] <= case["most"]


@pytest.mark.parametrize("case", [one for one in CASES if one["parts"]], ids=lambda one: one["way"])
def test_the_parts_are_those_of_the_page(case):
    assert list(case["parts"]) == list(latency.PARTS)
    assert all(seconds >= 0 for seconds in case["parts"].values())


def test_each_way_has_a_line_with_its_estimate_and_its_cost():
    known = [name for name, _ in latency._ways()]
    assert known[0] == "queue, window 1 s"
    for name in known:
        assert len([line for line in PAGE.splitlines() if line.startswith(f"| {name} |")]) >= 2


def gathering_for(seconds: int) -> Pipeline:
    """A pipeline whose event source mapping has this window."""
    return dict(latency._ways())[f"queue, window {seconds} s"]


def test_a_longer_window_is_a_longer_latency():
    found = [estimated(gathering_for(window)) for window in (1, 5, 20)]
    assert [one.p50 for one in found] == sorted({one.p50 for one in found})
    assert [one.p99 for one in found] == sorted({one.p99 for one in found})
    for window, one in zip((1, 5, 20), found, strict=True):
        assert window / 2 < one.p50 < one.p99


def test_the_promise_for_a_window_of_a_second_holds_by_the_estimate():
    assert estimated(gathering_for(1)).p99 < 3.5


def test_the_parts_add_up_to_about_the_median():
    pipeline = gathering_for(1)
    assert sum(seconds for _, seconds, _ in parts(pipeline)) == pytest.approx(
        estimated(pipeline).p50, rel=0.1
    )
