"""What can go wrong where: the matrix of faults and steps, and plans drawn from it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = [
    "KINDS",
    "PIPELINE",
    "STEPS",
    "Fault",
    "Plan",
    "Point",
    "double_plans",
    "drawn_plans",
    "points",
    "single_faults",
    "single_plans",
]

KINDS = {
    "kill": "SIGKILL",
    "disk_full": "disk full",
    "throttled": "throttled",
    "server_error": "5xx",
    "timed_out": "no answer, not done",
    "answer_lost": "done, answer lost",
    "torn": "half written, then cut off",
    "truncated": "truncated object",
    "broken_off": "body breaks off",
    "db_cut": "connection cut",
    "db_crash": "PostgreSQL crashes",
    "db_restart": "PostgreSQL killed, back in 1 s",
    "db_freeze": "PostgreSQL freezes for 1 s",
    "db_lock": "table locked for 1 s",
    "db_deadlock": "deadlock",
}
"""Kinds of faults, as the matrix heads them."""

CALL_FAULTS = ("throttled", "server_error", "timed_out", "answer_lost")
DATABASE_FAULTS = ("db_cut", "db_crash", "db_restart", "db_freeze", "db_lock")

PIPELINE = (
    "messages redelivered",
    "messages duplicated and reordered",
    "schedule and queue at once",
    "drain loops at once, one stopped",
    "two executions over the same batches",
    "sweeps at once",
    "clock a day ahead, or days behind",
    "redeployed during a run",
    "emulator and functions restarted during a run",
    "database away",
    "replayed twice",
    "over MQTT, functions killed",
)
"""What goes wrong around the functions; ``test_the_whole_pipeline.py`` has a test of each."""

STEPS = {
    "extract": ("extract.drain", "drain queue", "stage batch", "list staged"),
    "stage": ("extract.stage", "stage batch"),
    "transform": ("transform.handle", "fetch", "clean", "write", "store"),
    "validate": ("validate.handle", "read report", "judge", "write verdict"),
    "load": (
        "load.handle",
        "read report",
        "connect",
        "load batch",
        "insert rows",
        "write outcome",
        "refresh rollups",
    ),
    "summarize": ("summarize.handle", "read manifest", "read outcomes"),
    "sweep": (
        "sweep.handle",
        "list executions",
        "list batches",
        "read failures",
        "start execution",
    ),
}
"""The named steps of each function, in order; the first is the whole of it."""

CALLS = {
    "extract": (
        "ReceiveMessage",
        "PutObject raw/",
        "DeleteMessageBatch",
        "ListObjectsV2 raw/",
        "PutObject manifests/",
    ),
    "stage": ("PutObject raw/", "PutObject manifests/", "StartExecution"),
    "transform": (
        "GetObject raw/",
        "PutObject clean/",
        "PutObject copy/",
        "PutObject rejected/",
        "PutObject reports/",
    ),
    "validate": (
        "GetObject reports/",
        "GetObject quality/",
        "PutObject reports/",
        "PutObject quality/",
    ),
    "load": (
        "GetObject reports/",
        "GetSecretValue",
        "GetObject copy/",
        "PutObject outcomes/",
    ),
    "summarize": ("GetObject manifests/", "ListObjectsV2 outcomes/", "GetObject outcomes/"),
    "sweep": (
        "ListExecutions",
        "ListObjectsV2 raw/",
        "ListObjectsV2 outcomes/",
        "PutObject manifests/",
        "StartExecution",
    ),
}
"""Calls of AWS that every micro-batch (or execution) makes, or each one with rejects: these make
findings, which Validate writes into the report."""

READ_BODIES = {
    "transform": ("raw/",),
    "validate": ("reports/",),
    "load": ("reports/", "copy/"),
}
MAY_BE_TRUNCATED = {
    # S3 writes an object whole or not at all, so this is what a person or a bug elsewhere would
    # do. Of a raw object it would be the loss of what it holds: there is no other copy. So raw
    # objects are neither torn nor truncated here.
    "transform": ("PutObject copy/", "PutObject reports/"),
    "validate": ("PutObject reports/",),
}


@dataclass(frozen=True)
class Point:
    """A place in a function where something can go wrong."""

    function: str
    name: str
    """As ``preload.py`` spells it."""

    def __str__(self) -> str:
        return f"{self.function}: {self.name}"

    @property
    def is_per_batch(self) -> bool:
        """Whether each micro-batch passes here; else each execution, or each handing over."""
        return self.function in ("transform", "validate", "load")


@dataclass(frozen=True)
class Fault:
    """One cell of the matrix."""

    point: Point
    kind: str


@dataclass(frozen=True)
class Plan:
    """One fault, or two that are to meet."""

    faults: tuple[Fault, ...]

    @property
    def is_bound(self) -> bool:
        """Whether both can happen to one subject."""
        scopes = {fault.point.is_per_batch or fault.point.function for fault in self.faults}
        return len(scopes) == 1


def points() -> dict[Point, tuple[str, ...]]:
    """Every point, with the kinds of faults that can happen there."""
    found: dict[Point, tuple[str, ...]] = {}
    for function, steps in STEPS.items():
        for place, step in enumerate(steps):
            full = ("disk_full",) if place == 0 else ()
            found[Point(function, f"before {step}")] = ("kill", *full)
            found[Point(function, f"after {step}")] = ("kill",)
    for function, calls in CALLS.items():
        for call in calls:
            torn = ("torn",) if call.startswith("PutObject") and call != "PutObject raw/" else ()
            cut = ("truncated",) if call in MAY_BE_TRUNCATED.get(function, ()) else ()
            found[Point(function, call)] = (*CALL_FAULTS, *torn, *cut)
    for function, bodies in READ_BODIES.items():
        for body in bodies:
            found[Point(function, f"reading {body}")] = ("kill", "broken_off")
    _add_database_faults(found)
    return found


def _add_database_faults(found: dict[Point, tuple[str, ...]]) -> None:
    # "reading copy/" is the middle of the COPY: rows have been sent, the end has not.
    for name, faults in {
        "before connect": ("db_restart",),
        "before insert rows": ("db_cut", "db_lock"),
        "reading copy/": DATABASE_FAULTS,
        "after insert rows": ("db_cut", "db_crash", "db_freeze", "db_deadlock"),
        "after load batch": ("db_crash",),
        "before refresh rollups": ("db_cut", "db_crash"),
    }.items():
        point = Point("load", name)
        found[point] = (*found[point], *faults)


def single_faults() -> list[Fault]:
    """Every cell of the matrix."""
    return [Fault(point, kind) for point, kinds in points().items() for kind in kinds]


def single_plans() -> list[Plan]:
    """Each fault alone."""
    return [Plan((fault,)) for fault in single_faults()]


def drawn_plans(rng: random.Random) -> list[Plan]:
    """One fault at random for each step, call and body of each function; each kind is among them.

    A step's fault comes before it or after it. Every cell has its turn in some run.
    """
    places: dict[tuple[str, str], list[Fault]] = {}
    for fault in single_faults():
        places.setdefault(_place(fault.point), []).append(fault)
    drawn = [rng.choice(faults) for faults in places.values()]
    for kind in KINDS:
        if all(fault.kind != kind for fault in drawn):
            drawn.append(rng.choice([fault for fault in single_faults() if fault.kind == kind]))
    return [Plan((fault,)) for fault in drawn]


def _place(point: Point) -> tuple[str, str]:
    """The function and the step, the call or the body that a point belongs to."""
    return point.function, point.name.removeprefix("before ").removeprefix("after ")


def double_plans(rng: random.Random) -> Iterator[Plan]:
    """Two faults at random, without end: of two subjects, or one subject hit twice."""
    cells = single_faults()
    while True:
        one, other = rng.sample(cells, 2)
        # At one point the first fault would have to let the subject come by again: it does.
        yield Plan((one, other))
