"""Functions and table of different versions: Load's error says so, and is one that is retried."""

from __future__ import annotations

import gzip
import secrets
from dataclasses import replace
from typing import Any

import pytest

from functions.load import handler as load
from functions.transform import handler as transform
from functions.validate import handler as validate
from telemetry.contract import Contract, ContractSet
from telemetry.database import Credentials
from telemetry.errors import DatabaseRefusedError, SchemaBehindError
from tests.fixtures.aws_fakes import BUCKET, FakeAws
from tests.fixtures.telemetry_database import CONTRACT, TABLE, TelemetryDatabase, column
from tests.unit.functions.transform.envelopes_for import line

KEY = "raw/2026/11/23/run/one.n1.ndjson.gz"
READING = {"device_id": "a", "ts": "2026-11-23T06:00:07Z", "value": 1.5, "note": "n", "more": "m"}
WIDER = replace(CONTRACT, columns=(*CONTRACT.columns, column("more", "text")), digest="f" * 16)


def with_states(*states: str) -> Contract:
    state = column("note", "enum", values=tuple((one, one) for one in states))
    others = tuple(one for one in CONTRACT.columns if one.name != "note")
    return replace(CONTRACT, columns=(*others, state), digest=f"{len(states):016d}")


@pytest.fixture
def process(empty_database: TelemetryDatabase, aws: FakeAws, monkeypatch) -> Any:
    """``process(load=..., transform=...)`` takes one reading through functions of two contracts."""
    empty_database.serve_functions(aws, monkeypatch)
    aws.s3.objects[KEY] = gzip.compress(line(READING))

    def run(by: Contract, read_by: Contract | None = None, **event: str) -> dict[str, Any]:
        for module, contract in ((transform, read_by or by), (validate, by), (load, by)):
            contracts = ContractSet((contract,))
            monkeypatch.setattr(module, "load_contracts", lambda contracts=contracts: contracts)
        item = {"bucket": BUCKET, "key": KEY, "size": 1, "execution": "run", **event}
        found: dict[str, Any] = load.handle(
            validate.handle(transform.handle(item, None), None), None
        )
        return found

    return run


def test_before_the_first_migration_there_is_no_login(process, empty_database, aws) -> None:
    later = Credentials(f"loader_{secrets.token_hex(4)}", "password")
    aws.secrets.hold("arn:loader", later.username, later.password)
    empty_database.loader = later
    with pytest.raises(SchemaBehindError, match="role does not exist, or has another password"):
        process(CONTRACT)
    empty_database.migrate()
    assert process(CONTRACT)["inserted"] == 1


def test_a_role_that_may_not_log_in_yet(process, database) -> None:
    database.query("ALTER ROLE telemetry_loader NOLOGIN")
    with pytest.raises(SchemaBehindError, match="may not log in"):
        process(CONTRACT)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("DROP SCHEMA telemetry, etl CASCADE", "A (schema|table) does not exist"),
        (f"DROP TABLE {TABLE} CASCADE", "A table does not exist"),
        (f"ALTER TABLE {TABLE} DROP COLUMN note CASCADE", "A column does not exist"),
        ("REVOKE USAGE ON SCHEMA telemetry FROM telemetry_loader", "lacks a permission"),
    ],
)
def test_what_a_migration_will_create_is_waited_for(process, database, change, reason) -> None:
    database.query(change)
    with pytest.raises(SchemaBehindError, match=reason):
        process(CONTRACT)
    database.migrate()
    assert process(CONTRACT)["inserted"] == 1


def test_a_new_column_that_the_table_lacks(process, database) -> None:
    with pytest.raises(SchemaBehindError, match=r'A column does not exist.*"more".*42703'):
        process(WIDER)
    database.migrate(WIDER)
    assert process(WIDER)["inserted"] == 1


def test_functions_of_before_load_into_a_table_that_has_grown(process, database) -> None:
    database.migrate(WIDER)
    assert process(CONTRACT)["inserted"] == 1


def test_transform_is_newer_than_load_and_the_row_exists(process, database) -> None:
    database.migrate(WIDER)
    process(WIDER)
    with pytest.raises(SchemaBehindError, match="Transform and Load are of different versions"):
        process(CONTRACT, WIDER, purpose="repair")
    assert process(WIDER, purpose="repair")["unchanged"] == 1


def test_a_value_that_only_the_contract_of_before_has(process, database) -> None:
    """The table has the narrower check already; the functions of before let the value through."""
    before, after = with_states("n", "x"), with_states("x")
    database.migrate(before)
    database.migrate(after)
    with pytest.raises(SchemaBehindError, match="another contract's enum"):
        process(before)


def test_what_postgresql_refuses_in_any_version_stays_permanent(process, database) -> None:
    database.query(f"ALTER TABLE {TABLE} ADD CONSTRAINT never CHECK (value < 1)")
    with pytest.raises(DatabaseRefusedError, match="never"):
        process(CONTRACT)
