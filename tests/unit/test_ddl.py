"""From contract to SQL: what is created, what grows by itself, what is left to a person."""

from dataclasses import replace

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
