"""Events of OpenLineage: what the ledger has of a batch, with ids that stay when they are sent again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from etl.operations.lineage import LedgerRow, LineageSource, lineage_events
from telemetry.contract import load_contract

GREENHOUSE = load_contract(Path("contracts/examples/greenhouse.toml"))
SOURCE = LineageSource(
    namespace="plant",
    bucket="data",
    database="db.example.com:5432",
    database_name="telemetry",
    contracts={"greenhouse": GREENHOUSE},
)
ROW = LedgerRow(
    batch_id="esm-1",
    raw_key="raw/2026/11/23/run-1/esm-1.n50.ndjson.gz",
    execution="run-1",
    contract="greenhouse",
    status="loaded",
    rows=143,
    began_at=datetime(2026, 11, 23, 6, 30, tzinfo=UTC),
    loaded_at=datetime(2026, 11, 23, 6, 31, tzinfo=UTC),
)


def events(**fields: Any) -> list[dict[str, Any]]:
    return list(lineage_events(SOURCE, replace(ROW, **fields)))


def test_a_loaded_batch_starts_and_completes():
    start, end = events()
    assert (start["eventType"], start["eventTime"]) == ("START", "2026-11-23T06:30:00+00:00")
    assert (end["eventType"], end["eventTime"]) == ("COMPLETE", "2026-11-23T06:31:00+00:00")
    assert start["run"] == end["run"]
    assert (end["job"]["namespace"], end["job"]["name"]) == ("plant", "load greenhouse")


def test_the_object_goes_in_and_the_table_out():
    for event in events():
        (raw,), (table,) = event["inputs"], event["outputs"]
        assert (raw["namespace"], raw["name"]) == ("s3://data", "raw")
        condition = raw["inputFacets"]["subset"]["inputCondition"]
        assert condition == {"type": "location", "locations": [f"s3://data/{ROW.raw_key}"]}
        assert table["namespace"] == "postgres://db.example.com:5432"
        assert table["name"] == "telemetry.telemetry.greenhouse"
        fields = table["facets"]["schema"]["fields"]
        assert [one["name"] for one in fields] == [one.name for one in GREENHOUSE.columns]
        (ts,) = [one for one in fields if one["name"] == "ts"]
        assert ts["type"] == "timestamp with time zone"
        (warm,) = [one for one in fields if one["name"] == "air_temperature"]
        assert warm["description"] == "In the shade; -127 is a loose wire. [\u00b0C]"
    assert events()[1]["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 143


@pytest.mark.parametrize(
    ("status", "kind", "why"),
    [("quarantined", "FAIL", "held in quarantine"), ("discarded", "ABORT", "discarded")],
)
def test_one_without_rows_says_why(status: str, kind: str, why: str):
    start, end = events(status=status, rows=0)
    assert (start["eventType"], end["eventType"]) == ("START", kind)
    assert why in end["run"]["facets"]["errorMessage"]["message"]
    assert "outputFacets" not in end["outputs"][0]


def test_a_run_is_a_batch_in_an_execution():
    def run(**fields: Any) -> str:
        return str(events(**fields)[0]["run"]["runId"])

    assert run() == run(loaded_at=datetime(2026, 11, 24, tzinfo=UTC)) == run(status="quarantined")
    assert len({run(), run(batch_id="esm-2"), run(execution="release-1")}) == 3
    other = next(lineage_events(replace(SOURCE, namespace="other"), ROW))
    assert other["run"]["runId"] != run()
