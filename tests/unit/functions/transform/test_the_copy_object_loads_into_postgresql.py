"""What Transform writes is what PostgreSQL's COPY reads: each value comes back as it was."""

from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from functions.transform.clean import clean
from functions.transform.copy import copy_csv
from local.database import Database
from telemetry.contract import Contract, load_contract, parse_contract
from telemetry.ddl import sql_type
from tests.unit.functions.transform.envelopes_for import line

EVERYTHING = load_contract(Path("tests/property/contracts/everything.toml"))
TEXTS = [
    "", " ", ",", '"', '""', "a\nb", "a\r\nb", "\r", "\n", "\\", "\\.", "\\N", "NULL", "é𝄞\u2028",
    "\n\\.\nb", "\ufeff", "\t", "'", None,
]  # fmt: skip


def through_copy(database: Database, contract: Contract, csv: bytes) -> list[tuple[Any, ...]]:
    definition = ", ".join(f"{column.name} {sql_type(column)}" for column in contract.columns)
    with closing(psycopg2.connect(database.dsn())) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE taken (place serial, {definition})")
        names = ", ".join(column.name for column in contract.columns)
        statement = f"COPY taken ({names}) FROM STDIN WITH (FORMAT csv)"
        cursor.copy_expert(statement, io.BytesIO(csv))
        cursor.execute(f"SELECT {names} FROM taken ORDER BY place")
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def test_texts_numbers_and_times_come_back_as_they_were(postgres: Database) -> None:
    values = [
        {
            "ratio": 0.1,
            "count": -5,
            "total": 2**62,
            "open": True,
            "at": "2026-03-01T12:00:00.000001Z",
        },
        {"ratio": 1e-300, "count": 2**31 - 1, "open": False, "at": "0001-01-01T00:00:00Z"},
        {"ratio": 123456.789, "at": "9999-12-31T23:59:59.999999Z", "nanos": -1},
        {"ratio": -0.0, "at": 1772366400.5, "total": -(2**63)},
    ]
    items = [
        {"room": "r", "slot": n, "note": text, **values[n % len(values)]}
        for n, text in enumerate(TEXTS)
    ]
    rows = clean(line({"data": {"items": items}}), EVERYTHING).rows
    assert rows.height == len(items)
    assert rows["note"].to_list() == TEXTS
    assert through_copy(postgres, EVERYTHING, copy_csv(rows)) == rows.rows()


@pytest.mark.parametrize("texts", [TEXTS, ["\\."], ["a", "\\.", "b"]])
def test_so_do_the_texts_of_a_table_of_one_column(postgres: Database, texts: list[Any]) -> None:
    contract = parse_contract(
        b"""
        name = "alone"
        topic = "lab/+"
        message = {readings = "r"}
        [table]
        name = "alone"
        key = ["id"]
        [columns.id]
        type = "text"
        required = true
        max_length = 99
        missing = []
        """,
        "alone.toml",
    )
    wanted = sorted(text for text in texts if text is not None)
    rows = clean(line({"r": [{"id": text} for text in texts]}), contract).rows
    found = [text for (text,) in through_copy(postgres, contract, copy_csv(rows))]
    assert found == rows["id"].to_list() == wanted
