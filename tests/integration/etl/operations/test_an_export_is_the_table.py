"""What is exported and read again is the table, value by value, in CSV and in Parquet."""

from __future__ import annotations

import csv
import io
import json
import struct
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.operations.copy_out import CHUNK_BYTES
from etl.operations.export_query import Selection, SelectionError
from etl.operations.exporting import ExportError
from etl.operations.time_range import TimeRange
from tests.fixtures.peak_memory import peak_memory
from tests.fixtures.telemetry_database import CONTRACT, TelemetryDatabase
from tests.integration.etl.operations.exported_table import KINDS, MONTHLY, NOW, ExportedTable

TEXT = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12
) | st.sampled_from(["", "\\N", "NULL", "\\.", '"', '""', "a\r\nb", "\r", ",", " x ", "NaN", "'"])
TIME = st.datetimes(
    datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)
) | st.datetimes(datetime(1900, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC))


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


ROW = st.tuples(
    TEXT,
    TIME,
    maybe(st.integers(-(2**15), 2**15 - 1)),
    maybe(st.integers(-(2**31), 2**31 - 1)),
    maybe(st.integers(-(2**63), 2**63 - 1)),
    maybe(st.floats(width=32)),
    maybe(st.floats()),
    maybe(st.decimals(-(10**31), 10**31, places=6, allow_nan=False, allow_infinity=False)),
    maybe(st.booleans()),
    maybe(st.sampled_from(["ok", "", "a,b"])),
    maybe(TEXT),
    maybe(st.dictionaries(TEXT, TEXT | st.floats(allow_nan=False, allow_infinity=False), max_size=2)),
    maybe(TIME),
)  # fmt: skip


@pytest.fixture(params=[KINDS, MONTHLY], ids=["one table", "partitions"])
def table(request: Any, empty_database: TelemetryDatabase) -> ExportedTable:
    return ExportedTable.create(empty_database, request.param)


def insertable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(json.dumps(value) if isinstance(value, dict) else value for value in row)


