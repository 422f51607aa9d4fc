"""From contract to SQL: what is created, what grows by itself, what is left to a person."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from telemetry import ddl
from telemetry.contract import Column, Contract, Source
from telemetry.errors import ContractError


def column(name, type="float", **fields):
    return Column(name=name, type=type, sources=(Source("reading", (name,)),), **fields)


CONTRACT = Contract(
    name="fleet",
    topic="telemetry/fleet/+",
    schema="telemetry",
    table="readings",
    key=("device_id", "ts"),
    columns=(
        column("device_id", "text", required=True),
        column("ts", "timestamp", required=True),
        column("temperature", unit="°C", description="Of the air."),
        column("status", "text", required=True),
    ),
)
TABLE = ddl.ExistingTable(
    columns=(
        ddl.ExistingColumn("device_id", "text", nullable=False),
        ddl.ExistingColumn("ts", "timestamp with time zone", nullable=False),
        ddl.ExistingColumn("temperature", "double precision", comment="Of the air. [°C]"),
        ddl.ExistingColumn("status", "text", nullable=False),
    ),
    key=("device_id", "ts"),
    comment="Readings of the contract fleet.",
)


def with_column(table, *columns):
    return replace(table, columns=table.columns + columns)


def test_a_new_table_has_the_contracts_columns_key_and_comments():
    schema, table, *comments = ddl.plan_table(CONTRACT, None)
    assert schema == 'CREATE SCHEMA IF NOT EXISTS "telemetry"'
    assert table == (
        'CREATE TABLE IF NOT EXISTS "telemetry"."readings" (\n'
        '    "device_id" text NOT NULL,\n'
        '    "ts" timestamp with time zone NOT NULL,\n'
        '    "temperature" double precision,\n'
        '    "status" text NOT NULL,\n'
        '    PRIMARY KEY ("device_id", "ts")\n'
        ")"
    )
    assert comments == [
        'COMMENT ON TABLE "telemetry"."readings" IS \'Readings of the contract fleet.\'',
        'COMMENT ON COLUMN "telemetry"."readings"."temperature" IS \'Of the air. [°C]\'',
    ]


def test_a_table_that_is_right_is_left_alone():
    assert ddl.plan_table(CONTRACT, TABLE) == []


def test_a_new_column_is_added_and_may_be_empty():
    contract = replace(CONTRACT, columns=(*CONTRACT.columns, column("co2", required=True)))
    assert ddl.plan_table(contract, TABLE) == [
        'ALTER TABLE "telemetry"."readings" ADD COLUMN IF NOT EXISTS "co2" double precision'
    ]


def test_a_column_that_is_not_required_any_more_may_be_empty():
    relaxed = (*CONTRACT.columns[:3], column("status", "text"))
    assert ddl.plan_table(replace(CONTRACT, columns=relaxed), TABLE) == [
        'ALTER TABLE "telemetry"."readings" ALTER COLUMN "status" DROP NOT NULL'
    ]


def test_a_changed_description_changes_the_comment():
    contract = replace(CONTRACT, description="It's a fleet.")
    assert ddl.plan_table(contract, TABLE) == [
        "COMMENT ON TABLE \"telemetry\".\"readings\" IS 'It''s a fleet.'"
    ]


def test_another_type_is_refused_with_the_statement():
    changed = (*CONTRACT.columns[:2], column("temperature", "integer"), CONTRACT.columns[3])
    with pytest.raises(ContractError) as caught:
        ddl.plan_table(replace(CONTRACT, columns=changed), TABLE)
    assert (
        'ALTER TABLE "telemetry"."readings" ALTER COLUMN "temperature" TYPE integer '
        'USING "temperature"::integer;'
    ) in str(caught.value)


def test_another_key_is_refused_with_the_statement():
    contract = replace(CONTRACT, key=("device_id", "status", "ts"))
    with pytest.raises(ContractError, match=r'PRIMARY KEY \("device_id", "status", "ts"\);'):
        ddl.plan_table(contract, TABLE)


def test_a_column_the_contract_does_not_know_is_left_alone():
    extra = ddl.ExistingColumn("note", "text")
    filled = ddl.ExistingColumn("id", "bigint", nullable=False, filled=True)
    assert ddl.plan_table(CONTRACT, with_column(TABLE, extra, filled)) == []


def test_a_column_that_no_insert_would_fill_is_refused():
    extra = ddl.ExistingColumn("note", "text", nullable=False)
    with pytest.raises(ContractError, match='"note" DROP NOT NULL;'):
        ddl.plan_table(CONTRACT, with_column(TABLE, extra))


def test_all_refusals_come_at_once():
    wrong = replace(TABLE, columns=TABLE.columns[:1], key=())
    extra = with_column(wrong, ddl.ExistingColumn("ts", "text"))
    with pytest.raises(ContractError) as caught:
        ddl.plan_table(CONTRACT, extra)
    assert str(caught.value).count("ALTER TABLE") == 2


def test_the_loader_is_granted_no_more_than_it_needs():
    granted = "\n".join(ddl.plan_grants(CONTRACT, "db", "loader"))
    assert 'SELECT, INSERT, UPDATE ON "telemetry"."readings", "etl"."ledger"' in granted
    for power in ("DELETE", "TRUNCATE", "ALL", "CREATE ", "PUBLIC", "GRANT OPTION"):
        assert power not in granted


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 64, "ä" * 32])
def test_a_name_that_postgresql_would_cut_or_refuse_is_refused(name):
    with pytest.raises(ContractError, match="63 bytes"):
        ddl.quote_name(name)


def test_names_and_texts_are_quoted():
    assert ddl.quote_name('a"b') == '"a""b"'
    assert ddl.quote_text("it's") == "'it''s'"
    assert ddl.quote_text("a\\'b") == "E'a\\\\''b'"
    with pytest.raises(ContractError):
        ddl.quote_text("a\0b")


WIDER = [
    ("smallint", "integer"),
    ("integer", "bigint"),
    ("integer", "double precision"),
    ("real", "double precision"),
    ("character varying(8)", "character varying(9)"),
    ("character varying(8)", "text"),
    ("numeric(8,2)", "numeric(9,2)"),
    ("numeric(8,2)", "numeric(9,3)"),
    ("numeric(8,2)", "numeric"),
    ("smallint", "numeric(7,2)"),
    ("bigint", "numeric"),
]
NARROWER = [
    *((new, old) for old, new in WIDER),
    ("bigint", "double precision"),
    ("numeric(8,2)", "numeric(8,3)"),
    ("bigint", "numeric(19,2)"),
    ("text", "integer"),
    ("double precision", "text"),
    ("timestamp with time zone", "text"),
]


def retyped(monkeypatch, old, new):
    """The plan for a column that was ``old`` and shall be ``new``, types as in the catalogue."""
    monkeypatch.setattr(ddl.tables, "sql_type", lambda c: new if c.name == "status" else c.type)
    columns = tuple(
        ddl.ExistingColumn(c.name, old if c.name == "status" else c.type, nullable=not c.required)
        for c in CONTRACT.columns
    )
    table = ddl.ExistingTable(columns, CONTRACT.key, TABLE.comment)
    return [s for s in ddl.plan_table(CONTRACT, table) if "COMMENT" not in s]


@pytest.mark.parametrize(("old", "new"), WIDER)
def test_a_type_that_holds_every_value_of_the_old_one_is_altered(monkeypatch, old, new):
    assert retyped(monkeypatch, old, new) == [
        f'ALTER TABLE "telemetry"."readings" ALTER COLUMN "status" TYPE {new}'
    ]


@pytest.mark.parametrize(("old", "new"), NARROWER)
def test_any_other_type_is_refused(monkeypatch, old, new):
    with pytest.raises(ContractError, match=f"TYPE {re.escape(new)} USING"):
        retyped(monkeypatch, old, new)


def test_an_index_that_is_missing_is_made_under_a_name_of_its_own():
    contract = replace(CONTRACT, indexes=(("ts",), ("status", "ts")))
    table = replace(TABLE, indexes=frozenset({"readings_ts_idx"}))
    assert ddl.plan_table(contract, table) == [
        'CREATE INDEX IF NOT EXISTS "readings_status_ts_idx" ON "telemetry"."readings" '
        '("status", "ts")'
    ]


def test_the_name_of_an_index_fits_and_stays_apart_from_others():
    names = {ddl.index_name("t" * 60, (column,)) for column in ("a", "b", "c" * 63)}
    assert len(names) == 3
    assert all(len(name) <= 63 and name.endswith("_idx") for name in names)


def test_a_table_that_is_not_partitioned_is_not_made_so():
    with pytest.raises(ContractError, match="rename"):
        ddl.plan_table(replace(CONTRACT, partition="month"), TABLE)


def test_partitions_are_made_from_the_last_month_to_a_year_ahead():
    contract = replace(CONTRACT, partition="month")
    made = "\n".join(ddl.plan_partitions(contract, (), [], datetime(2026, 1, 31, tzinfo=UTC)))
    assert 'CREATE TABLE "telemetry"."readings_other" PARTITION OF' in made
    assert made.count("ATTACH PARTITION") == 14
    assert "FROM ('2025-12-01 00:00:00+00') TO ('2026-01-01 00:00:00+00')" in made
    assert "FROM ('2027-01-01 00:00:00+00') TO ('2027-02-01 00:00:00+00')" in made
    assert ddl.plan_partitions(CONTRACT, (), [], datetime(2026, 1, 31, tzinfo=UTC)) == []
