"""Whatever value a column accepts, every view, rollup, migration, page and file can be read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl
import psycopg2
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from dashboard.app_state import ControlRoom
from functions.load.batch import parse_groups
from functions.load.loading import load_batch
from functions.migrate.analytics import forget_figures
from functions.transform.clean import clean
from functions.transform.copy import copy_csv, copy_groups
from telemetry.contract import Contract, parse_contract
from telemetry.contract.model import Column
from telemetry.ddl.analytics import figures
from telemetry.errors import TelemetryError
from tests.fixtures.examples import MANY_EXAMPLES, slow_with_many
from tests.fixtures.telemetry_database import MemoryCopy, TelemetryDatabase, make_batch
from tests.integration.analytics.rollups import bring_up
from tests.integration.dashboard.served import control_room
from tests.integration.dashboard.test_the_command import get
from tests.unit.functions.transform.envelopes_for import line

MANY = 10 if MANY_EXAMPLES else 4
VIEWS = ("latest", "hourly", "daily", "gaps", "quality", "quality_daily", "rejects")
MOST = 1.7976931348623157e308
DOUBLES = (
    0.0, -0.0, 5e-324, -5e-324, 2.12e-314, 2.2250738585072014e-308, 4.1e-289, 4.2e-289, 1e-200,
    1.0, 1e154, 1e200, -1e200, 1.7e308, MOST, -MOST,
)  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""Microseconds since 1970 of the first and the last moment that a reading may have."""
NOW = 1_796_000_000_000_000
MOMENTS = (FIRST, FIRST + 1, 0, NOW - 1, NOW, NOW + 3_600_000_000, LAST - 1, LAST)
HOUR, DAY = 3_600_000_000, 86_400_000_000

ANY = parse_contract(
    b"""
    name = "any"
    topic = "lab/+"
    [table]
    name = "any"
    key = ["id", "ts"]
    [columns.id]
    type = "text"
    max_length = 200
    required = true
    [columns.ts]
    type = "timestamp"
    formats = ["epoch_us"]
    required = true
    [columns.little]
    type = "smallint"
    [columns.whole]
    type = "integer"
    [columns.large]
    type = "bigint"
    [columns.single]
    type = "real"
    [columns.value]
    type = "float"
    unit = "kPa"
    [columns.fine]
    type = "decimal"
    precision = 38
    scale = 38
    [columns.amount]
    type = "decimal"
    precision = 38
    scale = 0
    [columns.open]
    type = "boolean"
    [columns.mode]
    type = "enum"
    values = ["on", "off"]
    [columns.note]
    type = "text"
    [columns.more]
    type = "jsonb"
    [columns.made_at]
    type = "timestamp"
    formats = ["epoch_us"]
    """,
    "any.toml",
)
Reading = dict[str, Any]

texts = st.sampled_from(
    ["", " ", "x" * 10_000, 'a,b\n"c"\\.', "\u202e\u0301\U0010ffff\ufeff", "%s {} {{ x }} <b>"]
) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
leaves = st.none() | st.booleans() | st.integers() | texts
documents = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(texts, inner))


def values_of(column: Column) -> st.SearchStrategy[Any]:
    """Every value that the column accepts, as a device sends it; the extreme ones more often."""
    bits = {"smallint": 15, "integer": 31, "bigint": 63}.get(column.type)
    if bits is not None:
        return st.integers(-(2**bits), 2**bits - 1) | st.sampled_from([-(2**bits), 2**bits - 1])
    if column.type == "decimal":
        most = 10**column.precision - 1 if column.precision else 0
        digits = st.integers(-most, most) | st.sampled_from([-most, -1, 0, 1, most])
        return digits.map(lambda number: f"{Decimal(number).scaleb(-(column.scale or 0), EXACT):f}")
    return {
        "real": st.floats(width=32, allow_nan=False, allow_infinity=False),
        "float": st.sampled_from(DOUBLES) | st.floats(allow_nan=False, allow_infinity=False),
        "boolean": st.booleans(),
        "enum": st.sampled_from([name for name, _ in column.values]),
        "text": texts,
        "jsonb": documents,
        "timestamp": st.sampled_from(MOMENTS) | st.integers(FIRST, LAST),
    }[column.type]


EXACT = Context(prec=60)


