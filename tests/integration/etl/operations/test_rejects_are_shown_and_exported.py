"""What hostile devices sent can be looked at in a terminal and in a spreadsheet."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from etl.cli import context
from etl.cli.main import app
from etl.operations.escaping import CELL_CHARACTERS, escape_cell, escape_text

HOSTILE = b"\x1b]0;owned\x07\x1b[2J [bold]x[/] :smile: \xe2\x80\xaetxt.exe \x00 \xff"
FORMULA = "=cmd|' /C calc'!A1"


@pytest.fixture
def etl(target, monkeypatch):
    monkeypatch.setattr("etl.cli.rejects.target_of", lambda _: target)
    monkeypatch.setattr(context.console, "_width", 100)

    def run(*arguments: str, status: int = 0):
        result = CliRunner().invoke(app, ["rejects", *arguments])
        assert result.exit_code == status, result.output
        return result.stdout

    return run


def test_nothing_a_device_sent_reaches_the_terminal(etl, transformed):
    transformed("a", HOSTILE, client_id="\x1b[31mevil", topic="telemetry/\x07")
    for command in ("list", "show"):
        printed = etl(command)
        assert all(character.isprintable() or character == "\n" for character in printed)
    assert r"\x1b]0;owned\x07\x1b[2J [bold]x[/] :smile: \u202etxt.exe \x00 \xff" in etl("show")
    assert json.loads(etl("show", "--json"))[0]["client_id"] == "\x1b[31mevil"


def test_the_export_has_the_bytes_that_were_sent(etl, transformed, tmp_path):
    transformed("a", HOSTILE, FORMULA.encode())
    for name in ("out.ndjson", "out.ndjson.gz"):
        path = tmp_path / name
        etl("export", "--output", str(path))
        body = path.read_bytes()
        lines = (gzip.decompress(body) if name.endswith(".gz") else body).splitlines()
        sent = [base64.b64decode(json.loads(line)["payload"]) for line in lines]
        assert sent == [HOSTILE, FORMULA.encode()]
    assert not list(tmp_path.glob("*.part"))


def test_no_cell_of_the_csv_is_a_formula(etl, transformed):
    transformed("a", FORMULA.encode(), client_id="@SUM(A1)", topic="-1+1")
    (line,) = csv.DictReader(io.StringIO(etl("export", "--format", "csv"), newline=""))
    assert line["payload_text"] == f"'{FORMULA}"
    assert line["client_id"] == "'@SUM(A1)"
    assert line["topic"] == "'-1+1"
    assert line["reasons"] == "not_json"


def test_a_file_is_not_replaced_unless_it_is_meant(etl, transformed, tmp_path):
    transformed("a", HOSTILE)
    path = tmp_path / "there"
    path.write_text("mine")
    etl("export", "-o", str(path), status=1)
    assert path.read_text() == "mine"
    etl("export", "-o", str(path), "--overwrite")
    assert json.loads(path.read_text())["reasons"] == ["not_utf8"]


def test_what_can_not_be_read_ends_the_command_with_1(etl, target, transformed):
    transformed("a", HOSTILE)
    key = "rejected/date=2026-11-23/a.ndjson.gz"
    target.client("s3").put_object(Bucket=target.bucket, Key=key, Body=b"this is no gzip at all")
    assert "no rejects" in etl("list", status=1)


def test_a_cell_is_cut_before_it_spills_over():
    assert len(escape_cell("=" * 1_000_000)) <= CELL_CHARACTERS + 1


@given(st.one_of(st.text(), st.binary()))
def test_any_text_is_harmless(sent):
    assert escape_text(sent).isprintable()
    assert escape_cell(sent).lstrip()[:1] not in set("=+-@")


def test_readings_that_share_a_line_are_counted_one_by_one(etl, transformed, monkeypatch):
    monkeypatch.setattr("functions.transform.clean_batch.LISTED_REJECTS", 3)
    transformed("a", b'{"readings": [{}, {}, {}, {}, 5]}')
    counts = json.loads(etl("list", "--json"))
    assert counts["rejects"] == 5
    assert sorted(counts["by_reason"].values()) == [1, 4]
    assert "4 readings of its message" in etl("show")
    lines = [json.loads(line) for line in etl("export").splitlines() if line.startswith("{")]
    assert sorted(line["readings"] for line in lines) == [1, 4]
