"""Thousands of devices: searched, sorted and cut to a page on the server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.pages import fleet as fleet_pages
from dashboard.pages.fleet import PAGE, listing
from dashboard.sources.fleet import Device
from tests.fixtures.frozen_clock import freeze

NOW = datetime.now(UTC)
FLEET = [Device(f"box-{n:05d}", NOW - timedelta(seconds=30 * n)) for n in range(5000)]


def test_a_page_holds_fifty_and_the_last_one_the_rest() -> None:
    assert [d.name for d in listing(FLEET).devices][:2] == ["box-00000", "box-00001"]
    assert len(listing(FLEET).devices) == PAGE
    assert listing(FLEET, page=10**9).page == listing(FLEET).pages == 100
    assert len(listing(FLEET[:51], page=2).devices) == 1


def test_a_search_is_for_a_part_of_the_name_in_any_case() -> None:
    found = listing(FLEET, search="BOX-0001")
    assert found.matching == 10
    assert found.all == 5000


def test_it_is_sorted_by_what_matters() -> None:
    assert listing(FLEET, sort="seen").devices[0].name == "box-00000"
    assert listing(FLEET, sort="silent").devices[0].name == "box-04999"
    most = listing(FLEET, sort="readings", readings={"box-00777": 3, "box-00042": 5})
    assert [d.name for d in most.devices[:2]] == ["box-00042", "box-00777"]


def test_devices_are_reporting_quiet_or_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    freeze(monkeypatch, fleet_pages, NOW)
    found = listing(FLEET)
    assert sum(found.by_state.values()) == 5000
    assert found.by_state["reporting"] in (30, 31), "a quarter of an hour"
    assert listing(FLEET, state="silent").matching == found.by_state["silent"] > 0


def test_an_empty_fleet_is_one_empty_page() -> None:
    assert listing([]).pages == 1
    assert listing([], page=3).devices == []
