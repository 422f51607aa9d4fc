"""Which type and constraint a column of each type gets, and how an enum's values change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from telemetry import ddl
from telemetry.contract import Column, Contract, Source
from tests.unit.functions.transform.envelopes_for import contract_of


def column(type: str, **fields: object) -> Column:
    return Column(name="v", type=type, sources=(Source("reading", ("v",)),), **fields)


@pytest.mark.parametrize(
    ("found", "sql"),
    [
        (column("real"), "real"),
        (column("float"), "double precision"),
        (column("decimal", precision=10, scale=3), "numeric(10,3)"),
        (column("decimal", precision=10), "numeric(10,0)"),
        (column("enum", values=(("a", ()),)), "text"),
        (column("jsonb"), "jsonb"),
    ],
)
def test_each_type_has_its_own(found: Column, sql: str) -> None:
    assert ddl.sql_type(found) == sql


def of_values(*values: str) -> Contract:
    listed = ", ".join(f'"{value}"' for value in values)
    return contract_of(f"[columns.state]\ntype = 'enum'\nvalues = [{listed}]")


def as_it_is(contract: Contract) -> ddl.ExistingTable:
    checks = tuple(ddl.check_name(c) for c in contract.columns if c.values)
    columns = tuple(
        ddl.ExistingColumn(c.name, ddl.sql_type(c), nullable=not c.required)
        for c in contract.columns
    )
    return ddl.ExistingTable(columns, contract.key, "Readings of the contract test.", checks)


def test_an_enum_is_held_to_its_values() -> None:
    _, table, *_ = ddl.plan_table(of_values("on", "it's"), None)
    assert """_is_one_""" in table
    assert """CHECK ("state" IN ('on', 'it''s'))""" in table


def test_other_values_take_the_place_of_the_old_ones() -> None:
    before, after = of_values("on"), of_values("on", "off")
    assert ddl.plan_table(before, as_it_is(before)) == []
    (statement,) = ddl.plan_table(after, as_it_is(before))
    assert statement.startswith('ALTER TABLE "telemetry"."test" DROP CONSTRAINT "state_is_one_')
    assert statement.endswith("""CHECK ("state" IN ('on', 'off')) NOT VALID""")


def test_a_column_that_is_no_enum_any_more_loses_its_check() -> None:
    before = of_values("on")
    now = contract_of("[columns.state]\ntype = 'text'")
    (statement,) = ddl.plan_table(now, as_it_is(before))
    assert "DROP CONSTRAINT" in statement
    assert "ADD" not in statement


def test_checks_of_others_are_left_alone() -> None:
    contract = of_values("on")
    table = as_it_is(contract)
    table = replace(table, checks=(*table.checks, "state_is_one_of_mine", "positive"))
    assert ddl.plan_table(contract, table) == []
