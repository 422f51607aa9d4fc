"""Messages of public payload families, binary ones too, over MQTT to the rows written by hand.

One stack is deployed anew with the contract of each family.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from etl.aws.target import Target
from etl.operations.publishing import publish_file
from telemetry.contract import Column, Contract
from tests.end_to_end.conftest import account, pipeline_by_queue
from tests.fixtures.payload_families import FAMILIES, FOLDER, expected_rows, messages_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def rows_of_the_table(target: Target) -> list[list[str]]:
    """The table as PostgreSQL writes it, in order of the key; NULL is an empty text."""
    contract = target.contract
    columns = ", ".join(_as_text(contract, column.name) for column in contract.columns)
    order = ", ".join(_in_order_of_bytes(contract, name) for name in contract.key)
    query = f"SELECT {columns} FROM {contract.schema}.{contract.table} ORDER BY {order}"
    out = io.StringIO()
    with target.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'")
        cursor.copy_expert(f"COPY ({query}) TO STDOUT WITH (FORMAT csv)", out)
    return list(csv.reader(io.StringIO(out.getvalue())))


def _in_order_of_bytes(contract: Contract, name: str) -> str:
    return f'"{name}" COLLATE "C"' if contract.column(name).type == "text" else f'"{name}"'


def _as_text(contract: Contract, name: str) -> str:
    """A column in the spelling of the rows written by hand."""
    column_type = contract.column(name).type
    if column_type == "timestamp":
        return f"""to_char("{name}", 'YYYY-MM-DD"T"HH24:MI:SS.US+00:00')"""
    if column_type == "boolean":
        return f'"{name}"::text'
    return f'"{name}"'


def same(found: str, wanted: str) -> bool:
    """True for one value in two spellings: 160 and 160.0, JSON in another order."""
    try:
        return found == wanted or bool(json.loads(found) == json.loads(wanted))
    except ValueError:
        return False


def is_of_arrival(column: Column) -> bool:
    """True for a column of the time of arrival, which is not that of the file."""
    return any(source.path[0] == "received_at" for source in column.sources)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_messages_of_the_family_become_its_rows(state: Path, name: str) -> None:
    target = pipeline_by_queue(state, "families", FOLDER / f"{name}.toml")
    receipt = publish_file(target, target.contract, messages_file(name))
    found = account(target)
    assert found.problems() == []
    assert found.verdict.status == "balanced"
    rows, wanted = rows_of_the_table(target), expected_rows(name)
    assert len(rows) == len(wanted)
    for row, expected in zip(rows, wanted, strict=True):
        for column, value, text in zip(target.contract.columns, row, expected, strict=True):
            assert is_of_arrival(column) or same(value, text), (column.name, row, expected)
    assert receipt.readings >= len(wanted)
