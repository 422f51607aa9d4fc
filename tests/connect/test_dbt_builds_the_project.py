"""dbt itself parses, builds and tests what ``etl connect dbt`` writes, on a real PostgreSQL.

It logs in as the role that ``docs/how-to-connect.md`` has people create, by the statements there.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl.connect.dbt import project_files
from functions.migrate.migration import migrate
from telemetry.contract import Contract, load_contract
from telemetry.database import Credentials
from tests.fixtures.telemetry_database import TelemetryDatabase

pytestmark = pytest.mark.slow
ANALYST = Credentials("telemetry_analyst", "only-reads")
PASSWORD = "choose-a-password"
FLEET = load_contract(Path("contracts/fleet.toml"))
CONTRACTS = sorted([*Path("contracts").rglob("*.toml"), *Path("tests/property").rglob("*.toml")])
Dbt = Callable[..., "subprocess.CompletedProcess[str]"]


def documented_statements() -> list[str]:
    page = Path("docs/how-to-connect.md").read_text(encoding="utf-8")
    [block] = [one for one in re.findall(r"```sql\n(.*?)```", page, re.S) if "CREATE ROLE" in one]
    return [statement.strip() for statement in block.split(";") if statement.strip()]


@pytest.fixture
def prepared(empty_database: TelemetryDatabase) -> Iterator[TelemetryDatabase]:
    with closing(empty_database.connect_owner()) as owner:
        migrate(owner, FLEET, empty_database.loader, ANALYST)
    for statement in documented_statements():
        empty_database.query(statement)
    yield empty_database
    empty_database.query("DROP SCHEMA dbt CASCADE")
    empty_database.query("REVOKE CONNECT ON DATABASE telemetry FROM dbt")
    empty_database.query("DROP ROLE dbt")


def write(folder: Path, contracts: list[Contract]) -> None:
    for file in project_files(contracts):
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text, encoding="utf-8")


def runner(tools: Path, folder: Path, database: TelemetryDatabase | None) -> Dbt:
    server = database.server if database else None
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "PGHOST": server.host if server else "127.0.0.1",
        "PGPORT": str(server.port if server else 1),
        "PGDATABASE": server.name if server else "none",
        "PGPASSWORD": PASSWORD,
        "PGSSLMODE": "prefer",  # the tests' own server has no TLS
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_WARN_ERROR": "true",
    }

    def run(*arguments: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(tools / "dbt"), "--no-use-colors", "--no-version-check", *arguments],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert status is None or done.returncode == status, done.stdout + done.stderr
        return done

    return run


def fill(database: TelemetryDatabase, loaded: datetime) -> None:
    database.query(
        "INSERT INTO telemetry.fleet_readings (device_id, ts, temperature_c, battery_v, seq) "
        "SELECT device, '2026-11-01Z'::timestamptz + (n - 1) * interval '1 hour', 20 + n % 5, 3.7, n "
        "FROM unnest(ARRAY['a', 'b']) AS device, generate_series(1, 72) AS n "
        "WHERE device = 'a' OR n > 60",
    )
    database.query(
        "INSERT INTO etl.ledger (batch_id, raw_key, execution, contract, contract_digest, status, "
        "messages, read, accepted, duplicates, conflicts, rejected, set_aside, rejected_by, "
        "inserted, updated, unchanged, loaded_at) VALUES ('x', 'raw/x', 'e', 'fleet', 'd', "
        "'loaded', 9, 84, 84, 0, 0, 0, 0, '{}', 84, 0, 0, %s)",
        loaded,
    )


def test_it_builds_and_its_tests_pass(
    tools: Path, prepared: TelemetryDatabase, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    fill(prepared, now)
    write(tmp_path, [FLEET])
    dbt = runner(tools, tmp_path, prepared)
    built = dbt("build").stdout
    assert re.search(r"PASS=1[3-9] WARN=0 ERROR=0 SKIP=0", built), built
    assert (
        "1 of 1 PASS freshness of fleet.fleet_readings_quality" in dbt("source", "freshness").stdout
    )
    rows = prepared.query(
        "SELECT device_id, sum(readings), array_agg(completeness) FROM dbt.fleet_days GROUP BY 1 ORDER BY 1"
    )
    assert [(device, int(readings)) for device, readings, _ in rows] == [("a", 72), ("b", 12)]
    assert rows[0][2] == [1, 1, 1]


def test_a_row_that_breaks_the_contract_fails_its_test(
    tools: Path, prepared: TelemetryDatabase, tmp_path: Path
) -> None:
    fill(prepared, datetime.now(UTC))
    prepared.query("UPDATE telemetry.fleet_readings SET temperature_c = 99 WHERE seq = 7")
    write(tmp_path, [FLEET])
    done = runner(tools, tmp_path, prepared)("test", "--select", "source:*", status=1)
    assert re.search(r"FAIL 1 source_in_range_\w*_temperature_c", done.stdout), done.stdout
    assert "ERROR=1 " in done.stdout


def test_columns_may_be_words_of_sql(
    tools: Path, prepared: TelemetryDatabase, tmp_path: Path
) -> None:
    text = Path("contracts/fleet.toml").read_text()
    for name, word in (("device_id", "user"), ("temperature_c", "order"), ("seq", "limit")):
        text = text.replace(name, word)
    file = tmp_path / "words.toml"
    file.write_text(text)
    contract = load_contract(file)
    prepared.query("DROP SCHEMA telemetry, etl CASCADE")
    with closing(prepared.connect_owner()) as owner:
        migrate(owner, contract, prepared.loader, ANALYST)
    write(tmp_path, [contract])
    assert " ERROR=0 " in runner(tools, tmp_path, prepared)("build").stdout


def test_an_old_load_is_not_fresh(tools: Path, prepared: TelemetryDatabase, tmp_path: Path) -> None:
    fill(prepared, datetime.now(UTC) - timedelta(days=2))
    write(tmp_path, [FLEET])
    done = runner(tools, tmp_path, prepared)("source", "freshness", status=1)
    assert "ERROR STALE freshness of fleet.fleet_readings_quality" in done.stdout


def test_the_role_writes_nothing_of_the_pipelines(prepared: TelemetryDatabase) -> None:
    import psycopg2

    with closing(psycopg2.connect(prepared.server.dsn("dbt", PASSWORD))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM telemetry.fleet_readings_latest")
            for statement in (
                "DELETE FROM telemetry.fleet_readings",
                "SELECT * FROM etl.ledger",
                "CREATE TABLE telemetry.x (y int)",
                "CREATE SCHEMA other",
            ):
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(statement)


def test_dbt_parses_the_project_of_every_contract(tools: Path, tmp_path: Path) -> None:
    seen: dict[str, Contract] = {}
    for path in CONTRACTS:
        contract = load_contract(path)
        seen.setdefault(contract.name, contract)
    assert len(seen) > 30
    write(tmp_path, list(seen.values()))
    parsed: Any = runner(tools, tmp_path, None)("parse")
    assert "Deprecat" not in parsed.stdout
