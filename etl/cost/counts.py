"""Counts of transitions, requests and log lines, as ``python -m bench.counts`` recorded them.

``recorded.json`` has the counts of each part of an execution. How many parts there are follows from
the way in which executions start:

::

    mapping     execution                                  + batches
    schedule    execution | idle_execution                 + batches
    drain       execution + drains + idle_drains           + batches
                idle_execution + idle_drains

A drain of the queue is idle where it finds no message, and an execution where none of its drains
does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

__all__ = [
    "Part",
    "PartName",
    "Start",
    "batch_part",
    "children_functions",
    "empty_receives",
    "logged_bytes",
    "part",
    "recorded",
    "requests",
    "sweeps",
]

Start = Literal["mapping", "schedule", "drain"]
"""Ways to start an execution: the queue's event source mapping, the schedule, a loop."""
PartName = Literal["execution", "idle_execution", "drain", "idle_drain"]

OF_A_BATCH = ("transform", "validate", "load")
MINUTES = {"minute": 1, "hour": 60, "day": 1440}
RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")


@dataclass(frozen=True)
class Part:
    """Counts of one part of an execution."""

    transitions: int = 0
    """Standard state transitions, also those for children of the map."""
    children: int = 0
    """Express executions."""
    events: int = 0
    """Events that Step Functions logs at level ``ALL``."""
    puts: int = 0
    """S3's PUT, COPY and POST requests."""
    lists: int = 0
    gets: int = 0


@cache
def recorded() -> dict[str, Any]:
    """The counts, as written by the bench."""
    file = Path(__file__).with_name("recorded.json")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def part(start: Start, name: PartName) -> Part:
    """Counts of that part of an execution; nothing where such an execution has no such part."""
    return _part(recorded()["starts"][start].get(name, {}))


def batch_part() -> Part:
    """Counts of one batch, whatever started its execution."""
    return _part(recorded()["batch"])


def _part(found: Mapping[str, int]) -> Part:
    return Part(
        transitions=found.get("transitions", 0),
        children=found.get("children", 0),
        events=found.get("events", 0),
        puts=found.get("s3.PUT", 0),
        lists=found.get("s3.LIST", 0),
        gets=found.get("s3.GET", 0),
    )


def children_functions() -> tuple[str, ...]:
    """The functions that a batch passes, in order."""
    return tuple(name for name in OF_A_BATCH if name in recorded()["functions"])


def requests(name: str, messages: float) -> dict[str, float]:
    """AWS requests of one call of the function, by operation."""
    lines = recorded()["functions"][name]["requests"]
    return {
        operation: line["call"] + line["message"] * messages for operation, line in lines.items()
    }


def logged_bytes(name: str) -> float:
    """Bytes that one call of the function writes to its log, without Lambda's own lines."""
    return float(recorded()["functions"][name]["logged_bytes"])


def empty_receives() -> int:
    """Receives of a drain that finds the queue empty."""
    return int(recorded()["empty_receives"])


def sweeps() -> Iterator[tuple[float, float]]:
    """Sweeps per day, and the lists of each on average, for each schedule of the sweep.

    A sweep that lists more at its first run of the day lists that much once a day.
    """
    for one in recorded()["sweeps"]:
        first, later = one["lists"]
        often = _a_day(one["every"])
        yield often, later + max(0, first - later) / often


def _a_day(expression: str) -> float:
    """Runs per day of a schedule; one of ``cron`` is taken for a daily one."""
    found = RATE.fullmatch(expression)
    return 1440 / (int(found[1]) * MINUTES[found[2]]) if found else 1.0
