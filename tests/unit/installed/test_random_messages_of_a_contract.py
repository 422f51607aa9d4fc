"""``etl.testing``: what a project's tests import."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.testing import (
    Messages,
    NotSimulatedError,
    check_messages,
    check_sample,
    load_contract,
    make_messages,
    messages,
)
from layers.folders import ROOT
from telemetry.errors import ContractError

CONTRACTS = ROOT / "contracts"
FLEET = load_contract(CONTRACTS / "fleet.toml")
GREENHOUSE = load_contract(CONTRACTS / "examples" / "greenhouse.toml")


@pytest.mark.parametrize("contract", [FLEET, GREENHOUSE], ids=lambda one: one.name)
def test_each_valid_reading_becomes_a_row(contract: object) -> None:
    @given(messages(contract))
    def holds(sent: Messages) -> None:
        report = check_messages(contract, sent)
        assert (report.read, report.accepted, report.rejected) == (sent.readings, sent.rows, 0)

    holds()


@given(st.integers(0, 10_000))
def test_the_truth_about_messy_messages_is_what_the_check_finds(seed: int) -> None:
    sent = make_messages(FLEET, seed=seed, count=6, mess=0.3)
    report = check_messages(FLEET, sent)
    assert (report.accepted, report.rejected) == (sent.rows, sent.rejected)
    assert report.duplicates == sent.duplicates


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert make_messages(FLEET, seed=7, count=3) == make_messages(FLEET, seed=7, count=3)
    assert make_messages(FLEET, seed=7) != make_messages(FLEET, seed=8)


def test_a_sample_is_checked() -> None:
    report = check_sample(GREENHOUSE, CONTRACTS / "examples" / "greenhouse.ndjson")
    assert (report.accepted, report.rejected) == (143, 2)


def test_a_shape_that_no_simulated_device_has_is_refused_at_once() -> None:
    contract = load_contract(CONTRACTS / "examples" / "families" / "venus.toml")
    with pytest.raises(NotSimulatedError, match="check_sample"):
        messages(contract)


def test_a_contract_with_errors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('name = "x"\n')
    with pytest.raises(ContractError):
        load_contract(tmp_path / "bad.toml")


def test_without_hypothesis_the_command_that_brings_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ImportError, match=r"pip install 'telemetry-etl\[testing\]'"):
        messages(FLEET)
