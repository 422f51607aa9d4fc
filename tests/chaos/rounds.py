"""One round: plan faults, feed the pipeline until all have fired, let it heal, judge."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from telemetry import layout
from tests.chaos import judging
from tests.chaos.faults import Fault, Plan, Point
from tests.chaos.injector import Fired
from tests.chaos.rig import Rig
from tests.chaos.saboteur import Saboteur

__all__ = ["Record", "Results", "Trigger", "heal", "plan_of", "run_round", "unsettled"]

Trigger = Literal["queue", "schedule", "drain"]
LOOP = {"drains": {"every": 1, "seconds": 12}}
"""A drain loop, short, so that several begin and end in a round."""
FEED_MESSAGES = 24
EXECUTIONS = 2
LOOPS = 2
"""Drain loops at once: a start may come twice. They last, so there is no waiting for their ends."""
MOST_FEEDS = 60
FEED_SECONDS = 120.0
"""Seconds of feeding in any case: on a busy machine even so many feeds may be over too soon."""
MOST_ROUNDS = 3
"""Times that a fault is planned which did not happen."""
HEAL_SECONDS = 600.0


@dataclass(frozen=True)
class Record:
    """One fault that happened, for the matrix."""

    function: str
    point: str
    kind: str
    subject: str
    suite: str
    healed_by: str


@dataclass
class Results:
    """What all rounds of a session did."""

    seed: int
    seconds: float = 0.0
    """Of all rounds."""
    records: list[Record] = field(default_factory=list)
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def write(self, file: Path) -> None:
        """As JSON, for ``tests.chaos.matrix``."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")


def run_round(
    rig: Rig,
    saboteur: Saboteur,
    results: Results,
    plans: Sequence[Plan],
    *,
    suite: str,
    trigger: Trigger,
    all_fire: bool = True,
) -> None:
    """Have the faults of these plans happen, and assert that nothing comes of it.

    ``all_fire``: each planned fault must have happened. (The second of two may find no occasion.)
    """
    began, start = time.monotonic(), time.time()
    before = len(rig.injector.fired())
    rig.injector.plan(plans)
    _feed(rig, trigger, all_fire=all_fire)
    left = rig.injector.withdraw()
    given_up = _given_up(rig, saboteur, before) if all_fire else {}
    settled: set[str] = set()
    """Numbers of the faults that were planned anew under another number."""
    for _ in range(MOST_ROUNDS - 1):
        again = [*left, *given_up.values()]
        if not all_fire or not again:
            break
        # A plan belongs to the batch that met it first. Now and then one is left over, on a machine
        # with nothing else to do; why is not known. And what a crash for another batch has cut off
        # can't be frozen or cut. They get other batches, and must happen there.
        rig.injector.plan([Plan((fault,)) for fault in again])
        _feed(rig, trigger, all_fire=all_fire)
        left = rig.injector.withdraw()
        settled |= given_up.keys()
        given_up = {n: f for n, f in _given_up(rig, saboteur, before).items() if n not in settled}
    fed = time.monotonic()
    healing = heal(rig, saboteur)
    healed = time.monotonic()
    problems = judging.judge(rig)
    fired = [f for f in rig.injector.fired()[before:] if f.number not in saboteur.failures]
    missed = [saboteur.failures[n] for n in sorted(saboteur.failures) if n not in settled]
    saboteur.failures.clear()
    if os.environ.get("CHAOS_TIMES"):
        for one in fired:
            print(f"{one.time - start:6.1f} {one.fault.point} {one.fault.kind} {one.subject}")
    ledger = judging.ledger(rig)
    results.records += [_record(one, suite, ledger) for one in fired]
    told = {
        "suite": suite, "trigger": trigger, "planned": sum(len(p.faults) for p in plans),
        "fired": len(fired), "feeding": round(fed - began, 1), "healing": round(healed - fed, 1),
        "judging": round(time.monotonic() - healed, 1), "healed_with": healing, "missed": missed,
    }  # fmt: skip
    results.rounds.append(told)
    results.seconds += time.monotonic() - began
    print(json.dumps(told))
    assert problems == [], [f"seed {rig.seed}", *problems]
    assert not (left and all_fire), f"planned and not fired: {[str(f) for f in left]}"
    assert not (missed and all_fire), f"fired and not committed: {missed}"


def _given_up(rig: Rig, saboteur: Saboteur, before: int) -> dict[str, Fault]:
    """Faults of this round that could not be committed, by their number."""
    while saboteur.is_busy:
        time.sleep(0.1)
    fired = rig.injector.fired()[before:]
    return {one.number: one.fault for one in fired if one.number in saboteur.failures}


