"""Whole numbers beyond 2^53 that one double stands for are still different numbers."""

from __future__ import annotations

import pytest

from functions.transform.clean import clean
from telemetry.contract import parse_contract
from tests.unit.functions.transform.envelopes_for import contract_of, lines

TOP = 2**63 - 1


@pytest.mark.parametrize("bulk", [True, False])
@pytest.mark.parametrize("kind", ["bigint", "text"])
@pytest.mark.parametrize("marker", [str(TOP), f'"{TOP}"'])
def test_a_marker_takes_no_neighbour_with_it(bulk: bool, kind: str, marker: str) -> None:
    contract = contract_of(f'[columns.v]\ntype = "{kind}"\nmissing = [{marker}, -1]')
    sent = [TOP, TOP - 1, -1, 2**53 + 1, str(TOP), f" {TOP - 2}", "-1", None]
    rows = clean(lines(*({"id": n, "v": v} for n, v in enumerate(sent))), contract, bulk=bulk).rows
    found = [None if value is None else int(value) for value in rows["v"]]
    absent = None
    expected = [absent, TOP - 1, absent, 2**53 + 1, absent, TOP - 2, absent, absent]
    assert found == expected


@pytest.mark.parametrize("bulk", [True, False])
def test_a_condition_holds_for_its_own_number_only(bulk: bool) -> None:
    text = f"""
        name = "test"
        topic = "lab/+"
        [message.only]
        unit = [{2**53 + 1}, 7]
        [table]
        name = "test"
        key = ["id"]
        [columns.id]
        type = "integer"
        required = true
        """
    sent = [2**53, 2**53 + 1, 7, "7.0", 2**53 + 2, str(2**53 + 1)]
    raw = lines(*({"id": n, "unit": unit} for n, unit in enumerate(sent)))
    batch = clean(raw, parse_contract(text.encode(), "test.toml"), bulk=bulk)
    assert batch.rows["id"].to_list() == [1, 2, 3, 5]
    assert batch.set_aside == 2
