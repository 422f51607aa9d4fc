"""Faults alone: one at each step, call and body, drawn by the seed; in the long mode, each of the matrix.

A killed function starts again, which costs a second of a processor: each of the matrix takes half an
hour, and a run of the suite that draws other ones than the last has soon had them all.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.chaos.faults import STEPS, Plan, drawn_plans, single_plans
from tests.chaos.rig import Rig
from tests.chaos.rounds import Results, Trigger, run_round
from tests.chaos.saboteur import Saboteur

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROUNDS = 4


def rounds(seed: int) -> list[tuple[Trigger, list[Plan]]]:
    """The plans dealt out: in each round the batches have much to meet, and so have what is
    around them; what Stage and Sweep do wrong makes much work, and is apart."""
    rng = random.Random(seed)
    plans = single_plans() if "CHAOS_FAULTS" in os.environ else drawn_plans(rng)
    rng.shuffle(plans)
    of = {name: [p for p in plans if p.faults[0].point.function == name] for name in STEPS}
    batches = [p for p in plans if p.faults[0].point.is_per_batch]
    third, half = len(batches) // 3, len(of["extract"]) // 2
    return [
        ("schedule", [*of["extract"][:half], *batches[:third]]),
        ("drain", [*of["extract"][half:], *batches[third : 2 * third]]),
        ("queue", [*of["summarize"], *batches[2 * third :]]),
        ("queue", [*of["stage"], *of["sweep"]]),
    ]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_no_single_fault_loses_or_doubles_a_reading(
    rig: Rig, saboteur: Saboteur, results: Results, number: int
) -> None:
    trigger, plans = rounds(rig.seed)[number]
    run_round(rig, saboteur, results, plans, suite="single", trigger=trigger)