def _record(one: Fired, suite: str, ledger: dict[str, dict[str, Any]]) -> Record:
    point = one.fault.point
    how = healed_by(one.subject, ledger)
    return Record(point.function, point.name, one.fault.kind, one.subject, suite, how)


def _feed(rig: Rig, trigger: Trigger, *, all_fire: bool) -> None:
    """Send messages and start executions until every planned fault has happened."""
    if trigger == "queue":
        rig.trigger_by_queue(on=True)
    patience = MOST_FEEDS if all_fire else MOST_FEEDS // 4
    until = time.monotonic() + (FEED_SECONDS if all_fire else 0.0)
    while (waiting := rig.injector.waiting()) and (patience > 0 or time.monotonic() < until):
        patience -= 1
        functions = {fault.point.function for fault in waiting.values()}
        if functions != {"sweep"}:
            # As many batches as have a fault to meet; what still comes again is enough by itself.
            wanted = sum(fault.point.is_per_batch for fault in waiting.values())
            if rig.queued() < FEED_MESSAGES:
                rig.send(min(FEED_MESSAGES, max(6, 3 * wanted)))
            if trigger == "schedule":
                rig.start_execution()
            if trigger == "drain" and len(rig.running()) < LOOPS:
                rig.start_execution(LOOP)
        if "sweep" in functions:
            rig.orphan()
            rig.sweep(days=1)  # listing fewer days is the same work, done sooner
        if functions != {"sweep"}:
            _wait_for_room(rig, LOOPS if trigger == "drain" else EXECUTIONS)
    if trigger == "queue":
        until = time.monotonic() + 10
        while rig.queued() and time.monotonic() < until:
            time.sleep(0.2)
        rig.trigger_by_queue(on=False)


def _wait_for_room(rig: Rig, most: int) -> None:
    """At most so many executions at once; one more waits for one of them."""
    time.sleep(0.7)  # faults are to meet executions at several stages, not all at their start
    until = time.monotonic() + 30
    while len(rig.running()) > most and time.monotonic() < until:
        time.sleep(0.1)


def heal(rig: Rig, saboteur: Saboteur) -> dict[str, int]:
    """What the schedule and the sweep do by themselves, and a person who reads the failures.

    Returns how often each of them was needed.
    """
    done = {"drains": 0, "sweeps": 0, "replays": 0}
    left: list[str] = []
    until = time.monotonic() + HEAL_SECONDS
    while time.monotonic() < until:
        while saboteur.is_busy:
            time.sleep(0.1)
        rig.wait_until_idle()
        rig.wait_for_database()
        found = judging.account(rig)
        if found.queued:
            done["drains"] += 1
            rig.start_execution()
            time.sleep(0.5)  # until it is listed as running, or this would start another
        elif open_batches := unsettled(rig):
            swept = rig.sweep()
            done["sweeps"] += 1
            if swept and swept["for_a_person"]:
                done["replays"] += len(swept["for_a_person"])
                rig.replay(swept["for_a_person"])
            elif not (swept and swept["started"]):
                time.sleep(0.5)  # what is left rests after a failure: ask again later
            left = open_batches
        else:
            return done
    raise AssertionError(f"not healed in {HEAL_SECONDS} s: {left}")


def unsettled(rig: Rig) -> list[str]:
    """Keys of staged batches that the ledger doesn't have."""
    known = {entry["raw_key"] for entry in judging.ledger(rig).values()}
    pages = rig.client("s3").get_paginator("list_objects_v2")
    keys = [
        entry["Key"]
        for page in pages.paginate(Bucket=rig.target.bucket, Prefix=layout.RAW)
        for entry in page.get("Contents", ())
    ]
    return [key for key in keys if key not in known]


def healed_by(subject: str, ledger: dict[str, dict[str, Any]]) -> str:
    """``retry`` where the execution that staged the batch loaded it, else who did."""
    kind, _, name = subject.partition(" ")
    entry = ledger.get(name)
    if kind != "batch" or entry is None:
        return ""
    raw = layout.parse_raw_key(entry["raw_key"])
    assert raw is not None
    same = raw.execution == entry["execution"]
    return "retry" if same else str(entry["execution"]).partition("-")[0]


def plan_of(function: str, point: str, kind: str) -> Plan:
    """One fault by its names."""
    return Plan((Fault(Point(function, point), kind),))