def bits(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Floats by their bits, one kind of NaN; the single ones as PostgreSQL has them."""
    found = []
    for place, value in enumerate(row):
        if isinstance(value, float):
            form = "<f" if place == 5 else "<d"
            found.append("nan" if value != value else struct.pack(form, value))
        else:
            found.append(value)
    return tuple(found)


def stored(table: ExportedTable) -> list[tuple[Any, ...]]:
    names = ", ".join(
        f"{one.name}::text" if one.type == "jsonb" else one.name for one in table.contract.columns
    )
    rows = table.database.query(f"SELECT {names} FROM {table.name}")
    return sorted(map(bits, rows), key=repr)


def in_utc(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(v.astimezone(UTC) if isinstance(v, datetime) else v for v in row)


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(rows=st.lists(ROW, max_size=8, unique_by=lambda row: row[:2]))
def test_every_value_comes_back(table: ExportedTable, rows: list[tuple[Any, ...]]) -> None:
    table.database.query(f"DELETE FROM {table.name}")
    table.insert(*map(insertable, rows))

    parquet, found = table.export("parquet")
    frame = pl.read_parquet(io.BytesIO(parquet))
    assert found.rows == len(rows) == frame.height
    expected = [in_utc(row) for row in stored(table)]
    assert sorted((bits(in_utc(row)) for row in frame.rows()), key=repr) == sorted(
        expected, key=repr
    )

    text, found = table.export("csv")
    assert found.rows == len(rows)
    with closing(table.database.connect_owner()) as owner, owner.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE again (LIKE {table.name})")
        cursor.copy_expert(
            "COPY again FROM STDIN WITH (FORMAT csv, HEADER match)", io.BytesIO(text)
        )
        for one, other in ((table.name, "again"), ("again", table.name)):
            cursor.execute(f"SELECT count(*) FROM (TABLE {one} EXCEPT ALL TABLE {other}) AS x")
            assert cursor.fetchall() == [(0,)]


def test_the_types_are_those_of_the_table(table: ExportedTable) -> None:
    table.insert(("a", NOW, *[None] * 11))
    parquet, _ = table.export("parquet")
    kinds = pl.read_parquet_schema(io.BytesIO(parquet))
    assert kinds["ts"] == pl.Datetime("us", "UTC")
    assert kinds["price"] == pl.Decimal(38, 6)
    assert (kinds["small"], kinds["single"]) == (pl.Int16, pl.Float32)


def test_csv_tells_no_value_from_an_empty_text(table: ExportedTable) -> None:
    empty = ("b", NOW, *[None] * 6, True, None, "", None, None)
    late = NOW.astimezone(timezone(timedelta(hours=2))).replace(microsecond=120)
    table.insert(empty, ("a", late, *[None] * 11))
    text, _ = table.export("csv", selection=Selection(("device_id", "ts", "flag", "note")))
    lines = text.decode().splitlines()
    assert lines[0] == "device_id,ts,flag,note"
    assert set(lines[1:]) == {
        'b,2026-11-23 06:00:00+00,true,""',
        "a,2026-11-23 06:00:00.00012+00,,",
    }


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_empty_table_is_a_file_with_its_columns(table: ExportedTable, form: str) -> None:
    body, found = table.export(form)
    assert found.rows == 0
    names = [one.name for one in table.contract.columns]
    if form == "csv":
        assert list(csv.reader(io.StringIO(body.decode()))) == [names]
    else:
        assert pl.read_parquet(io.BytesIO(body)).columns == names


def test_a_single_column_without_values_keeps_its_rows(table: ExportedTable) -> None:
    table.insert(*((f"d{n}", NOW, *[None] * 11) for n in range(3)))
    body, found = table.export("parquet", selection=Selection(("note",)))
    assert found.rows == 3
    assert pl.read_parquet(io.BytesIO(body)).rows() == [(None,)] * 3


def test_devices_and_times_are_chosen(table: ExportedTable) -> None:
    hours = [NOW + timedelta(hours=n) for n in range(3)]
    table.insert(*((d, t, *[None] * 11) for d in ("a", "it's", "c") for t in hours))
    times = TimeRange(hours[1], hours[2])
    chosen = Selection(("device_id", "ts"), ("it's", "c", "none"), times)
    body, found = table.export("parquet", selection=chosen)
    assert found.rows == 2
    assert set(pl.read_parquet(io.BytesIO(body)).rows()) == {("it's", hours[1]), ("c", hours[1])}


def test_what_the_contract_has_not_is_refused(table: ExportedTable) -> None:
    with pytest.raises(SelectionError, match="no column 'x'"):
        table.export(selection=Selection(("x",)))
    table.contract = replace(CONTRACT, key=("ts",), columns=KINDS.columns)
    with pytest.raises(SelectionError, match="names no device"):
        table.export(selection=Selection(devices=("a",)))
    table.contract = replace(CONTRACT, key=("device_id",), columns=KINDS.columns)
    with pytest.raises(SelectionError, match="has no time"):
        table.export(selection=Selection(times=TimeRange(start=NOW)))


def test_a_value_that_parquet_can_not_hold_is_an_error_with_a_way_out(
    table: ExportedTable,
) -> None:
    table.insert(("a", NOW, *[None] * 5, Decimal("NaN"), *[None] * 5))
    with pytest.raises(ExportError, match="As CSV it can be exported"):
        table.export("parquet")
    assert table.export("csv")[1].rows == 1
    table.database.query(f"UPDATE {table.name} SET price = NULL, seen = 'infinity'")
    with pytest.raises(ExportError, match="can't be exported as parquet"):
        table.export("parquet")
    assert b"infinity" in table.export("csv")[0]


def test_an_error_of_the_database_is_its_own(table: ExportedTable) -> None:
    table.database.query(f"ALTER TABLE {table.name} DROP COLUMN note CASCADE")
    for form in ("csv", "parquet"):
        with pytest.raises(psycopg2.errors.UndefinedColumn):
            table.export(form)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_memory_does_not_grow_with_the_rows(
    table: ExportedTable, form: str, tmp_path: Path
) -> None:
    """300,000 rows are 300 MB of text; what is held is a few chunks of it."""
    table.database.query(
        f"INSERT INTO {table.name} (device_id, ts, note) SELECT 'd' || n % 9, "
        "timestamptz '2026-11-01' + n * interval '1 second', repeat(md5(n::text), 32) "
        "FROM generate_series(1, 300000) AS n"
    )

    table.export(form, selection=Selection(devices=("none",)))  # imports
    with (tmp_path / "rows").open("wb") as out, peak_memory() as held:
        found = table.export_to(out, form)
    assert found.rows == 300_000
    assert held.mib < 20 * CHUNK_BYTES / 2**20
