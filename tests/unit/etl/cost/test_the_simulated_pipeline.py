"""The simulation: what it takes, what holds it up, and that it loses nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etl.cost.events import Clock, Places
from etl.cost.formatting import held_up_by, nearest_quota
from etl.cost.settings import Fleet, Pipeline
from etl.cost.simulation import fitted, simulate

FLEET = Fleet(rate=100_000, devices=100_000)
QUEUE, SCHEDULE = Pipeline(), Pipeline(trigger="schedule")


def test_a_small_fleet_is_a_window_behind():
    outcome = simulate(Fleet(), QUEUE)
    assert outcome.keeps_up
    assert 20 <= outcome.lag < 25
    assert held_up_by(outcome) == ""


def test_it_is_the_same_each_time():
    assert simulate(FLEET, QUEUE) == simulate(FLEET, QUEUE)


def test_too_few_writers_hold_it_up():
    outcome = simulate(replace(FLEET, rate=500_000), replace(QUEUE, database_writers=1, pollers=50))
    assert not outcome.keeps_up
    assert outcome.database_busy > 0.95
    assert "PostgreSQL" in held_up_by(outcome)
    # Loads that wait for the database hold their executions.
    assert outcome.concurrency > 100


def test_too_few_pollers_leave_a_backlog():
    outcome = simulate(replace(FLEET, rate=1e6), replace(QUEUE, database_writers=16))
    assert not outcome.keeps_up
    assert outcome.trigger_busy > 0.95
    assert outcome.backlog > 0
    assert "QueueConcurrency" in held_up_by(outcome)


def test_more_of_what_is_short_makes_it_keep_up():
    outcome = fitted(replace(FLEET, rate=1e6), QUEUE)
    assert outcome.keeps_up
    assert outcome.pipeline.pollers > QUEUE.pollers
    assert outcome.pipeline.database_writers > QUEUE.database_writers


def test_one_drain_a_minute_has_its_limit():
    assert simulate(Fleet(rate=5_000), SCHEDULE).keeps_up
    outcome = simulate(Fleet(rate=20_000), SCHEDULE)
    assert not outcome.keeps_up
    assert "DRAIN_SECONDS" in held_up_by(outcome)
    assert fitted(Fleet(rate=20_000), SCHEDULE).keeps_up
    assert not fitted(Fleet(rate=100_000), SCHEDULE).keeps_up


def test_a_million_readings_a_second_meet_iots_quota():
    outcome = simulate(Fleet(rate=1e6, devices=1_000_000), QUEUE)
    assert outcome.quotas()["iot_publish"] == pytest.approx(1.0)
    assert nearest_quota(outcome) == "inbound publishes of an account: 100%, met"


def test_one_device_may_not_publish_more_than_a_hundred_messages_a_second():
    assert simulate(Fleet(devices=1, rate=10_000), QUEUE).quotas()[
        "iot_connection"
    ] == pytest.approx(2)


def test_places_are_given_in_the_order_of_asking():
    clock, got = Clock(), []
    places = Places(clock, 1)
    for name in "abc":
        places.take(lambda name=name: (got.append((name, clock.now)), clock.after(2, places.give)))
    clock.run(10)
    assert got == [("a", 0), ("b", 2), ("c", 4)]
    assert places.most == 3
    assert places.held_seconds == pytest.approx(6)
