"""What ``docs/platform.md`` says a month costs is what the price table gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.cost.prices import price
from infrastructure.platform.settings import PlatformSettings

HOURS = 730
SETTINGS = PlatformSettings(stack="x")
PAGE = " ".join(Path("docs/platform.md").read_text().split())


@pytest.mark.parametrize(
    ("name", "units", "row"),
    [
        ("db_hours", HOURS, "| database, db.t4g.medium with a standby | $0.13 an hour | ${} |"),
        (
            "db_storage",
            SETTINGS.storage_gb,
            "| its storage, 50 GB with a standby | $0.23 a GB and month | ${} |",
        ),
        ("proxy_hours", HOURS * 2, "| proxy, 2 vCPUs | $0.015 a vCPU and hour | ${} |"),
        (
            "endpoint_hours",
            HOURS * SETTINGS.zones,
            "| endpoint for Secrets Manager, 2 zones | $0.01 an hour and zone | ${} |",
        ),
        ("keys", 1, "| key | $1 a month | ${} |"),
        ("nat_hours", HOURS, "would be ${} a month and zone"),
    ],
)
def test_a_month(name, units, row):
    one = price(name)
    assert row.format(f"{units * one.each:.0f}") in PAGE
    if row.startswith("|") and name != "keys":
        assert f"${one.each:g} " in row


def test_the_defaults_are_what_the_table_is_about():
    assert SETTINGS.instance_class == "db.t4g.medium"
    assert (SETTINGS.storage_gb, SETTINGS.zones, SETTINGS.multi_az) == (50, 2, True)
