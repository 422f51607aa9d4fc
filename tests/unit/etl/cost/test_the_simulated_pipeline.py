"""The simulation finds the bottleneck, and loses no message."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etl.cost.events import Clock, Resource
from etl.cost.formatting import bottleneck, most_used_quota
from etl.cost.scaling import simulate_scaled_up
from etl.cost.settings import Fleet, Pipeline
from etl.cost.simulation import simulate

FLEET = Fleet(rate=100_000, devices=100_000)
QUEUE = Pipeline(delivery="mapping", window_seconds=20.0)
SCHEDULE = Pipeline(trigger="schedule")


def test_a_small_fleet_is_a_window_behind():
    result = simulate(Fleet(), QUEUE)
    assert result.keeps_up
    assert QUEUE.window_seconds <= result.lag < QUEUE.window_seconds + 5
    assert bottleneck(result) == ""


def test_it_is_the_same_each_time():
    assert simulate(FLEET, QUEUE) == simulate(FLEET, QUEUE)


def test_too_few_writers_are_the_bottleneck():
    result = simulate(replace(FLEET, rate=500_000), replace(QUEUE, database_writers=1, pollers=50))
    assert not result.keeps_up
    assert result.database_busy > 0.95
    assert "PostgreSQL" in bottleneck(result)
    # Loads that wait for the database hold their executions.
    assert result.concurrency > 100


def test_too_few_pollers_leave_a_backlog():
    result = simulate(replace(FLEET, rate=1e6), replace(QUEUE, database_writers=16))
    assert not result.keeps_up
    assert result.trigger_busy > 0.95
    assert result.backlog > 0
    assert "QueueConcurrency" in bottleneck(result)


def test_more_of_what_is_short_makes_it_keep_up():
    result = simulate_scaled_up(replace(FLEET, rate=1e6), QUEUE)
    assert result.keeps_up
    assert result.pipeline.pollers > QUEUE.pollers
    assert result.pipeline.database_writers > QUEUE.database_writers


def test_one_drain_a_minute_has_its_limit():
    assert simulate(Fleet(rate=5_000), SCHEDULE).keeps_up
    result = simulate(Fleet(rate=20_000), SCHEDULE)
    assert not result.keeps_up
    assert "DRAIN_SECONDS" in bottleneck(result)
    assert simulate_scaled_up(Fleet(rate=20_000), SCHEDULE).keeps_up
    assert not simulate_scaled_up(Fleet(rate=100_000), SCHEDULE).keeps_up


def test_a_million_readings_a_second_meet_iots_quota():
    result = simulate(Fleet(rate=1e6, devices=1_000_000), QUEUE)
    assert result.quotas()["iot_publish"] == pytest.approx(1.0)
    assert most_used_quota(result) == "inbound publishes per account: 100%, reached"


def test_one_device_may_not_publish_more_than_a_hundred_messages_a_second():
    assert simulate(Fleet(devices=1, rate=10_000), QUEUE).quotas()[
        "iot_connection"
    ] == pytest.approx(2)


def test_a_resource_is_granted_in_the_order_of_the_requests():
    clock, got = Clock(), []
    slots = Resource(clock, 1)
    for name in "abc":
        slots.acquire(
            lambda name=name: (got.append((name, clock.now)), clock.after(2, slots.release))
        )
    clock.run(10)
    assert got == [("a", 0), ("b", 2), ("c", 4)]
    assert slots.peak == 3
    assert slots.held_seconds == pytest.approx(6)
