"""Every query in docs/analytics.md runs, as the analyst, on rows that a load has brought."""

from __future__ import annotations

import json
import os
import re
import subprocess
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from etl.operations.athena import athena_statements
from functions.migrate.migration import migrate
from functions.transform.handler import transform
from telemetry.contract import load_contract
from telemetry.database import Credentials
from tests.fixtures.telemetry_database import TelemetryDatabase
from tests.integration.analytics.rollups import load
from tests.unit.functions.transform.envelopes_for import line

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "analytics.md").read_text(encoding="utf-8")
FLEET = load_contract(ROOT / "contracts" / "fleet.toml")
BENCH = ROOT / ".bench-venv" / "bin" / "python"


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


BEFORE, _, ZONE = PAGE.partition("## The Parquet zone")
QUERIES = blocks("sql", BEFORE)


def readings() -> list[dict[str, Any]]:
    """Two devices, a reading a minute, with an hour and a half of silence and a low battery."""
    start = datetime(2026, 11, 23, 5, tzinfo=UTC)
    return [
        {
            "device_id": device,
            "ts": (start + timedelta(minutes=minute)).isoformat(),
            "temperature_c": 20 + minute / 100,
            "battery_v": 3.4 if device == "box-2" else 3.9,
            "charging": minute % 2 == 0,
        }
        for device in ("box-1", "box-2")
        for minute in range(300)
        if not 100 < minute < 190
    ]


@pytest.fixture
def analyst(empty_database: TelemetryDatabase) -> Any:
    user = Credentials("telemetry_analyst", "only-reads")
    with closing(empty_database.connect_owner()) as owner:
        migrate(owner, FLEET, empty_database.loader, user)
    load(
        empty_database, FLEET, "one", readings(),
        rejected=2, rejected_by={"missing:ts": 2}, read=len(readings()) + 2,
        min_time="2026-11-23T05:00:00Z", max_time="2026-11-23T09:59:00Z",
    )  # fmt: skip
    dsn = empty_database.server.dsn(user.username, user.password)
    with closing(psycopg2.connect(dsn)) as connection:
        yield connection.cursor()


def test_the_page_has_a_query_for_each_kind_of_view() -> None:
    for ending in ("latest", "hourly", "gaps", "quality_daily", "rejects"):
        assert any(f"fleet_readings_{ending}" in query for query in QUERIES), ending


def test_every_query_answers_with_rows(analyst: Any) -> None:
    answers = []
    for query in QUERIES:
        analyst.execute(query)
        answers.append(analyst.fetchall())
        assert answers[-1], query
    latest, hourly, daily, gaps, quality, rejects = answers
    assert [row[0] for row in latest] == ["box-1", "box-2"]
    assert sum(row[1] for row in hourly) == len(readings())
    assert len(daily) == 2
    assert [(row[3], row[4]) for row in gaps if row[2]] == [(90 * 60, 89)] * 2
    assert [row[2] for row in gaps].count(None) == 2  # both are silent since
    assert quality[0][1:5] == (len(readings()) + 2, len(readings()), 0, 2)
    assert rejects[0][1:] == ("missing:ts", 2)


def written_zone(folder: Path) -> Path:
    """Two batches that Transform has written, of which the second has all of the first again."""
    for number, count in enumerate((200, 420)):
        raw = b"\n".join(line(one, place) for place, one in enumerate(readings()[:count]))
        key = f"raw/2026/11/{23 + number}/run/batch-{number}.n1.ndjson.gz"
        objects, _ = transform(raw, FLEET, key, "run")
        for stored in objects:
            if stored.key.endswith(".parquet"):
                path = folder / stored.key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(stored.body)
    return folder / "clean"


def test_the_polars_example_sees_each_reading_once(tmp_path: Path) -> None:
    (code,) = blocks("python", ZONE)
    names: dict[str, Any] = {"zone": str(written_zone(tmp_path)), "since": date(2026, 11, 1)}
    exec(compile(code, "docs/analytics.md", "exec"), names)
    by_hour = names["by_hour"]
    assert by_hour["readings"].sum() == 420
    names["since"] = date(2026, 11, 25)
    exec(compile(code, "docs/analytics.md", "exec"), names)
    assert names["by_hour"].height == 0


def in_the_bench(code: str, *arguments: str) -> Any:
    if not BENCH.exists():
        pytest.skip("DuckDB and sqlglot are in the bench's environment: make .bench-venv/.done")
    done = subprocess.run(
        [str(BENCH), "-c", code, *arguments], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_the_duckdb_example_sees_each_reading_once(tmp_path: Path) -> None:
    (query,) = blocks("sql", ZONE)
    zone = written_zone(tmp_path)
    code = (
        "import duckdb, json, sys; duckdb.sql(\"SET TimeZone = 'UTC'\"); "
        "print(json.dumps([r[2] for r in duckdb.sql(sys.argv[1]).fetchall()]))"
    )
    assert sum(in_the_bench(code, query.replace("ZONE", str(zone)))) == 420


@pytest.mark.slow
def test_the_statements_for_athena_are_of_its_grammar() -> None:
    for name in ("fleet", "sensor_community", "examples/greenhouse"):
        contract = load_contract(ROOT / "contracts" / f"{name}.toml")
        code = (
            "import json, sqlglot, sys; "
            "print(json.dumps([type(sqlglot.parse_one(s, dialect='athena')).__name__ "
            "for s in sys.argv[1:]]))"
        )
        kinds = in_the_bench(code, *athena_statements(contract, "my-telemetry"))
        assert kinds == ["Create", "Create"]


def test_the_columns_of_athena_are_those_that_transform_writes(tmp_path: Path) -> None:
    import polars as pl

    zone = written_zone(tmp_path)
    schema = pl.scan_parquet(f"{zone}/*/*.parquet", hive_partitioning=False).collect_schema()
    table, view = athena_statements(FLEET, "my-telemetry")
    told = dict(re.findall(r"^  `(\w+)` ([\w(),]+?),?$", table, re.MULTILINE))
    fits = {"String": "string", "Int64": "bigint", "Float64": "double", "Boolean": "boolean"}
    assert told == {
        name: fits.get(str(kind), "timestamp" if kind == pl.Datetime else "?")
        for name, kind in schema.items()
    }
    assert 'PARTITION BY "device_id", "ts"' in view
    assert "my-telemetry/clean/date=${staged_on}/" in table
