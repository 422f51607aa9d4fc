"""Two faults that meet, drawn at random from the printed seed; thousands in the long mode."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator

import pytest

from tests.chaos.faults import PIPELINE, double_plans, single_faults
from tests.chaos.rig import Rig
from tests.chaos.rounds import Results, Trigger, run_round
from tests.chaos.saboteur import Saboteur

pytestmark = [pytest.mark.slow, pytest.mark.timeout(24 * 3600)]

USUAL_PLANS = 24
PLANS_A_ROUND = 24


def test_hardly_any_two_faults_lose_or_double_a_reading(
    rig: Rig, saboteur: Saboteur, results: Results
) -> None:
    plans = double_plans(random.Random(rig.seed + 1))
    triggers: Iterator[Trigger] = itertools.cycle(("schedule", "queue", "drain"))
    # The other tests of the session have their share. Of two planned faults the second may find
    # no occasion, so it is those that happened that count.
    others = len(single_faults()) + len(PIPELINE)
    wanted = int(os.environ.get("CHAOS_FAULTS") or 0) - others
    begun = len(results.records)
    done = 0
    while done < USUAL_PLANS or len(results.records) - begun < wanted:
        run_round(
            rig,
            saboteur,
            results,
            list(itertools.islice(plans, PLANS_A_ROUND)),
            suite="double",
            trigger=next(triggers),
            all_fire=False,
        )
        done += PLANS_A_ROUND
    assert len(results.records) - begun >= USUAL_PLANS
