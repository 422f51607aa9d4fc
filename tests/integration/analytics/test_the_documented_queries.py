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

import polars as pl
import psycopg2
import pytest

from etl.operations.athena import athena_statements
from functions.migrate.migration import migrate
from functions.transform.handler import transform
from telemetry.contract import Contract, load_contract
from telemetry.contract.parse import parse_contract
from telemetry.database import Credentials
from telemetry.ddl.types import is_wider, sql_type
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


def write_batch(folder: Path, contract: Contract, day: date, documents: list[Any]) -> None:
    """The Parquet object that Transform writes for a batch staged on that day."""
    raw = b"\n".join(line(one, place) for place, one in enumerate(documents))
    key = f"raw/{day:%Y/%m/%d}/run/batch-{day.day}.n1.ndjson.gz"
    for stored in transform(raw, contract, key, "run")[0]:
        if stored.key.endswith(".parquet"):
            path = folder / stored.key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(stored.body)


def written_zone(folder: Path) -> Path:
    """Two batches that Transform has written, of which the second has all of the first again."""
    for day, count in ((23, 200), (24, 420)):
        write_batch(folder, FLEET, date(2026, 11, day), readings()[:count])
    return folder / "clean"


def ask_polars(zone: Path, since: date = date(2026, 11, 1)) -> Any:
    (code,) = blocks("python", ZONE)
    names: dict[str, Any] = {"zone": str(zone), "since": since, "latest": date(2026, 11, 24)}
    exec(compile(code, "docs/analytics.md", "exec"), names)
    return names["by_hour"]


def test_the_polars_example_sees_each_reading_once(tmp_path: Path) -> None:
    zone = written_zone(tmp_path)
    assert ask_polars(zone)["readings"].sum() == 420
    assert ask_polars(zone, since=date(2026, 11, 25)).height == 0


WIDER = {
    "smallint": ("integer", "bigint", "real", "float", "decimal(9,2)"),
    "integer": ("bigint", "float", "decimal(12,1)"),
    "bigint": ("decimal(21,2)",),
    "real": ("float",),
    "decimal(6,2)": ("decimal(8,2)", "decimal(9,3)"),
}
CHANGES = [(before, after) for before, wider in WIDER.items() for after in wider]


def contract_with(kind: str, more: str = "") -> Contract:
    """The fleet's contract with another type of ``temperature_c``."""
    text = (ROOT / "contracts" / "fleet.toml").read_text(encoding="utf-8")
    name, _, digits = kind.rstrip(")").partition("(")
    lines = f'type = "{name}"'
    if digits:
        precision, scale = digits.split(",")
        lines += f"\nprecision = {precision}\nscale = {scale}"
    head = "[columns.temperature_c]\n"
    assert f'{head}type = "float"' in text
    changed = text.replace(f'{head}type = "float"', more + head + lines)
    return parse_contract(changed.encode(), "fleet.toml")


OLD_COLUMN = '[columns.firmware_then]\ntype = "text"\nfrom = "firmware"\n\n'
NEW_COLUMN = '[columns.date]\ntype = "timestamp"\nfrom = "ts"\n\n'


def write_hour(folder: Path, contract: Contract, day: int, degrees: int) -> None:
    documents = [
        {"device_id": "box-1", "ts": f"2026-11-{day}T05:{n:02}:00Z", "temperature_c": degrees}
        for n in range(60)
    ]
    write_batch(folder, contract, date(2026, 11, day), documents)


@pytest.fixture(params=CHANGES, ids=" to ".join)
def changed(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str, Path]:
    """A day of 20 degrees, and one of 30 after the type was widened and columns came and went."""
    before, after = request.param
    old, new = contract_with(before, OLD_COLUMN), contract_with(after, NEW_COLUMN)
    assert is_wider(*(sql_type(one.column("temperature_c")) for one in (new, old)))
    write_hour(tmp_path, old, 23, 20)
    write_hour(tmp_path, new, 24, 30)
    return before, after, tmp_path


def test_the_polars_example_reads_objects_from_before_a_change(
    changed: tuple[str, str, Path],
) -> None:
    before, after, folder = changed
    same_places = before.startswith("decimal") and before[-3:] == after[-3:]
    if after.startswith("decimal") and not same_places:  # the page says so, and how to go on
        with pytest.raises(pl.exceptions.SchemaError):
            ask_polars(folder / "clean")
        write_hour(folder, contract_with(after, NEW_COLUMN), 23, 20)  # loaded again
    by_hour = ask_polars(folder / "clean")
    assert by_hour["readings"].to_list() == [60, 60]
    assert [float(one) for one in by_hour["temperature_c"]] == [20, 30]


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
def test_the_duckdb_example_reads_objects_from_before_a_change(
    changed: tuple[str, str, Path],
) -> None:
    (query,) = blocks("sql", ZONE)
    code = (
        "import duckdb, json, sys; duckdb.sql(\"SET TimeZone = 'UTC'\"); "
        "print(json.dumps([[r[2], float(r[3])] for r in duckdb.sql(sys.argv[1]).fetchall()]))"
    )
    found = in_the_bench(code, query.replace("ZONE", str(changed[2] / "clean")))
    assert found == [[60, 20], [60, 30]]


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
    assert "my-telemetry/clean/staged_on=${staged_on}/" in table
