"""Each fault of the matrix alone, at each point where it can happen."""

from __future__ import annotations

import random

import pytest

from tests.chaos.faults import STEPS, Plan, single_plans
from tests.chaos.rig import Rig
from tests.chaos.rounds import Results, Trigger, run_round
from tests.chaos.saboteur import Saboteur

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROUNDS = 4


def rounds(seed: int) -> list[tuple[Trigger, list[Plan]]]:
    """The plans dealt out: in each round the batches have much to meet, and so have what is
    around them; what Stage and Sweep do wrong makes much work, and is apart."""
    plans = single_plans()
    random.Random(seed).shuffle(plans)
    of = {name: [p for p in plans if p.faults[0].point.function == name] for name in STEPS}
    batches = [p for p in plans if p.faults[0].point.is_per_batch]
    third, half = len(batches) // 3, len(of["extract"]) // 2
    return [
        ("schedule", [*of["extract"][:half], *batches[:third]]),
        ("schedule", [*of["extract"][half:], *batches[third : 2 * third]]),
        ("queue", [*of["summarize"], *batches[2 * third :]]),
        ("queue", [*of["stage"], *of["sweep"]]),
    ]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_no_single_fault_loses_or_doubles_a_reading(
    rig: Rig, saboteur: Saboteur, results: Results, number: int
) -> None:
    trigger, plans = rounds(rig.seed)[number]
    run_round(rig, saboteur, results, plans, suite="single", trigger=trigger)
