"""Contracts with a wrong key or wrong times, faults, a damaged database, and the documented repairs.

Afterwards each reading that was sent is a row, a repeat of one, a kept conflict, a reject, or set
aside, and `etl reconcile` says so; while something is missing, it never says "balanced".

``CHAOS_CONTRACTS=20`` draws so many contracts, ``CHAOS_SEED`` repeats a run's contracts and messages.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from tests.chaos.attack import Attack
from tests.chaos.faults import Plan, single_faults
from tests.chaos.oracle import Oracle
from tests.chaos.rig import Rig
from tests.chaos.saboteur import Saboteur
from tests.chaos.wrong_contracts import POLICIES, Devices, draw_contract
from tests.fixtures.local import state_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CONTRACTS = int(os.environ.get("CHAOS_CONTRACTS") or 1)
MESSAGES = 400 if os.environ.get("CHAOS_CONTRACTS") else 120
"""Messages for each contract."""
PARTS = 4
FAULTS = 8
"""Faults for each contract."""
DAMAGES = 8 if os.environ.get("CHAOS_CONTRACTS") else 2
"""Kinds of damage for each contract."""


@pytest.fixture(params=range(CONTRACTS))
def attack(request: pytest.FixtureRequest, chaos_seed: int) -> Iterator[Attack]:
    """A pipeline of its own with a contract of its own."""
    seed = chaos_seed * 1000 + request.param
    rng = random.Random(seed)
    # Neighbouring seeds have neighbouring policies, so that a few runs have seen them all.
    contract = draw_contract(rng, POLICIES[(chaos_seed + request.param) % len(POLICIES)])
    print(f"CHAOS_SEED={chaos_seed}, contract {request.param}: {contract}")
    with state_folder() as state:
        file = state.parent / "wrong.toml"
        file.write_text(contract.toml(), encoding="utf-8")
        rig = Rig(state, seed, file)
        rig.truth = oracle = Oracle(contract)
        saboteur = Saboteur(rig)
        saboteur.start()
        try:
            rig.start()
            rig.deploy(BATCH_MESSAGES="15")
            yield Attack(rig, saboteur, oracle, Devices(contract, seed), rng)
        finally:
            saboteur.stop()
            rig.stop()


def test_a_wrong_contract_loses_nothing_and_nothing_says_that_it_balances(attack: Attack) -> None:
    rng = attack.rng
    faults = [fault for fault in single_faults() if fault.point.function != "sweep"]
    for _ in range(PARTS):
        attack.rig.injector.plan(Plan((f,)) for f in rng.sample(faults, FAULTS // PARTS))
        attack.send(MESSAGES // PARTS)
        rng.choice([attack.stage_again, attack.replay_some, attack.nothing])()
    attack.rig.injector.withdraw()
    attack.heal()
    attack.check()
    for damage in rng.sample(attack.damages, DAMAGES):
        attack.damaged_and_repaired(damage)
    attack.replay_some()
    attack.check()
    attack.correct_the_key()
    attack.check()
