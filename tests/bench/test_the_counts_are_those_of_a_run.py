"""The counts that `etl cost` works with are those of an execution that runs for real."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from bench.counted_stack import counted_stack
from bench.counts import MESSAGES, OUTPUT, Recorder, has_loop
from bench.tally import Tally
from etl.cost.counts import recorded
from tests.fixtures.local import state_folder

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    with state_folder() as state, counted_stack(state) as stack:
        yield Recorder(stack)


def total(*parts: dict[str, Any]) -> Tally:
    return dict(sum((Counter(part) for part in parts), Counter[str]()))


def test_an_execution_with_one_batch(recorder: Recorder) -> None:
    found = recorder.scheduled(MESSAGES)
    execution = recorded()["starts"]["schedule"]["execution"]
    assert found == total(execution, recorded()["batch"]), "run python -m bench.counts again"
    for name, operations in recorder.requests.items():
        lines = recorded()["functions"][name]["requests"]
        expected = {o: round(n["call"] + n["message"] * MESSAGES) for o, n in lines.items()}
        # The secret is read once for each process.
        assert {**operations, "GetSecretValue": 0} == {**expected, "GetSecretValue": 0}, name
        expected_bytes = recorded()["functions"][name]["logged_bytes"]
        assert recorder.bytes_a_call(name) == pytest.approx(expected_bytes, rel=0.1), name


def test_an_execution_that_finds_nothing(recorder: Recorder) -> None:
    found = recorder.scheduled(0)
    assert found == recorded()["starts"]["schedule"]["idle_execution"]
    assert recorder.requests["extract"]["ReceiveMessage"] == recorded()["empty_receives"]


def test_a_loop_of_drains(recorder: Recorder) -> None:
    assumed = recorded()["starts"]["drain"].get("assumed", False)
    assert assumed == (not has_loop(recorder.definition)), "run python -m bench.counts again"
    if assumed:
        return
    (busy, idle), found = recorder.looped(1, 2)
    drain = recorded()["starts"]["drain"]
    batches = [recorded()["batch"]] * busy
    parts = [drain["execution"], *[drain["drain"]] * busy, *[drain["idle_drain"]] * idle, *batches]
    assert found == total(*parts)


def test_the_file_says_how_it_was_made() -> None:
    assert recorded()["by"] == "python -m bench.counts"
    assert json.loads(OUTPUT.read_text()) == recorded()
