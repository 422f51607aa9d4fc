"""The plan of a contract with retention names the day before which rows leave the table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from etl.authoring.diff import diff
from etl.deployment.contract_review import retention_remarks
from etl.deployment.preconditions import check_preconditions
from etl.deployment.settings_file import SettingsError
from infrastructure.settings import DatabaseSettings, DeploySettings
from telemetry.contract import load_contract

CONTRACT = load_contract(Path("contracts/fleet.toml"))
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("partition", "day"), [("day", "before 2026-10-21 (UTC)"), ("month", "before 2026-10-01 (UTC)")]
)
def test_the_first_rows_to_go_are_named(partition: str, day: str) -> None:
    contract = replace(CONTRACT, partition=partition, retention_days=30)
    (sentence,) = retention_remarks(contract, NOW)
    assert day in sentence
    assert f"each {partition} that is over" in sentence


def test_without_retention_nothing_is_said() -> None:
    assert retention_remarks(CONTRACT, NOW) == []
    assert retention_remarks(replace(CONTRACT, partition="month"), NOW) == []


def test_a_changed_retention_says_what_it_does() -> None:
    old = replace(CONTRACT, partition="month", retention_days=400)
    (change,) = diff(old, replace(old, retention_days=30)).changes
    assert (change.key, change.old, change.new) == ("table.retention", "400", "30")
    assert "drops" in change.meaning
    daily = diff(old, replace(old, partition="day"))
    assert [change.key for change in daily.changes] == ["table.partition"]
    assert not daily.destructive


@pytest.mark.parametrize("keys", [{"partition": "month"}, {"partition": "day"}])
def test_a_plain_table_is_not_partitioned_without_a_person(keys: dict[str, str]) -> None:
    refused = diff(CONTRACT, replace(CONTRACT, retention_days=100, **keys)).refused
    assert "INSERT INTO" in refused


@pytest.mark.parametrize(
    ("days", "named"),
    [
        ({"infrequent_access_days": 29}, "storage.infrequent_access_days: 29"),
        ({"infrequent_access_days": 30, "glacier_days": 59}, "storage.glacier_days: 59"),
        ({"infrequent_access_days": 61}, "storage.glacier_days: 30"),
    ],
)
def test_moves_that_s3_refuses_are_named_before_the_deployment(
    days: dict[str, int], named: str
) -> None:
    settings = DeploySettings(
        stack="s", contract=Path("contracts/fleet.toml"), database=DatabaseSettings(host="h")
    )
    check_preconditions(settings, None, None)
    check_preconditions(
        replace(settings, infrequent_access_days=0, glacier_days=0), None, "eu-central-1"
    )
    with pytest.raises(SettingsError, match=named):
        check_preconditions(replace(settings, **days), None, None)
