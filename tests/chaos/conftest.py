"""One rig for the session. Environment: ``CHAOS_SEED``, ``CHAOS_FAULTS`` (the long mode)."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.rig import Rig
from tests.chaos.rounds import Results
from tests.chaos.saboteur import Saboteur
from tests.chaos.traffic import CONTRACTS, ODD_BODIES
from tests.fixtures.local import state_folder

RESULTS = Path(__file__).resolve().parents[2] / ".build" / "chaos.json"


@pytest.fixture(scope="session")
def chaos_seed() -> int:
    return int(os.environ.get("CHAOS_SEED") or random.randrange(1_000_000))


@pytest.fixture(scope="session")
def results(chaos_seed: int) -> Iterator[Results]:
    found = Results(chaos_seed)
    _told.append(found)
    yield found
    found.write(RESULTS)


_told: list[Results] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The seed must be known of a run that fails, and the number of faults of one that doesn't."""
    for one in _told:
        terminalreporter.write_line(
            f"chaos: {len(one.records)} faults in {one.seconds:.0f} s; CHAOS_SEED={one.seed} "
            f"repeats their plans and the messages; told in {RESULTS.name}"
        )


@pytest.fixture(scope="session")
def rig(chaos_seed: int) -> Iterator[Rig]:
    with state_folder() as state:
        found = Rig(state, chaos_seed, *CONTRACTS)
        try:
            found.start()
            # Warm: the first calls unpack the layers.
            found.send_bodies([*found.traffic.bodies(6), *ODD_BODIES])
            found.start_execution()
            found.wait_until_idle()
            yield found
        finally:
            left = found.stop()
        assert left == [], "processes of functions outlived the emulator"


@pytest.fixture(scope="session")
def saboteur(rig: Rig) -> Iterator[Saboteur]:
    found = Saboteur(rig)
    found.start()
    yield found
    found.stop()
