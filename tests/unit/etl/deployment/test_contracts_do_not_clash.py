"""Two contracts of one pipeline may not claim the same name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.deployment.pipeline_contracts import check_first, read_contracts
from telemetry.contract import ContractSet, parse_contract
from telemetry.ddl.partitions import partition_name
from telemetry.errors import ContractError
from tests.fixtures.contract_files import write_contract

MONTHLY = 'partition = "month"'
INDEXED = 'indexes = [["{0}"]]'


def refusal(files) -> str:
    with pytest.raises(ContractError) as error:
        read_contracts(files)
    return str(error.value)


def test_contracts_with_names_of_their_own_are_read_in_their_order(tmp_path):
    files = [write_contract(tmp_path, name) for name in ("uplink", "status", "status-log")]
    assert read_contracts(files).names == ("uplink", "status", "status-log")


def test_two_of_one_name_are_refused(tmp_path):
    (tmp_path / "other").mkdir()
    files = [write_contract(folder, "uplink") for folder in (tmp_path, tmp_path / "other")]
    assert "Two contracts are named uplink" in refusal(files)


def test_two_of_one_table_are_refused(tmp_path):
    files = [write_contract(tmp_path, name, table="uplink") for name in ("uplink", "status")]
    assert "have the same table, telemetry.uplink" in refusal(files)


@pytest.mark.parametrize("ending", ["latest", "hourly", "daily", "gaps", "quality", "rejects"])
def test_a_table_is_not_named_like_a_view_of_another_contract(tmp_path, ending):
    files = [write_contract(tmp_path, name) for name in ("uplink", f"uplink_{ending}")]
    for given_files in (files, files[::-1]):
        told = refusal(given_files)
        assert f'"telemetry"."uplink_{ending}" would be' in told
        assert "a view of the contract uplink" in told
        assert f"the table of the contract uplink_{ending}" in told


def test_two_contracts_do_not_make_the_same_view(tmp_path):
    files = [write_contract(tmp_path, name) for name in ("uplink", "uplink_quality")]
    assert '"telemetry"."uplink_quality_daily" would be a view' in refusal(files)


def test_another_schema_is_another_name(tmp_path):
    files = [
        write_contract(tmp_path, "uplink"),
        write_contract(tmp_path, "latest", table="uplink_latest", more='schema = "other"'),
    ]
    assert len(read_contracts(files)) == 2


@pytest.mark.parametrize(
    "table", ["uplink_other", "uplink_2026_11", "uplink_2026_11_29", "uplink_2026_11_pkey"]
)
def test_a_table_is_not_named_like_a_partition_of_another_contract(tmp_path, table):
    other = write_contract(tmp_path, "status", table=table)
    files = [write_contract(tmp_path, "uplink", more=MONTHLY), other]
    assert "a partition of the contract uplink" in refusal(files)
    assert "a partition of the contract uplink" in refusal(files[::-1])
    whole = write_contract(tmp_path, "uplink")
    assert len(read_contracts([whole, other])) == 2


def test_two_contracts_do_not_make_the_same_index(tmp_path):
    columns = '[columns.b]\ntype = "text"\n[columns.a_b]\ntype = "text"\n'
    files = [
        write_contract(tmp_path, "t", columns=columns, more=INDEXED.format("a_b")),
        write_contract(tmp_path, "t_a", columns=columns, more=INDEXED.format("b")),
    ]
    assert '"telemetry"."t_a_b_idx" would be an index' in refusal(files)


def test_a_table_is_not_named_like_the_primary_key_of_another_contract(tmp_path):
    """PostgreSQL would take the index for the table, and make none."""
    files = [write_contract(tmp_path, name) for name in ("uplink", "uplink_pkey")]
    for given_files in (files, files[::-1]):
        assert '"telemetry"."uplink_pkey" would be' in refusal(given_files)


def test_a_table_without_room_for_views_stands_beside_another(tmp_path):
    long = write_contract(tmp_path, "long", table="t" * 63, columns="[analytics]\nviews = false\n")
    assert len(read_contracts([write_contract(tmp_path, "uplink"), long])) == 2


@given(
    day=st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(
        lambda when: when.replace(tzinfo=UTC)
    ),
    by_day=st.booleans(),
)
def test_every_partition_that_there_can_be_is_refused_as_a_table(tmp_path_factory, day, by_day):
    folder = tmp_path_factory.mktemp("clash")
    file = write_contract(folder, "uplink", more=MONTHLY)
    contract = parse_contract(file.read_bytes(), "uplink.toml")
    name = partition_name(contract, day, day + timedelta(days=1 if by_day else 30))
    assert "a partition" in refusal([file, write_contract(folder, "status", table=name)])


def named(tmp_path, *names: str) -> ContractSet:
    return read_contracts([write_contract(tmp_path, name) for name in names])


def test_the_first_contract_is_not_moved_behind_another(tmp_path):
    running = named(tmp_path, "uplink", "status")
    with pytest.raises(ContractError, match="List uplink first"):
        check_first(running, named(tmp_path, "status", "uplink"))


@pytest.mark.parametrize("wanted", [("uplink",), ("uplink", "alarm"), ("alarm", "status")])
def test_others_are_added_and_removed_and_a_new_one_takes_the_place_of_the_first(tmp_path, wanted):
    check_first(named(tmp_path, "uplink", "status"), named(tmp_path, *wanted))


@pytest.mark.parametrize("wanted", [("status",), ("status", "alarm")])
def test_a_further_one_takes_the_place_of_the_first_only_where_that_is_said(tmp_path, wanted):
    running, contracts = named(tmp_path, "uplink", "status"), named(tmp_path, *wanted)
    with pytest.raises(ContractError, match="status would read what waits of uplink"):
        check_first(running, contracts)
    check_first(running, contracts, replace_first=True)