@st.composite
def readings(draw: st.DrawFn) -> list[Reading]:
    """A few devices; often several readings of one hour."""
    names = draw(st.lists(texts.filter(lambda text: 0 < len(text) <= 200), min_size=1, max_size=2))
    time = values_of(ANY.column("ts"))
    near = draw(time)
    found = []
    for _ in range(draw(st.integers(1, 6))):
        moment = draw(st.integers(max(FIRST, near - HOUR), min(LAST, near + HOUR)) | time)
        one = {"id": draw(st.sampled_from(names)), "ts": moment}
        for column in ANY.columns:
            if column.name not in one and draw(st.integers(0, 3)):
                one[column.name] = draw(values_of(column))
        found.append(one)
    return found


def of_one_hour(*values: float, ts: int = NOW) -> list[Reading]:
    return [{"id": "a", "ts": ts + i, "value": value} for i, value in enumerate(values)]


def load(database: TelemetryDatabase, contract: Contract, sent: list[Reading]) -> pl.DataFrame:
    """Loads them as the functions do; the rows that Transform made of them."""
    cleaned = clean(b"\n".join(line(one, place) for place, one in enumerate(sent)), contract)
    rows = cleaned.rows
    csv = copy_csv(rows)
    groups = parse_groups(copy_groups(rows, csv, contract) or b"")
    times = [f"{m.isoformat()}" for m in (rows["ts"].min(), rows["ts"].max()) if m is not None]
    batch = make_batch(
        "b", rows.height, contract=contract.name, columns=tuple(c.name for c in contract.columns),
        min_time=times[0] if times else None, max_time=times[1] if times else None,
    )  # fmt: skip
    with closing(database.connect_loader()) as connection:
        load_batch(connection, contract, batch, MemoryCopy(csv), lambda: groups)
    return rows


def read_views(database: TelemetryDatabase) -> None:
    with closing(database.connect_owner()) as connection, connection.cursor() as cursor:
        for view in VIEWS:
            cursor.execute(f'SELECT * FROM telemetry."any_{view}"')
            cursor.fetchall()


def assert_averages(database: TelemetryDatabase, rows: pl.DataFrame) -> None:
    """Each is right to the digits of a sum of doubles, and none is outside of its values."""
    for unit, size in (("hour", HOUR), ("day", DAY)):
        name = {"hour": "hourly", "day": "daily"}[unit]
        for column in ("single", "value"):
            wanted: dict[Any, list[float]] = {}
            for device, time, value in rows.select("id", "ts", column).rows():
                if value is not None:
                    start = (time - EPOCH) // timedelta(microseconds=1) // size * size
                    wanted.setdefault((device, start), []).append(value)
            # As float8: of a real, text has only the digits that tell it from another real.
            found = database.query(
                f"SELECT id, (extract(epoch FROM {unit} AT TIME ZONE 'UTC') * 1000000)::bigint, "
                f"{column}_avg, {column}_min::float8, {column}_max::float8 "
                f"FROM telemetry.any_{name} WHERE {column}_count > 0"
            )
            assert {row[:2] for row in found} == wanted.keys()
            for device, start, mean, least, most in found:
                values = wanted[device, start]
                assert least <= mean <= most
                if column == "value":
                    assert (least, most) == (min(values), max(values))
                exact = sum(map(Fraction, values)) / len(values)
                largest = max(map(abs, values))
                slack = Fraction(largest) * Fraction(1, 10**12) + Fraction(4.2e-289)
                assert abs(Fraction(mean) - exact) <= slack


def assert_pages(room: tuple[ControlRoom, int], rows: pl.DataFrame) -> None:
    room[0].cache.clear()
    devices = [f"/device?id={quote(name)}" for name in rows["id"].unique().to_list()]
    spans = [f"{page}&span={span}" for page in devices for span in ("", "30d", "all")]
    for path in ("/", "/quality", "/rejects", "/quarantine", "/fleet", "/fleet?sort=seen", *spans):
        status, page, _ = get(*room, path)
        assert status == 200, path
        assert "Unexpected error" not in page, path
        assert "query failed" not in page, path
        if "/fleet" in path or "/device" in path:  # all of it is in the database
            assert "can&#39;t be reached" not in page, path


def assert_file(rows: pl.DataFrame) -> None:
    """As the clean zone has it: what is read is what was written, and conditions can be pushed."""
    file = io.BytesIO()
    rows.write_parquet(file, compression="zstd")
    file.seek(0)
    assert pl.read_parquet(file).equals(rows)
    moment = EPOCH + timedelta(microseconds=NOW)
    late = pl.scan_parquet(io.BytesIO(file.getvalue())).filter(pl.col("ts") >= moment).collect()
    assert late.height == sum(time >= moment for time in rows["ts"])


