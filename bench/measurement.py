"""Interleaved timing: all cases once per round, so that a slow minute affects all of them."""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Case", "Measurement", "interleaved", "parse_results", "print_results", "seconds_of"]


@dataclass(frozen=True)
class Case:
    """One case to be timed."""

    name: str
    run: Callable[[], float]
    """Runs once; returns the seconds of the part that is measured."""
    amount: int
    """Number of units (readings, rows) that one run processes."""


@dataclass
class Measurement:
    """The samples of one case, in ``unit``."""

    subject: str
    name: str
    unit: str
    samples: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        """Minimum and maximum."""
        return min(self.samples), max(self.samples)


def seconds_of(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def interleaved(subject: str, unit: str, cases: Sequence[Case], rounds: int) -> list[Measurement]:
    """Units per second of each case, one sample per round; rounds begin with different cases."""
    found = {case.name: Measurement(subject, case.name, unit) for case in cases}
    for number in range(rounds):
        start = number % len(cases)
        for case in (*cases[start:], *cases[:start]):
            gc.collect()
            rate = case.amount / case.run()
            found[case.name].samples.append(rate)
            print(f"{subject}: {case.name} {rate:,.0f} {unit}", file=sys.stderr, flush=True)
    return list(found.values())


def print_results(measured: Sequence[Measurement]) -> None:
    """Prints the results as JSON on the last line of stdout, for the parent process."""
    print(json.dumps([asdict(one) for one in measured]), flush=True)


def parse_results(output: str) -> list[Measurement]:
    """The results in the output of :func:`print_results`."""
    lines: list[dict[str, Any]] = json.loads(output.splitlines()[-1])
    return [Measurement(**line) for line in lines]
