"""A loop of drains costs its drains, whether they find messages or not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.cost.batches import batches_of, streams_of
from etl.cost.bill import bill
from etl.cost.counts import batch_part, part, sweeps
from etl.cost.latency import latency
from etl.cost.settings import Fleet, Pipeline
from etl.cost.simulation import simulate

MONTH = 730 * 3600
DRAIN = Pipeline(trigger="queue", delivery="drain", window_seconds=25, observability="full")
MAPPING = replace(DRAIN, delivery="mapping")
SCHEDULE = replace(DRAIN, trigger="schedule")
SMALL = Fleet(devices=10, rate=10.0)


def amount(made, key, *groups):
    return sum(
        x.amount for x in made.lines if x.price.key == key and (not groups or x.group in groups)
    )


def test_a_window_has_one_drain_and_a_drain_with_messages_one_batch():
    batches = batches_of(SMALL, DRAIN)
    assert batches.drains + batches.idle_drains == pytest.approx(1 / 25)
    assert batches.drains * 25 == pytest.approx(1 - math.exp(-0.2 * 25))
    assert batches.messages == pytest.approx(5)
    assert batches.executions == pytest.approx(1 / 600)


def test_transitions_are_those_of_the_recorded_parts():
    made, batches = bill(SMALL, DRAIN), batches_of(SMALL, DRAIN)
    expected = batches.executions * part("drain", "execution").transitions
    expected += batches.drains * part("drain", "drain").transitions
    expected += batches.rate * batch_part().transitions
    assert amount(made, "states_transitions", "readings") == pytest.approx(expected * MONTH)
    idle = batches.idle_drains * part("drain", "idle_drain").transitions
    idle += batches.idle_executions * part("drain", "idle_execution").transitions
    assert amount(made, "states_transitions", "fixed") == pytest.approx(idle * MONTH)
    starts = 1 / 600 + sum(number for number, _ in sweeps()) / 86_400
    assert amount(made, "schedules") == pytest.approx(starts * MONTH)


def test_an_idle_stack_pays_for_its_drains_only():
    idle = bill(Fleet(rate=1e-6, devices=1), DRAIN)
    drains = MONTH / 25 * part("drain", "idle_drain").transitions
    assert amount(idle, "states_transitions", "fixed") == pytest.approx(drains, rel=0.05)
    assert idle.dollars("readings") < 0.01


def test_it_is_cheaper_than_an_execution_for_each_batch_and_dearer_than_a_schedule():
    drain, mapping, schedule = (bill(SMALL, p).dollars() for p in (DRAIN, MAPPING, SCHEDULE))
    assert schedule < drain < mapping / 2


@given(rate=st.floats(0.01, 20_000), each=st.sampled_from([1, 50]), window=st.floats(5, 120))
def test_no_message_gets_lost_and_no_drain_overtakes_another(rate, each, window):
    fleet = Fleet(rate=rate, readings_per_message=each)
    batches = batches_of(fleet, replace(DRAIN, window_seconds=window))
    assert batches.rate * batches.messages == pytest.approx(fleet.messages)
    assert batches.delay >= window
    assert batches.drains + batches.idle_drains <= 1 / window * (1 + 1e-9)


@pytest.mark.parametrize("rate", [10, 100, 1_000])
def test_rows_are_visible_half_a_minute_later(rate):
    time = latency(Fleet(rate=rate, devices=rate), DRAIN)
    assert time.longest < 30
    assert time.typical < 18
    result = simulate(Fleet(rate=rate, devices=rate), DRAIN)
    assert result.keeps_up
    assert result.lag == pytest.approx(time.longest, rel=0.2)


def test_a_loop_keeps_up_with_ten_thousand_readings_a_second_and_not_with_fifty():
    assert simulate(Fleet(rate=10_000, devices=10_000), DRAIN).keeps_up
    result = simulate(Fleet(rate=50_000, devices=50_000), DRAIN)
    assert not result.keeps_up
    assert result.transitions < 1  # however late it is: a drain has one execution of the map


def test_both_triggers_share_the_messages():
    for delivery in ("drain", "mapping"):
        both = replace(DRAIN, trigger="both", delivery=delivery)
        (by_queue, _, many), (by_schedule, _, few) = streams_of(SMALL, both)
        assert by_queue.rate + by_schedule.rate == pytest.approx(SMALL.rate)
        assert (many.start, few.start) == (delivery, "schedule")
        assert many.rate * many.messages + few.rate * few.messages == pytest.approx(0.2)


@pytest.mark.parametrize(("delivery", "rate"), [("drain", 10.0), ("mapping", 100.0)])
def test_a_second_trigger_costs_more_than_one_that_finds_nothing(rate, delivery):
    alone = replace(DRAIN, delivery=delivery)
    both = replace(alone, trigger="both")
    idle, fleet = Fleet(rate=1e-6, devices=1), Fleet(rate=rate)
    finds_nothing = bill(idle, both).dollars() - bill(idle, alone).dollars()
    assert finds_nothing > 5
    assert bill(fleet, both).dollars() - bill(fleet, alone).dollars() > 2 * finds_nothing