@pytest.fixture
def room(empty_database: TelemetryDatabase, tmp_path: Path) -> Iterator[tuple[ControlRoom, int]]:
    empty_database.migrate(ANY)
    loader = empty_database.loader
    dsn = empty_database.server.dsn(loader.username, loader.password)
    with control_room(tmp_path, dsn, ANY) as made:
        yield made


@slow_with_many
def test_whatever_a_column_accepts_all_else_can_be_read(
    empty_database: TelemetryDatabase, room: tuple[ControlRoom, int]
) -> None:
    @settings(
        max_examples=MANY,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=set(Phase) - {Phase.shrink},  # takes minutes, and the examples are small
    )
    @given(readings())
    @example(of_one_hour(2.12e-314))
    @example(of_one_hour(5e-324, 5e-324, -5e-324))
    @example(of_one_hour(4.2e-289, -4.1045368012983771e-289))
    @example(of_one_hour(*[MOST] * 7))
    @example(of_one_hour(1.7e308, -1.7e308, 1e-300))
    @example(of_one_hour(1e200, -3e200, 2.12e-314, -0.0))
    @example(of_one_hour(1.0, 2.0, ts=LAST - 1) + of_one_hour(1.0, ts=FIRST))
    @example(of_one_hour(1.0, ts=LAST))
    @example(of_one_hour(1.0, ts=FIRST))
    @example([{"id": "\U0001f600" * 200, "ts": NOW, "note": "y" * 10_000, "made_at": LAST}])
    def property_holds(sent: list[Reading]) -> None:
        empty_database.query('TRUNCATE telemetry."any", etl.ledger')
        bring_up(empty_database, ANY)
        rows = load(empty_database, ANY, sent)
        read_views(empty_database)
        assert_averages(empty_database, rows)
        assert bring_up(empty_database, ANY) == 0
        assert empty_database.query('SELECT count(*) FROM etl."telemetry.any.marks"') == [(0,)]
        read_views(empty_database)
        assert_averages(empty_database, rows)
        assert empty_database.migrate(ANY).views == []
        with closing(empty_database.connect_owner()) as connection:
            forget_figures(connection, ANY)
        read_views(empty_database)
        assert bring_up(empty_database, ANY) == 0
        assert_averages(empty_database, rows)
        assert_pages(room, rows)
        assert_file(rows)

    property_holds()


def test_months_of_any_year_become_partitions(empty_database: TelemetryDatabase) -> None:
    """A migration moves the rows of months that nobody foresaw, and none is lost."""
    by_month = replace(ANY, partition="month")
    empty_database.migrate(by_month)
    ends = [
        {"id": "a", "ts": int((datetime(*day, tzinfo=UTC) - EPOCH).total_seconds()) * 1_000_000}
        for day in ((2, 1, 1), (999, 2, 28), (2999, 12, 31), (9998, 12, 31))
    ]
    sent = [*of_one_hour(*DOUBLES), {"id": "a", "ts": FIRST}, {"id": "b", "ts": LAST}, *ends]
    rows = load(empty_database, by_month, sent)
    for _ in range(2):
        empty_database.migrate(by_month)
        read_views(empty_database)
        assert_averages(empty_database, rows)
        assert bring_up(empty_database, by_month) == 0
    assert empty_database.migrate(by_month).table == []
    other = empty_database.query('SELECT extract(year FROM ts)::int FROM telemetry."any_other"')
    assert sorted(other) == [(1,), (9999,)]
    assert empty_database.query('SELECT count(*) FROM telemetry."any"') == [(len(sent),)]


def test_a_deployment_repairs_what_an_earlier_version_could_not_read(
    empty_database: TelemetryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(figures, "scaled_sum", lambda v, _: f"sum({v} / {figures.SCALE})")
        empty_database.migrate(ANY)
        bring_up(empty_database, ANY)
    rows = load(empty_database, ANY, of_one_hour(2.12e-314, 20.5))
    with pytest.raises(psycopg2.errors.NumericValueOutOfRange, match="underflow"):
        read_views(empty_database)
    with pytest.raises(TelemetryError, match="underflow"):
        bring_up(empty_database, ANY)
    empty_database.migrate(ANY)
    read_views(empty_database)
    assert bring_up(empty_database, ANY) == 0
    assert_averages(empty_database, rows)
