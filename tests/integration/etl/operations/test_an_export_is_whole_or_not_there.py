"""``etl export`` to files, standard output and S3: a file appears once it is complete, and the
cursor after the file."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

import etl.cli.export
from etl.aws.target import Target
from etl.cli.main import app
from etl.operations import export_cursor, exporting
from telemetry.contract import ContractSet
from tests.fixtures.local import EmulatorStack
from tests.fixtures.telemetry_database import CONTRACT, TelemetryDatabase
from tests.integration.etl.operations.conftest import new_target
from tests.integration.etl.operations.exported_table import ANALYST, ExportedTable

OTHER = replace(CONTRACT, name="other", table="others")


@pytest.fixture
def table(empty_database: TelemetryDatabase) -> ExportedTable:
    ExportedTable.create(empty_database, OTHER)
    found = ExportedTable.create(empty_database, CONTRACT)
    add(found, 3)
    return found


def add(table: ExportedTable, rows: int, device: str = "a") -> None:
    table.database.query(
        f"INSERT INTO {table.name} SELECT '{device}', timestamptz '2026-11-23' + n * interval '1 s', "
        f"n, '' FROM generate_series(1, {rows}) AS n"
    )


@pytest.fixture
def target(
    emulator: EmulatorStack, table: ExportedTable, monkeypatch: pytest.MonkeyPatch
) -> Target:
    found = new_target(emulator)
    found.__dict__.update(contracts=ContractSet.of([CONTRACT, OTHER]))
    server = table.database.server
    roles: list[str] = []

    def settings(_target: Target, role: str = "loader") -> dict[str, Any]:
        roles.append(role)
        return {
            "host": server.host, "port": server.port, "dbname": server.name,
            "user": ANALYST.username, "password": ANALYST.password,
        }  # fmt: skip

    monkeypatch.setattr(Target, "database_settings", settings)
    monkeypatch.setattr(etl.cli.export, "target_of", lambda *_: found)
    return found


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["export", *words])


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_suffix_says_the_format(target: Target, tmp_path: Path) -> None:
    for name in ("rows.csv", "rows.csv.gz", "rows.parquet"):
        assert run(str(tmp_path / name)).exit_code == 0
    assert left_in(tmp_path) == ["rows.csv", "rows.csv.gz", "rows.parquet"]
    text = (tmp_path / "rows.csv").read_bytes()
    assert gzip.decompress((tmp_path / "rows.csv.gz").read_bytes()) == text
    assert text.splitlines()[1] == b'a,2026-11-23 00:00:01+00,1,""'
    assert pl.read_parquet(tmp_path / "rows.parquet").height == 3
    assert "end the name in" in run(str(tmp_path / "rows.xlsx")).output
    assert run(str(tmp_path / "rows"), "--format", "xlsx").exit_code == 1


def test_standard_output_has_the_rows_alone(target: Target) -> None:
    result = run("-")
    assert result.stdout.splitlines()[0] == "device_id,ts,value,note"
    assert len(result.stdout.splitlines()) == 4
    assert "3 rows" in result.stderr
    result = run("-", "--format", "parquet")
    assert pl.read_parquet(io.BytesIO(result.stdout_bytes)).height == 3
    assert run("-", "--json").exit_code == 2


def test_a_terminal_gets_no_rows(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl.operations.export_destination.sys.stdout.isatty", lambda: True)
    destination = etl.cli.export.parse_destination("-", overwrite=False)
    with pytest.raises(Exception, match="a terminal may obey"):
        destination.check(target)


def test_an_existing_file_is_replaced_only_when_asked(target: Target, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("mine")
    result = run(str(file))
    assert (result.exit_code, file.read_text()) == (1, "mine")
    assert "--overwrite" in result.output
    assert run(str(file), "--overwrite").exit_code == 0
    assert file.read_text().startswith("device_id,")
    assert "There is no folder" in run(str(tmp_path / "none" / "rows.csv")).output


def test_another_contract_is_chosen_by_name(target: Target, tmp_path: Path) -> None:
    result = run(str(tmp_path / "rows.csv"), "--contract", "other", "--json")
    found = json.loads(result.stdout)
    assert (found["contract"], found["rows"], found["incremental"]) == ("other", 0, False)


def test_a_cursor_file_makes_exports_follow_each_other(
    target: Target, table: ExportedTable, tmp_path: Path
) -> None:
    cursor = tmp_path / "cursor"

    def rows(name: str) -> int:
        result = run(str(tmp_path / name), "--cursor", str(cursor), "--json")
        return int(json.loads(result.stdout)["rows"])

    assert rows("1.csv") == 3
    first = cursor.read_text().strip()
    add(table, 2, "b")
    assert rows("2.csv") == 2
    assert rows("3.csv") == 0
    result = run(str(tmp_path / "again.csv"), "--after", first, "--json")
    assert json.loads(result.stdout)["rows"] == 2
    assert left_in(tmp_path) == ["1.csv", "2.csv", "3.csv", "again.csv", "cursor"]
    result = run(str(tmp_path / "x.csv"), "--cursor", str(cursor), "--device", "a")
    assert "other columns, devices or times" in " ".join(result.output.split())
    cursor.write_text("v1-nonsense")
    result = run(str(tmp_path / "x.csv"), "--cursor", str(cursor))
    assert "not a valid cursor" in " ".join(result.output.split())
    assert not (tmp_path / "x.csv").exists()
    assert run("-", "--cursor", str(cursor), "--after", first).exit_code == 2


def test_a_place_for_the_cursor_is_checked_before_rows_are_read(
    target: Target, tmp_path: Path
) -> None:
    file = str(tmp_path / "rows.csv")
    result = run(file, "--cursor", str(tmp_path / "none" / "cursor"))
    assert "no folder" in " ".join(result.output.split())
    assert "file of its own" in " ".join(run(file, "--cursor", file).output.split())
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet", "rows.csv.gz"])
def test_a_file_that_fails_leaves_nothing_and_the_cursor_as_it_was(
    target: Target, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursor = tmp_path / "cursor"
    run(str(tmp_path / "first.csv"), "--cursor", str(cursor))
    before = cursor.read_text()

    def fails(*_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(exporting, "_counted", lambda *_, **__: fails())
    result = run(str(tmp_path / name), "--cursor", str(cursor))
    assert (result.exit_code, "No space left" in result.output) == (1, True)
    assert (left_in(tmp_path), cursor.read_text()) == (["cursor", "first.csv"], before)


def test_the_cursor_comes_after_the_file(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, seen = tmp_path / "rows.csv", []

    def dies(*_: Any) -> None:
        seen.append(file.read_bytes())
        raise OSError("died")

    monkeypatch.setattr(exporting, "write_cursor_file", dies)
    assert run(str(file), "--cursor", str(tmp_path / "cursor")).exit_code == 1
    assert (seen, left_in(tmp_path)) == ([file.read_bytes()], ["rows.csv"])


def test_a_cursor_that_can_not_be_written_leaves_the_former_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursor = export_cursor.ExportCursor(1, 1, 1, 1, 1, "0" * 12)
    file = tmp_path / "cursor"
    export_cursor.write_cursor_file(file, cursor)

    def fails(_descriptor: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="No space"):
        export_cursor.write_cursor_file(file, replace(cursor, horizon=2))
    assert (left_in(tmp_path), export_cursor.read_cursor_file(file)) == (["cursor"], cursor)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Let SIGINT interrupt, which a shell ignores for what it starts in the background."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_ctrl_c_cancels_a_search_that_brings_no_row(
    target: Target, table: ExportedTable, tmp_path: Path, form: str
) -> None:
    """PostgreSQL waits for a lock, so no line arrives that could notice the signal."""
    before = time.monotonic()
    with closing(table.database.connect_owner()) as owner, owner.cursor() as cursor:
        timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
        cursor.execute(f"LOCK TABLE {table.name} IN ACCESS EXCLUSIVE MODE")
        timer.start()
        result = run(str(tmp_path / f"rows.{form}"))
    timer.join()
    assert (result.exit_code, left_in(tmp_path)) == (130, [])
    assert time.monotonic() - before < 20
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'etl export'"
    until = time.monotonic() + 30  # the server ends a session after its client has gone
    while table.database.query(sessions) != [(0,)] and time.monotonic() < until:
        time.sleep(0.1)
    assert table.database.query(sessions) == [(0,)]


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_ctrl_c_in_the_middle_leaves_no_file(
    target: Target, table: ExportedTable, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(table, 400_000, "many")
    original, timers = exporting.copy_out, []

    def copy_out(*arguments: Any) -> Any:
        timers.append(threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)))
        timers[0].start()
        return original(*arguments)

    monkeypatch.setattr(exporting, "copy_out", copy_out)
    monkeypatch.setattr(etl.cli.export, "counted", lambda *_: time.sleep(0.3))
    result = run(str(tmp_path / f"rows.{form}"))
    timers[0].join()
    assert (result.exit_code, left_in(tmp_path)) == (130, [])


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_s3_gets_the_object_once_it_is_complete(target: Target, form: str) -> None:
    s3, place = target.client("s3"), f"s3://{target.bucket}/exports/rows.{form}"
    assert run(place).exit_code == 0
    body = s3.get_object(Bucket=target.bucket, Key=f"exports/rows.{form}")["Body"].read()
    read = pl.read_parquet if form == "parquet" else pl.read_csv
    assert read(io.BytesIO(body)).height == 3
    assert "--overwrite" in run(place).output
    assert run(place, "--overwrite").exit_code == 0


def test_the_pipelines_own_objects_are_not_overwritten(target: Target) -> None:
    result = run(f"s3://{target.bucket}/raw/2026/11/23/run/b.n1.csv", "--overwrite")
    assert "below exports/ only" in " ".join(result.output.split())
    assert "listed" not in target.client("s3").list_objects_v2(Bucket=target.bucket)
    result = run("s3://nobody-has-this/rows.csv", "--overwrite")
    assert (result.exit_code, "Traceback" in result.output) == (1, False)
    assert run("s3://bucket").exit_code == 1
