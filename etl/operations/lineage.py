"""Events of OpenLineage from the ledger: which raw objects became rows of which table, and when.

They are made from rows that are committed, by an operator or a timer: a load neither waits for a
lineage server nor fails with it. The ids of runs are made of batch and execution, so that an event
which is sent again is the same event.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from etl.aws.target import Target
from etl.operations.time_range import TimeRange
from telemetry.contract import Contract
from telemetry.ddl import sql_type

__all__ = ["LedgerRow", "LineageSource", "lineage_events", "read_ledger"]

_SPEC = "https://openlineage.io/spec"
_RUN_EVENT = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = {
    "schema": "1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet",
    "documentation": "1-1-0/DocumentationDatasetFacet.json#/$defs/DocumentationDatasetFacet",
    "jobType": "2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
    "errorMessage": "1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet",
    "subset": "1-0-0/BaseSubsetDatasetFacet.json#/$defs/InputSubsetInputDatasetFacet",
    "outputStatistics": "1-0-2/OutputStatisticsOutputDatasetFacet.json"
    "#/$defs/OutputStatisticsOutputDatasetFacet",
}
"""Schemas of the facets; tests/connect reads the events with the models of OpenLineage's client."""
_ENDS = {"loaded": "COMPLETE", "quarantined": "FAIL", "discarded": "ABORT"}
_WHY = {
    "quarantined": "The batch is held in quarantine: the contract's checks stopped it.",
    "discarded": "An operator discarded the batch.",
}
_ROWS_AT_ONCE = 1000
_LEDGER = """
SELECT batch_id, raw_key, execution, contract, status, inserted + updated,
       least(last_received_at, loaded_at), loaded_at
FROM etl.ledger
WHERE contract = ANY(%s) AND loaded_at >= %s AND loaded_at < %s
ORDER BY loaded_at, batch_id
"""


@dataclass(frozen=True)
class LedgerRow:
    """A micro-batch as the ledger has it."""

    batch_id: str
    raw_key: str
    execution: str
    contract: str
    status: str
    rows: int
    """Rows that its load added or changed."""
    began_at: datetime
    """Arrival of its last message that became a row; where none did, the time it was settled."""
    loaded_at: datetime


@dataclass(frozen=True)
class LineageSource:
    """The pipeline that events are about."""

    namespace: str
    """Namespace of its jobs."""
    bucket: str
    database: str
    """Host and port, as in ``db.example.com:5432``."""
    database_name: str
    contracts: Mapping[str, Contract]

    @classmethod
    def of(cls, target: Target, namespace: str | None = None) -> LineageSource:
        """Return that of a deployed pipeline; the default namespace is the stack's name."""
        found = target.parameters
        return cls(
            namespace=namespace or target.stack,
            bucket=target.bucket,
            database=f"{found['DatabaseHost']}:{found['DatabasePort']}",
            database_name=found["DatabaseName"],
            contracts={one.name: one for one in target.contracts},
        )


def read_ledger(target: Target, contracts: Sequence[str], times: TimeRange) -> Iterator[LedgerRow]:
    """Yield the batches of these contracts that were settled in the time range, oldest first."""
    with target.connect() as connection, connection.cursor(name="lineage") as cursor:
        cursor.itersize = _ROWS_AT_ONCE
        cursor.execute(_LEDGER, (list(contracts), times.start, times.end))
        for row in cursor:
            yield LedgerRow(*row)


def lineage_events(source: LineageSource, row: LedgerRow) -> Iterator[dict[str, Any]]:
    """Yield two events of a batch: its start, and how it ended.

    The start is the arrival of its last message: from then on it could be loaded.
    """
    contract = source.contracts[row.contract]
    yield _event("START", row.began_at, source, row, contract)
    ended = _event(_ENDS[row.status], row.loaded_at, source, row, contract)
    if row.status == "loaded":
        statistics = _facet("outputStatistics", rowCount=row.rows)
        ended["outputs"][0]["outputFacets"] = {"outputStatistics": statistics}
    else:
        why = _facet("errorMessage", message=_WHY[row.status], programmingLanguage="Python")
        ended["run"]["facets"] = {"errorMessage": why}
    yield ended


def _event(
    kind: str, time: datetime, source: LineageSource, row: LedgerRow, contract: Contract
) -> dict[str, Any]:
    key = f"{_producer()}/{source.namespace}/{row.contract}/{row.batch_id}/{row.execution}"
    return {
        "eventType": kind,
        "eventTime": time.isoformat(),
        "producer": _producer(),
        "schemaURL": _RUN_EVENT,
        "run": {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, key))},
        "job": {
            "namespace": source.namespace,
            "name": f"load {row.contract}",
            "facets": {
                "jobType": _facet(
                    "jobType", processingType="BATCH", integration="TELEMETRY_ETL", jobType="JOB"
                )
            },
        },
        "inputs": [_raw_zone(source, row)],
        "outputs": [_table(source, contract)],
    }


def _raw_zone(source: LineageSource, row: LedgerRow) -> dict[str, Any]:
    """The raw zone as one data set, not one for each of thousands of objects, and the object."""
    location = f"s3://{source.bucket}/{row.raw_key}"
    condition = {"type": "location", "locations": [location]}
    return {
        "namespace": f"s3://{source.bucket}",
        "name": "raw",
        "inputFacets": {"subset": _facet("subset", inputCondition=condition)},
    }


def _table(source: LineageSource, contract: Contract) -> dict[str, Any]:
    fields = []
    for number, column in enumerate(contract.columns, 1):
        unit = f"[{column.unit}]" if column.unit else ""
        about = f"{column.description} {unit}".strip()
        found = {"name": column.name, "type": sql_type(column), "ordinal_position": number}
        fields.append(found | ({"description": about} if about else {}))
    facets = {"schema": _facet("schema", fields=fields)}
    if contract.description:
        facets["documentation"] = _facet("documentation", description=contract.description)
    return {
        "namespace": f"postgres://{source.database}",
        "name": f"{source.database_name}.{contract.schema}.{contract.table}",
        "facets": facets,
    }


def _facet(name: str, **content: Any) -> dict[str, Any]:
    return {"_producer": _producer(), "_schemaURL": f"{_SPEC}/facets/{_FACETS[name]}", **content}


def _producer() -> str:
    """The product as a package URL, without its version: run ids are made of it, too."""
    return "pkg:pypi/telemetry-etl"
