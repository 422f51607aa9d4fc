"""The models of OpenLineage's own client take each event, and write it as it was."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etl.operations.lineage import lineage_events
from telemetry.contract import load_contract
from tests.unit.etl.operations.test_lineage_is_told_from_the_ledger import ROW, SOURCE

pytestmark = pytest.mark.slow
PROGRAM = Path(__file__).parent / "programs" / "read_lineage.py"
CONTRACTS = sorted(Path("contracts").rglob("*.toml"))


def read(tools: Path, events: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tools / "python", PROGRAM],
        input="".join(json.dumps(one) + "\n" for one in events),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def without_empty(value: Any) -> Any:
    """The same without empty objects and lists, which the models add or leave out."""
    if isinstance(value, dict):
        kept = {name: without_empty(one) for name, one in value.items()}
        return {name: one for name, one in kept.items() if one not in ({}, [], None)}
    return [without_empty(one) for one in value] if isinstance(value, list) else value


def all_events() -> list[dict[str, Any]]:
    found = []
    for file in CONTRACTS:
        contract = load_contract(file)
        source = replace(SOURCE, contracts={contract.name: contract})
        for status in ("loaded", "quarantined", "discarded"):
            found += lineage_events(source, replace(ROW, contract=contract.name, status=status))
    return found


def test_they_are_read_and_written_as_they_were(tools: Path) -> None:
    events = all_events()
    done = read(tools, events)
    assert done.returncode == 0, done.stderr
    written = [json.loads(line) for line in done.stdout.splitlines()]
    assert [without_empty(one) for one in written] == [without_empty(one) for one in events]


def test_an_unknown_member_would_be_noticed(tools: Path) -> None:
    (event, *_) = all_events()
    event["outputs"][0]["facets"]["schema"]["columns"] = []
    assert read(tools, [event]).returncode == 1
