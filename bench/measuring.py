"""Timing by turns: every way once, then every way again, so that a slow minute hits them all."""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Measured", "Way", "by_turns", "read", "seconds_of", "tell"]


@dataclass(frozen=True)
class Way:
    """One way to do something."""

    name: str
    run: Callable[[], float]
    """Does it once; returns the seconds of the part that counts."""
    amount: int
    """Units (readings, rows) that one run works through."""


@dataclass
class Measured:
    """What was measured of one way: samples in ``unit``."""

    subject: str
    name: str
    unit: str
    samples: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        """Least and most."""
        return min(self.samples), max(self.samples)


def seconds_of(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def by_turns(subject: str, unit: str, ways: Sequence[Way], rounds: int) -> list[Measured]:
    """Units per second of each way, one sample a round; each round begins with another way."""
    found = {way.name: Measured(subject, way.name, unit) for way in ways}
    for number in range(rounds):
        start = number % len(ways)
        for way in (*ways[start:], *ways[:start]):
            gc.collect()
            rate = way.amount / way.run()
            found[way.name].samples.append(rate)
            print(f"{subject}: {way.name} {rate:,.0f} {unit}", file=sys.stderr, flush=True)
    return list(found.values())


def tell(measured: Sequence[Measured]) -> None:
    """Hands results over to the process that asked for them: JSON on the last line of stdout."""
    print(json.dumps([asdict(one) for one in measured]), flush=True)


def read(output: str) -> list[Measured]:
    """What :func:`tell` wrote."""
    lines: list[dict[str, Any]] = json.loads(output.splitlines()[-1])
    return [Measured(**line) for line in lines]
