"""Rows of every type, made from contracts, through the COPY object into PostgreSQL and back."""

from __future__ import annotations

import io
import json
import struct
from contextlib import closing
from decimal import Context, Decimal
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.transform.clean import clean
from functions.transform.copy import copy_csv
from telemetry.contract import Contract
from telemetry.ddl import qualified
from tests.fixtures.examples import MANY_EXAMPLES, SLOW_WITH_MANY
from tests.fixtures.telemetry_database import TelemetryDatabase
from tests.property.mess import CONTRACTS
from tests.property.mess import lines as any_lines
from tests.unit.functions.transform.envelopes_for import contract_of, lines

pytestmark = SLOW_WITH_MANY

EXACT = Context(prec=3000)
EXAMPLES = 30 if MANY_EXAMPLES else 10
TYPES = [name for name in ("everything", "values", "rest") if name in CONTRACTS]
EXTREMES = contract_of(
    """
    [columns.real]
    type = "real"
    [columns.float]
    type = "float"
    [columns.decimal]
    type = "decimal"
    precision = 38
    scale = 19
    [columns.bigint]
    type = "bigint"
    [columns.at]
    type = "timestamp"
    formats = ["iso8601", "epoch_us"]
    [columns.text]
    type = "text"
    missing = []
    [columns.json]
    type = "jsonb"
    """
)
VALUES: dict[str, list[Any]] = {
    "real": [3.4028234e38, 1e-45, 0.1, 16777217, -0.0, 1.17549435e-38, 2.5e-41],
    "float": [1.7976931348623157e308, 5e-324, 0.1, 2**53 + 2, -0.0, 1 / 3, 123456789.123456789],
    "decimal": ["9" * 19 + "." + "9" * 19, "-0." + "0" * 18 + "1", "0.1", "1e18", "-0", "1.50", 7],
    "bigint": [2**63 - 1, -(2**63), 0, "1e18", 2**53 + 1, -1, 1],
    "at": [
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1970-01-01T00:00:00.000001Z",
        "2026-02-28T23:59:59.999999-12:34", -1, 0, 253402300799999999,
    ],
    "text": ["", " ", '"', "a,b\r\nc", "\\.", "\\N", "\u2028𝄞\x01\x7f"],
    "json": [
        {"a": [1.5, {"b": None}], "é\"\\": "\n"}, [], {}, "x,\"y\"", 10**30, False, [[[[["\x01"]]]]],
    ],
}  # fmt: skip


def round_trip(connection: Any, contract: Contract, raw: bytes) -> int:
    """Loads the accepted rows, reads them again, compares each value; how many there were."""
    rows = clean(raw, contract).rows
    names = ", ".join(f'"{column.name}"' for column in contract.columns)
    # A jsonb is read as its text, or the driver would make doubles of its numbers.
    told = ", ".join(
        f'"{column.name}"' + ("::text" if column.type == "jsonb" else "")
        for column in contract.columns
    )
    table = qualified(contract)
    with connection, connection.cursor() as cursor:
        cursor.execute(f"SET TIME ZONE 'UTC'; TRUNCATE {table}")
        copy = f"COPY {table} ({names}) FROM STDIN WITH (FORMAT csv)"
        cursor.copy_expert(copy, io.BytesIO(copy_csv(rows)))
        cursor.execute(f"SELECT {told} FROM {table}")
        found = cursor.fetchall()
    wanted = [comparable(contract, row) for row in rows.rows()]
    assert sorted(comparable(contract, row) for row in found) == sorted(wanted)
    return len(wanted)


def comparable(contract: Contract, row: tuple[Any, ...]) -> list[str]:
    return [bits(column.type, value) for column, value in zip(contract.columns, row, strict=True)]


def bits(kind: str, value: Any) -> str:
    if value is None:
        return "null"
    if kind in ("real", "float"):
        return struct.pack("f" if kind == "real" else "d", value).hex()
    if kind == "jsonb":
        found = json.loads(value, parse_int=Decimal, parse_float=Decimal)
        return repr(plain(found))
    return f"{value.isoformat()}" if kind == "timestamp" else repr(value)


def plain(value: Any) -> Any:
    """Members in order; numbers by their value, for jsonb writes 1E+2 as 100."""
    if isinstance(value, dict):
        return sorted((name, plain(inner)) for name, inner in value.items())
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, Decimal):
        return format(value.normalize(EXACT), "f") if value else "0"
    return value


@pytest.mark.parametrize("name", TYPES)
def test_generated_rows(empty_database: TelemetryDatabase, name: str) -> None:
    contract = CONTRACTS[name]
    empty_database.migrate(contract)

    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.lists(any_lines(contract), max_size=8))
    def check(found: list[bytes]) -> None:
        raw = b"\n".join(line.replace(b"\n", b"") for line in found)
        round_trip(connection, contract, raw)

    with closing(empty_database.connect_owner()) as connection:
        check()


def test_the_farthest_values_of_each_type(empty_database: TelemetryDatabase) -> None:
    empty_database.migrate(EXTREMES)
    readings = [
        {"id": at} | {name: values[at] for name, values in VALUES.items()} for at in range(7)
    ]
    with closing(empty_database.connect_owner()) as connection:
        assert round_trip(connection, EXTREMES, lines(*readings)) == 7


def test_numbers_in_json_that_are_taken_fit_and_larger_ones_are_not(
    empty_database: TelemetryDatabase,
) -> None:
    empty_database.migrate(EXTREMES)
    fitting = [
        b"1e999",
        b"-1e-1000",
        b"[0e999]",
        b'{"a":' + b"9" * 1000 + b"}",
        b"[" * 300 + b"]" * 300,
    ]
    raw = lines(*(b'{"id":%d,"json":%b}' % (at, text) for at, text in enumerate(fitting)))
    with closing(empty_database.connect_owner()) as connection:
        assert round_trip(connection, EXTREMES, raw) == len(fitting)
    for text in (b"1e1000", b"1e-1001", b'"\\u0000"', b'{"\\ud800":1}', b"1e131072", b"0e99999999"):
        assert clean(lines(b'{"id":1,"json":%b}' % text), EXTREMES).rows.is_empty()


def test_the_table_takes_no_other_value_of_an_enum(empty_database: TelemetryDatabase) -> None:
    enum = "[columns.state]\ntype = 'enum'\nvalues = "
    contract = contract_of(enum + "['on', 'off']")
    empty_database.migrate(contract)
    table = qualified(contract)
    with pytest.raises(psycopg2.errors.CheckViolation):
        empty_database.query(f"INSERT INTO {table} VALUES (1, 'broken')")
    empty_database.query(f"INSERT INTO {table} VALUES (1, 'off')")
    wider = contract_of(enum + "['on', 'broken']")
    assert len(empty_database.migrate(wider).table) == 1
    assert empty_database.migrate(wider).table == []
    empty_database.query(f"INSERT INTO {table} VALUES (2, 'broken')")
    with pytest.raises(psycopg2.errors.CheckViolation):
        empty_database.query(f"INSERT INTO {table} VALUES (3, 'off')")
