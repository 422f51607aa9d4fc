"""The pipeline that keeps up with a fleet: more of what is the bottleneck, step by step."""

from __future__ import annotations

from dataclasses import replace

from etl.cost.quotas import quota
from etl.cost.result import SimulationResult
from etl.cost.settings import Fleet, Pipeline
from etl.cost.simulation import simulate

__all__ = ["simulate_scaled_up"]

BUSY = 0.9
"""Share of its time from which a busy part counts as the bottleneck."""
LONGEST_DRAIN = 0.8
"""Longest drain as a share of the period: deleting and staging take the rest."""


def simulate_scaled_up(fleet: Fleet, pipeline: Pipeline) -> SimulationResult:
    """Simulates with more and more pollers and writers until the pipeline keeps up.

    The number of a part grows twofold while that part is the bottleneck or is nearly always busy:
    in a longer run its queue would grow. Returns a result that does not keep up where no growth
    helps.
    """
    while True:
        result = simulate(fleet, pipeline)
        drains = not result.by_mapping
        busy = max(result.database_busy, result.trigger_busy)
        if result.keeps_up and (drains or busy <= BUSY):
            return result
        before = pipeline
        if result.database_busy > BUSY:
            pipeline = replace(pipeline, database_writers=2 * pipeline.database_writers)
        if drains:
            period = pipeline.period_seconds
            period = pipeline.window_seconds if pipeline.trigger != "schedule" else period
            longest = max(pipeline.drain_seconds, LONGEST_DRAIN * period)
            pipeline = replace(pipeline, drain_seconds=min(longest, 2 * pipeline.drain_seconds))
        elif result.trigger_busy > BUSY:
            most = int(quota("trigger_concurrency").limit)
            pipeline = replace(pipeline, pollers=min(most, 2 * pipeline.pollers))
        if pipeline == before:
            return result
