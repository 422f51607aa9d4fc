"""Two simpler designs, priced for what they do."""

from __future__ import annotations

import pytest

from etl.cost.bill import bill
from etl.cost.neighbours import SERVER_GB, own_lambda, server
from etl.cost.settings import Fleet, Pipeline


def dollars(lines):
    return sum(line.dollars for line in lines)


def test_a_server_with_its_own_broker_costs_the_same_at_every_rate():
    few, many = (dollars(server(Fleet(rate=rate), broker=True)) for rate in (10, 1_000))
    assert few == many == pytest.approx(730 * (0.0168 + 0.005) + SERVER_GB * 0.08)


def test_a_subscriber_of_iot_core_pays_for_each_message_twice():
    fleet = Fleet(devices=10, rate=10.0)
    more = dollars(server(fleet, broker=False)) - dollars(server(fleet, broker=True))
    messages = 0.2 * 2  # of up to 5 KB each
    connections = 10 * 730 * 60 * 0.08 / 1e6 + 10 * 730 / 24 / 1e6
    assert more == pytest.approx(2 * messages * 730 * 3600 / 1e6 + connections)


@pytest.mark.parametrize("each", [1, 50])
@pytest.mark.parametrize("rate", [10, 100, 1_000])
def test_a_lambda_of_ones_own_pays_for_iot_core_as_we_do_and_for_less_else(rate, each):
    fleet = Fleet(devices=rate, rate=float(rate), readings_per_message=each)
    ours, theirs = bill(fleet, Pipeline()), own_lambda(fleet)
    for group in ("messaging", "devices", "rules"):
        lines = [line for line in theirs if line.group == group]
        assert dollars(lines) == pytest.approx(ours.dollars(group))
    assert dollars(theirs) < ours.dollars()
