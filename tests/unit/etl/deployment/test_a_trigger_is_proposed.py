"""The cheapest trigger that keeps latency and rate is proposed, by the prices of `etl cost`."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.cost.bill import bill
from etl.deployment.settings_example import example
from etl.deployment.settings_file import read_file
from etl.deployment.settings_schema import known_settings
from etl.deployment.trigger_proposal import (
    LEVEL,
    MOST_DRAINED,
    Demand,
    offers,
    propose,
    reason,
)

demands = st.builds(
    Demand,
    devices=st.integers(1, 100_000),
    rate=st.floats(0.01, 50_000),
    readings_per_message=st.integers(1, 200),
    latency=st.floats(0.5, 3600),
)


@settings(max_examples=15)
@given(demands)
def test_nothing_cheaper_keeps_what_is_wanted(demand):
    found = offers(demand)
    chosen = propose(demand, found)
    fitting = [one for one in found if one.fits(demand)]
    if fitting:
        assert chosen.fits(demand)
        assert chosen.dollars == min(one.dollars for one in fitting)
    else:
        # What keeps up and is the fastest of these; nothing slower is taken for its price.
        able = [one for one in found if one.keeps_up] or list(found)
        assert chosen in able
        assert chosen.latency == min(one.latency for one in able)


@settings(max_examples=15)
@given(demands)
def test_the_prices_are_those_of_the_cost_model(demand):
    for one in offers(demand):
        assert one.dollars == bill(demand.fleet, one.pipeline).dollars()
        assert one.pipeline.observability == LEVEL == "lean"


@settings(max_examples=15)
@given(demands)
def test_one_drain_is_not_proposed_for_more_than_it_can_receive(demand):
    for one in offers(demand):
        if one.pipeline.trigger == "queue" and one.pipeline.delivery == "drain":
            assert demand.rate <= MOST_DRAINED or not one.keeps_up


def test_a_latency_that_a_schedule_keeps_gets_the_schedule():
    patient = Demand(devices=100, rate=10, readings_per_message=50, latency=600)
    assert propose(patient, offers(patient)).settings == {
        "run.trigger": "schedule",
        "run.schedule": "rate(5 minutes)",
        "operation.observability": "lean",
    }


def test_the_smallest_latency_gets_the_smallest_window_of_the_mapping():
    quick = Demand(devices=100, rate=10, readings_per_message=50, latency=2)
    chosen = propose(quick, offers(quick)).settings
    assert (chosen["run.trigger"], chosen["run.queue_delivery"]) == ("queue", "mapping")
    assert chosen["run.queue_window_seconds"] == 1


@given(st.floats(1, 1_000))
def test_the_windows_leave_time_for_the_work(latency):
    demand = Demand(devices=100, rate=10, readings_per_message=50, latency=latency)
    queued = {o.pipeline.delivery: o for o in offers(demand) if o.pipeline.trigger == "queue"}
    drain, mapping = (queued[kind].pipeline.window_seconds for kind in ("drain", "mapping"))
    assert 5 <= drain <= max(5, min(120, latency - 4))
    assert 1 <= mapping <= max(1, min(20, latency - 4))


def test_half_a_minute_is_kept_by_a_window_that_leaves_time_for_the_work():
    usual = Demand(devices=100, rate=100, readings_per_message=50, latency=30)
    names = [one.name for one in offers(usual)]
    assert "queue, drained each 25 s" in names
    assert propose(usual, offers(usual)).pipeline.trigger == "queue"


@pytest.mark.parametrize("latency", [2, 8, 30, 90, 600])
@pytest.mark.parametrize("rate", [1, 1_000, 20_000])
def test_the_settings_are_valid_and_the_file_says_why(tmp_path, monkeypatch, latency, rate):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fleet.toml").touch()
    demand = Demand(devices=10, rate=rate, readings_per_message=50, latency=latency)
    found = offers(demand)
    chosen = propose(demand, found)
    values = {key: value for key, value in chosen.settings.items() if key in known_settings()}
    text = example("x", "fleet.toml", values=values, reason=reason(demand, chosen, found))
    path = tmp_path / "pipeline.toml"
    path.write_text(text)
    read = read_file(path).values
    assert {key: read[key] for key in values} == values
    assert set(read) == {"stack", "contract", *values}
    comment = " ".join(line.removeprefix("# ") for line in text.splitlines())
    for one in found:
        assert f"{one.name}" in comment
        assert f"${one.dollars:,.0f} a month" in comment
    for key, value in values.items():
        assert known_settings()[key].problem(value) == ""


@pytest.mark.parametrize(
    "changed", [{"devices": 0}, {"rate": 0}, {"readings_per_message": 0}, {"latency": 0}]
)
def test_what_can_not_be_priced_is_an_error(changed):
    with pytest.raises(ValueError, match="greater than 0"):
        Demand(**{"devices": 1, "rate": 1, "readings_per_message": 1, "latency": 1, **changed})


@pytest.mark.parametrize("gap", [30.0, 500.0, 20_000.0])
def test_a_fleet_of_rare_messages_does_not_wait_for_the_next_one(gap):
    # Lambda's window begins with a message and ends without another one.
    demand = Demand(devices=1, rate=1 / gap, readings_per_message=1, latency=30)
    found = offers(demand)
    mapping = next(one for one in found if one.name.startswith("queue, mapping"))
    assert 20 < mapping.latency < 30
    assert propose(demand, found).dollars == min(one.dollars for one in found if one.fits(demand))
    assert mapping.fits(demand)


@pytest.mark.parametrize(
    ("rate", "readings"), [(float("inf"), 1), (float("nan"), 1), (1.0, 10**9), (1e-300, 1)]
)
def test_a_fleet_that_cannot_be_simulated_is_refused(rate, readings):
    with pytest.raises(ValueError, match=r"finite|less than a message|greater than 0"):
        Demand(devices=1, rate=rate, readings_per_message=readings, latency=30)
