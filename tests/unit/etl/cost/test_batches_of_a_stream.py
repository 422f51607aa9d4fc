"""How many messages a micro-batch has, by trigger and rate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etl.cost.batches import batches_of, body_bytes, drain_capacity
from etl.cost.settings import Fleet, Pipeline

QUEUE = Pipeline(delivery="mapping", window_seconds=20.0)
SCHEDULE = Pipeline(trigger="schedule")


def test_pollers_share_out_what_comes_in_a_window():
    batches = batches_of(Fleet(rate=1_000, readings_per_message=50), QUEUE)
    assert batches.messages == pytest.approx(20 * QUEUE.window_seconds / 5)
    assert batches.delay == pytest.approx(QUEUE.window_seconds)


def test_a_lonely_message_is_a_batch():
    assert batches_of(Fleet(rate=1, readings_per_message=50), QUEUE).messages == 1


def test_a_batch_of_the_trigger_ends_at_lambdas_6_mb():
    fleet = Fleet(rate=1e6)
    assert batches_of(fleet, QUEUE).messages * body_bytes(fleet) < 6 * 2**20


@pytest.mark.parametrize("pipeline", [QUEUE, SCHEDULE])
@pytest.mark.parametrize("rate", [1, 100, 10_000, 1_000_000])
def test_no_message_gets_lost_between_batches(pipeline, rate):
    fleet = Fleet(rate=rate)
    batches = batches_of(fleet, pipeline)
    assert batches.rate * batches.messages == pytest.approx(fleet.messages)
    assert batches.readings == pytest.approx(batches.messages * 50)


def test_a_schedule_that_finds_nothing_half_the_time_is_idle_then():
    batches = batches_of(Fleet(rate=50 * 0.693147 / 60), SCHEDULE)
    assert batches.idle_executions == pytest.approx(0.5 / 60, rel=1e-3)


def test_a_longer_drain_takes_more():
    fleet = Fleet()
    longer = replace(SCHEDULE, drain_seconds=40.0)
    assert drain_capacity(fleet, longer) == pytest.approx(2 * drain_capacity(fleet, SCHEDULE))
