"""Files of any form go the whole way with nothing edited: infer, deploy, publish, reconcile.

The files are those of ``contracts/examples/payloads``, among them a recording with topics, and two
of them in other forms: as a table and as one array.
"""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.aws.target import Target
from etl.cli.main import app
from etl.operations.publishing import publish_file
from tests.end_to_end.conftest import account, pipeline_by_queue

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PAYLOADS = Path("contracts/examples/payloads")
FAMILIES = sorted(path.stem for path in PAYLOADS.glob("*.ndjson"))
MESSAGES = 24
READINGS = {"opc_ua": 48, "sparkplug_json": 48, "telegraf": 72}
"""Readings of the files whose messages have several."""


def inferred_pipeline(state: Path, file: Path, name: str, folder: Path) -> Target:
    """The pipeline of the contract that is inferred from the file."""
    contract = folder / f"{name}.toml"
    command = ["contract", "infer", str(file), "--out", str(contract), "--name", name]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    return pipeline_by_queue(state, "payloads", contract)


def check_rows(state: Path, file: Path, name: str, folder: Path, readings: int) -> Target:
    """Each reading of the file is a row, and the reconciliation of the whole pipeline balances."""
    target = inferred_pipeline(state, file, name, folder)
    receipt = publish_file(target, target.contract, file)
    assert (receipt.messages, receipt.readings) == (MESSAGES, readings)
    found = account(target)
    assert found.problems() == []
    assert found.verdict.status == "balanced"
    assert found.rows == readings
    return target


def values(target: Target, column: str) -> set[Any]:
    """The distinct values of a column of the contract's table."""
    contract = target.contract
    with target.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f'SELECT DISTINCT "{column}" FROM {contract.schema}.{contract.table}')
        return {value for (value,) in cursor.fetchall()}


@pytest.mark.parametrize("name", FAMILIES)
def test_each_reading_of_the_family_becomes_a_row(state: Path, name: str, tmp_path: Path) -> None:
    file = PAYLOADS / f"{name}.ndjson"
    target = check_rows(state, file, name, tmp_path, READINGS.get(name, MESSAGES))
    if name == "zigbee2mqtt":  # a recording: its devices are known by their topics alone
        recorded = [json.loads(line)["topic"] for line in file.read_text().splitlines()]
        assert values(target, "device") == {topic.rpartition("/")[2] for topic in recorded}


def test_each_element_of_an_array_becomes_a_row(state: Path, tmp_path: Path) -> None:
    lines = (PAYLOADS / "teltonika.ndjson").read_text().splitlines()
    file = tmp_path / "positions.json"
    file.write_text(json.dumps([json.loads(line) for line in lines], indent=2))
    check_rows(state, file, "positions", tmp_path, MESSAGES)


def test_each_row_of_a_table_becomes_a_row(state: Path, tmp_path: Path) -> None:
    lines = (PAYLOADS / "dsmr.ndjson").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    file = tmp_path / "meter.csv"
    with file.open("w", newline="") as text:
        table = csv.DictWriter(text, list(found[0]), delimiter=";")
        table.writeheader()
        table.writerows(found)
    target = check_rows(state, file, "meter", tmp_path, MESSAGES)
    sent = {Decimal(str(row["electricity_delivered_1"])) for row in found}
    assert values(target, "electricity_delivered_1") == sent


def test_messages_without_acknowledgement_are_rows_and_no_receipt_counts_them(
    state: Path, tmp_path: Path
) -> None:
    file = PAYLOADS / "teltonika.ndjson"
    target = inferred_pipeline(state, file, "unacknowledged", tmp_path)
    receipt = publish_file(target, target.contract, file, device="box-1", qos=0)
    assert (receipt.messages, receipt.unacknowledged) == (0, MESSAGES)
    found = account(target)
    assert found.verdict.status == "balanced"
    assert any("without the broker's acknowledgement" in note for note in found.verdict.notes)
