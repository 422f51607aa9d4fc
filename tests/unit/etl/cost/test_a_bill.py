"""What a month costs, against figures worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etl.cost.batches import batches_of
from etl.cost.bill import bill
from etl.cost.counts import batch_part, part, requests, sweeps
from etl.cost.durations import billed_seconds, measurements
from etl.cost.settings import Fleet, Pipeline
from functions.inventory import function

MONTH = 730 * 3600
QUEUE = Pipeline(delivery="mapping", window_seconds=20.0, observability="full")
SCHEDULE = replace(QUEUE, trigger="schedule")
# 50 readings of 80 bytes: one message of 4 KB and a bit, 5.6 KB in the queue.
FLEET = Fleet(devices=100, rate=500, readings_per_message=50, reading_bytes=80)
MESSAGES = 10 * MONTH


def amount(made, key, *groups):
    return sum(
        x.amount for x in made.lines if x.price.key == key and (not groups or x.group in groups)
    )


def test_iot_bills_messages_rules_and_minutes():
    made = bill(FLEET, QUEUE)
    assert amount(made, "iot_messages", "messaging") == pytest.approx(MESSAGES)
    assert amount(made, "iot_rules") == amount(made, "iot_actions") == pytest.approx(MESSAGES)
    assert amount(made, "iot_minutes") == pytest.approx(100 * 730 * 60)
    assert made.dollars("messaging") == pytest.approx(26.28)
    assert made.dollars("rules") == pytest.approx(2 * 26.28 * 0.15)
    assert made.per_million("messaging") == pytest.approx(0.02)


def test_a_message_is_billed_for_each_5_kb():
    large = bill(replace(FLEET, reading_bytes=150))
    assert amount(large, "iot_messages", "messaging") == pytest.approx(2 * MESSAGES)
    assert amount(large, "iot_rules") == pytest.approx(2 * MESSAGES)


def test_basic_ingest_saves_the_messages_and_nothing_else():
    through, direct = bill(FLEET), bill(replace(FLEET, basic_ingest=True))
    assert direct.dollars("messaging") == 0
    assert direct.dollars() == pytest.approx(through.dollars() - through.dollars("messaging"))
    assert direct.beyond_messages == pytest.approx(through.beyond_messages)


def test_sqs_bills_a_send_for_each_message_and_the_rest_by_tens_and_64_kb():
    assert amount(bill(FLEET, QUEUE), "sqs_requests", "readings") == pytest.approx(MESSAGES * 1.2)
    # Ten of them are more than 64 KB: each receipt counts twice.
    larger = bill(replace(FLEET, reading_bytes=100), QUEUE)
    assert amount(larger, "sqs_requests", "readings") == pytest.approx(MESSAGES * 1.3)


def test_a_scheduled_execution_costs_its_states_and_one_for_each_child():
    made = bill(FLEET, SCHEDULE)
    executions = MONTH / 60
    each = part("schedule", "execution").transitions + batch_part().transitions
    assert each == 8
    assert amount(made, "states_transitions", "readings") == pytest.approx(executions * each)
    assert amount(made, "states_requests") == pytest.approx(executions)
    assert amount(made, "schedules") == pytest.approx(executions + MONTH / 900)


def test_an_idle_schedule_costs_four_states_each_time():
    made = bill(Fleet(rate=1e-6, devices=1), SCHEDULE)
    assert amount(made, "states_transitions", "fixed") == pytest.approx(MONTH / 60 * 4, rel=1e-3)
    assert made.dollars("readings") < 0.01


def test_lambda_is_billed_by_memory_and_seconds():
    made = bill(FLEET, SCHEDULE)
    batch = batches_of(FLEET, SCHEDULE)
    size = (batch.messages, batch.readings)
    expected = sum(
        function(name).memory / 1024 * billed_seconds(name, *size, SCHEDULE)
        for name in ("extract", "transform", "validate", "load")
    )
    expected += function("summarize").memory / 1024 * billed_seconds("summarize", 1, 50, SCHEDULE)
    # Lists of the sweeps, each of which takes a tenth of a second.
    swept = sum(
        number * 730 / 24 * batch.rate * 86_400 * least / 1000 * 0.1 * 0.5
        for number, least in sweeps()
    )
    got = amount(made, "lambda_seconds", "readings")
    assert got == pytest.approx(expected * batch.rate * MONTH + swept)


def test_half_the_memory_is_half_the_processor():
    parts = measurements()["functions"]["load"]
    cpu = parts["cpu_seconds"]
    work = cpu["call"] + cpu["message"] * 100 + cpu["reading"] * 5000
    inside = parts["database_seconds"]
    waits = inside["call"] + inside["message"] * 100 + inside["reading"] * 5000
    calls = sum(requests("load", 100).values()) * 0.03
    seconds = billed_seconds("load", 100, 5000, QUEUE)
    assert seconds == pytest.approx(work * 1769 / 512 + waits + calls + 0.03)


def test_raw_objects_grow_cold_only_where_they_are_large_enough():
    small = bill(Fleet(rate=10, devices=10), QUEUE)
    large = bill(Fleet(rate=5_000, devices=10), SCHEDULE)
    assert amount(small, "s3_glacier") == 0
    year, month = (
        bill(Fleet(rate=5_000, devices=10), replace(SCHEDULE, months_kept=n)) for n in (12, 1)
    )
    assert amount(month, "s3_glacier") == amount(month, "s3_to_glacier") == 0
    assert amount(year, "s3_glacier") == amount(large, "s3_glacier") > 0
    assert amount(year, "s3_to_glacier") > 0


def test_channels_cost_a_metric_two_alarms_and_a_secret():
    without, made = bill(FLEET, QUEUE), bill(FLEET, replace(QUEUE, channels=True))
    for key, more in (("metrics", 1), ("alarms", 2), ("secrets", 1)):
        assert amount(made, key) - amount(without, key) == more, key
    assert made.dollars() - without.dollars() == pytest.approx(0.3 + 2 * 0.1 + 0.4)


def test_without_the_clean_zone_a_batch_has_one_object_less():
    made, without = bill(FLEET, SCHEDULE), bill(FLEET, replace(SCHEDULE, clean=False))
    assert amount(made, "s3_put") - amount(without, "s3_put") == pytest.approx(MONTH / 60)
    assert without.dollars("storage") < made.dollars("storage")


def test_a_bill_adds_up():
    made = bill(FLEET)
    groups = ("messaging", "devices", "rules", "readings", "storage", "fixed")
    assert sum(made.dollars(group) for group in groups) == pytest.approx(made.dollars())
    assert sum(dollars for _, dollars in made.services()) == pytest.approx(made.dollars())
    assert made.per_million() * 500 * MONTH / 1e6 == pytest.approx(made.dollars())


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"devices": 0}, {"readings_per_message": 0}])
def test_a_fleet_of_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="greater than 0"):
        Fleet(**wrong)
