"""Parts of the way of a message, from the traces of the executions that loaded it.

The parts are consecutive, so that those of one message add up to its latency::

    publication ── gathering ──> stage or drain ── start ──> Transform ─> Validate ─> Load ──> row
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from bench.latency_probe import Sample
from etl.aws.target import Target
from etl.operations.executions import execution_arn
from etl.operations.traces import load_trace
from telemetry.ddl import LEDGER

__all__ = ["PARTS", "boundaries", "mean_parts", "parts_of"]

PARTS = ("gathering", "stage", "start", "transform", "validate", "load")
"""Parts in their order. *stage*: the function that stages, or drains, until the execution goes on;
*start*: states before the first one of the batch, and the start of the map."""
MOST_EXECUTIONS = 30
STATES = ("Transform", "Validate", "Load")
Span = dict[str, Any]


def mean_parts(target: Target, samples: Sequence[Sample]) -> dict[str, float]:
    """Mean seconds of each part, of up to :data:`MOST_EXECUTIONS` executions' messages."""
    batches = dict.fromkeys(sample.batch for sample in samples)
    executions = _executions(target, list(batches))
    known: dict[str, tuple[float, ...]] = {}
    for execution in list(dict.fromkeys(executions.values()))[:MOST_EXECUTIONS]:
        trace = load_trace(target, execution_arn(target, execution))
        known |= boundaries(trace["spans"]) if trace else {}
    parts = [parts_of(sample, known[sample.batch]) for sample in samples if sample.batch in known]
    if not parts:
        return {}
    return {name: statistics.fmean(each[name] for each in parts) for name in PARTS}


def _executions(target: Target, batches: Sequence[str]) -> dict[str, str]:
    """The execution that loaded each batch."""
    connection = target.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT batch_id, execution FROM {LEDGER} WHERE batch_id = ANY(%s)",
                (list(batches),),
            )
            return dict(cursor.fetchall())
    finally:
        connection.close()


def parts_of(sample: Sample, times: Sequence[float]) -> dict[str, float]:
    """The parts of one message; they add up to its latency."""
    moments = [sample.published, *times, sample.visible]
    pairs = zip(PARTS, pairwise(moments), strict=True)
    return {name: end - start for name, (start, end) in pairs}


def boundaries(spans: Sequence[Span]) -> dict[str, tuple[float, ...]]:
    """Return, for each batch of a trace, the starts of the parts after the first one, in order.

    Spans are in nesting order, so those of one batch follow the span of its iteration.
    """
    found = {}
    for iteration, batch, states in _iterations(spans):
        if any(name not in states for name in STATES):
            continue
        entered = states["Transform"]["start"]
        begun, ended = _staging(spans, iteration["start"])
        found[batch] = (begun, ended, entered, states["Validate"]["start"], states["Load"]["start"])
    return found


def _iterations(spans: Sequence[Span]) -> Iterator[tuple[Span, str, Mapping[str, Span]]]:
    """Each iteration of a map, the batch that it processes, and the spans of its states."""
    for place, iteration in enumerate(spans):
        if not iteration["name"].startswith("Iteration"):
            continue
        states: dict[str, Span] = {}
        batch = ""
        for span in spans[place + 1 :]:
            if span["depth"] <= iteration["depth"]:
                break
            if span["name"] in STATES:
                states.setdefault(span["name"], span)
            batch = span["annotations"].get("batch_id", batch)
        if batch:
            yield iteration, batch, states


def _staging(spans: Sequence[Span], before: float) -> tuple[float, float]:
    """Times at which the last staging before a moment began and at which the execution went on.

    That is the drain of a state of the execution, or the function that started the execution.
    """
    drains = [s for s in spans if s["name"] == "Extract" and s["start"] < before]
    if drains:
        last = max(drains, key=lambda span: span["start"])
        return last["start"], last["end"]
    machine = next(s for s in spans if s["origin"] == "AWS::StepFunctions::StateMachine")
    staged = [s for s in spans if s["name"] == "extract.stage"]
    return (staged[0] if staged else machine)["start"], machine["start"]
