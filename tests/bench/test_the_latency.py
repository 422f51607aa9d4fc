"""The latency bench: percentiles, the parts of a message's way, and readings with their time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import latency, latency_probe
from bench.latency import WAYS, Way, deployed, percentile, summarized
from bench.latency_probe import Sample, payload
from bench.latency_stages import PARTS, boundaries, parts_of


def span(name: str, depth: int, start: float, end: float, **more: Any) -> dict[str, Any]:
    return {"name": name, "depth": depth, "start": start, "end": end, "annotations": {},
            "origin": None} | more  # fmt: skip


def iteration(batch: str, start: float) -> list[dict[str, Any]]:
    return [
        span("Iteration #0", 2, start, start + 3),
        span("Transform", 3, start + 0.1, start + 1),
        span("transform.handle", 4, start + 0.2, start + 1, annotations={"batch_id": batch}),
        span("Validate", 3, start + 1, start + 2),
        span("Load", 3, start + 2, start + 3),
    ]


MACHINE = span("etl", 0, 11, 20, origin="AWS::StepFunctions::StateMachine")


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values: list[float], share: float):
    ordered = sorted(values)
    found = percentile(ordered, share)
    assert found in ordered
    assert sum(one <= found for one in ordered) >= share * len(ordered) - 1e-6
    assert sum(one < found for one in ordered) <= share * len(ordered) + 1e-6


def test_the_middle_and_the_ends() -> None:
    hundred = [float(n) for n in range(1, 101)]
    assert [percentile(hundred, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([7.0], 0.01) == 7.0


def test_a_case_counts_its_messages_and_batches() -> None:
    samples = [Sample(10, 10.5, "a"), Sample(10.2, 10.5, "a"), Sample(11, 12, "b")]
    found = summarized("w", 2, 50, samples, others=0.5, busy=0.75, parts={"load": 0.12345})
    assert (found.messages, found.batches, found.p50, found.most) == (3, 2, 0.5, 1.0)
    assert found.parts == {"load": 0.1235}


def test_the_parts_of_a_message_add_up_to_its_latency() -> None:
    staged = span("extract.stage", 0, 10, 11.1)
    found = boundaries([staged, MACHINE, span("Load batches", 1, 12, 19), *iteration("a", 12)])
    assert found == {"a": (10, 11, 12.1, 13, 14)}
    parts = parts_of(Sample(9.5, 14.75, "a"), found["a"])
    assert list(parts) == list(PARTS)
    assert sum(parts.values()) == pytest.approx(14.75 - 9.5)
    assert (parts["gathering"], parts["stage"], parts["load"]) == (0.5, 1, 0.75)


def test_each_batch_of_a_loop_belongs_to_the_drain_before_it() -> None:
    spans = [
        MACHINE, span("Extract", 1, 11, 12), span("Load batches", 1, 12, 15), *iteration("a", 12),
        span("Extract", 1, 40, 42), span("Load batches", 1, 43, 47),
        *iteration("b", 43), *iteration("c", 44),
    ]  # fmt: skip
    found = boundaries(spans)
    assert {batch: times[:2] for batch, times in found.items()} == {
        "a": (11, 12), "b": (40, 42), "c": (40, 42),
    }  # fmt: skip


def test_a_batch_that_did_not_reach_load_has_no_parts() -> None:
    assert boundaries([MACHINE, *iteration("a", 12)[:-1]]) == {}


def test_the_first_reading_has_the_time_of_the_publication() -> None:
    micros = 1_795_995_443_000_001
    message = json.loads(payload("probe-01", micros, 3))
    times = [datetime.fromisoformat(one["ts"]) for one in message["readings"]]
    assert times[0] == datetime(2026, 11, 29, 23, 37, 23, 1, tzinfo=UTC)
    assert [(one - times[0]).microseconds for one in times] == [0, 1, 2]
    assert [one["seq"] for one in message["readings"]] == [0, 1, 2]


def test_a_way_that_this_version_does_not_have_is_left_out(monkeypatch: pytest.MonkeyPatch):
    asked: list[dict[str, Any]] = []

    def bring_up(state, stack, contract, *, trigger, window=None, die_with_parent):
        asked.append({"trigger": trigger, "window": window})

    monkeypatch.setattr(latency, "bring_up", bring_up)
    unknown = [way for way in WAYS if way.settings.get("delivery") == "drain"]
    for way in (*unknown, WAYS[0], Way("other", {"trigger": "queue", "x": 1}, 1, 1, ())):
        deployed(way, latency_probe.SEED)  # type: ignore[arg-type]
    assert asked == [{"trigger": "queue", "window": 1}]
