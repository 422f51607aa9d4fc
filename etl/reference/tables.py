"""``docs/tables.md``: the tables in PostgreSQL, from the statements that create them."""

# ruff: noqa: E501 - rows of a table are lines

from __future__ import annotations

import re
from typing import get_args

from etl.reference.markdown import generated, table
from layers.folders import ROOT
from telemetry.contract import load_contract
from telemetry.contract.model import Column, ColumnType
from telemetry.ddl.retention import plan_retention
from telemetry.ddl.service import plan_ledger
from telemetry.ddl.tables import plan_table
from telemetry.ddl.types import sql_type

__all__ = [
    "LEDGER_COLUMNS",
    "RETENTION_COLUMNS",
    "ledger_columns",
    "retention_columns",
    "tables_page",
]

EXAMPLE = ROOT / "contracts" / "fleet.toml"
COLUMN = re.compile(r"^    ([a-z_]+) ([a-z]+)", re.MULTILINE)

LEDGER_COLUMNS = {
    "batch_id": "id of the micro-batch",
    "raw_key": "key of its raw object in S3",
    "execution": "last execution that processed it",
    "contract": "name of the contract it was cleaned with",
    "contract_digest": "version of that contract",
    "status": "`loaded`; `quarantined`: stopped by the checks, no rows loaded; `discarded`: discarded by an operator",
    "messages": "messages in the raw object",
    "read": "readings in these messages; a message that can't be parsed counts as one",
    "accepted": "readings that became rows, or would have if not quarantined",
    "duplicates": "readings that equal another one of the batch",
    "conflicts": "readings with the key of another one of the batch and other values; kept among the rejects",
    "rejected": "readings that can't become a row",
    "set_aside": "messages of other kinds, according to `only` in the contract",
    "forgotten": "readings that an [erasure](how-to-delete.md) has removed from the raw object",
    "rejected_by": "rejected readings by reason; one with several reasons is counted under each",
    "inserted": "rows added by this load",
    "inserted_before": "rows added by earlier loads of the same batch",
    "loads": "number of loads of the batch",
    "updated": "existing rows changed by this load",
    "unchanged": "readings that equal an existing row",
    "conflicts_in_table": "readings with the key of an existing row, which stays, and other values; kept in `etl.conflicts`",
    "min_time": "earliest time of its readings",
    "max_time": "latest time of its readings",
    "first_received_at": "arrival of the first message with an accepted reading",
    "last_received_at": "arrival of the last such message",
    "loaded_at": "time at which this row was written",
}
"""Meaning of each column of the ledger; a test checks that none is missing."""

RETENTION_COLUMNS = {
    "id": "number of the row",
    "contract": "name of the contract",
    "relation": "name of its table, as in SQL",
    "partition": "name of the partition; `<table>_other` of late rows",
    "from_time": "first moment of the range; empty where it had no lower bound",
    "to_time": "moment after the last one",
    "status": "`dropped`: its rows are gone; `detached`: they are not in the table any more, and will be counted and dropped by the next maintenance; `kept`: S3 lacks one of its batches",
    "rows": "number of rows that were dropped",
    "reason": "why it is kept",
    "changed_at": "time at which this row was written",
}
"""Meaning of each column of the record of retention."""

TEXT = """\
# Tables in PostgreSQL

Each pipeline has its own table of readings, defined by [the contract](contract.md). All pipelines of a
database share the ledger. The migrate function creates and updates both at each deployment;
[Loading](loading.md) explains how rows are written.

{generated}
## The ledger: `etl.ledger`

One row for each micro-batch, written in the transaction that loads its rows, so that ledger and table
always agree.

{ledger}
PostgreSQL checks two rules, and rolls back a load that violates one:

* every reading is accounted for: `read = accepted + duplicates + conflicts + rejected + set_aside +
  forgotten`;
* every accepted reading is a row: where `status` is `loaded`,
  `accepted = inserted + updated + unchanged + conflicts_in_table`.

```sql
-- Rejected readings of today, by reason.
SELECT reason.key, sum(reason.value::bigint)
FROM etl.ledger, jsonb_each_text(rejected_by) AS reason
WHERE loaded_at >= current_date GROUP BY 1 ORDER BY 2 DESC;

-- Batches that may contain a reading, by its time.
SELECT batch_id, raw_key FROM etl.ledger
WHERE status = 'loaded' AND '2026-11-23 06:30+00' BETWEEN min_time AND max_time;
```

## Rows that retention dropped: `etl.retention`

One row for each partition, or month or day of late rows, that left a table because of
[`retention`](contract.md#partitions-and-retention), or is old enough and stays.

{retention}
## A table of readings

`contracts/fleet.toml` creates this one:

```sql
{example}
```

| type in the contract | type in PostgreSQL |
|---|---|
{types}
The key is the primary key. `required` columns of a new table are `NOT NULL`; columns added later are
not, because existing rows have no value in them. Units and descriptions are stored as comments, which
clients such as pgAdmin show.

## Roles

| role | permissions |
|---|---|
| owner (secret: parameter `OwnerSecretArn`) | create schemas, roles and tables; used only by the migrate function |
| loader (secret: the stack's `LoaderSecret`) | connect, create temporary tables, read, insert and update rows of the table and the ledger, lock out other loads; it can't delete or drop |
| analyst (secret: the stack's `AnalystSecret`) | read the table and its views: see [Analytics](analytics.md) |
"""


def ledger_columns() -> list[tuple[str, str]]:
    """Name and type of each column, as the statement that creates the ledger has them."""
    return COLUMN.findall(plan_ledger()[1])


def retention_columns() -> list[tuple[str, str]]:
    """Name and type of each column of the record of retention."""
    return COLUMN.findall(plan_retention()[0])


def tables_page() -> str:
    """The page, as Markdown."""
    contract = load_contract(EXAMPLE)
    statements = plan_table(contract, None)
    ledger = ([f"`{name}`", kind, LEDGER_COLUMNS.get(name, "")] for name, kind in ledger_columns())
    retention = (
        [f"`{name}`", kind, RETENTION_COLUMNS.get(name, "")] for name, kind in retention_columns()
    )
    return TEXT.format(
        generated=generated("layers/shared/telemetry/ddl/"),
        ledger=table(["column", "type", "meaning"], ledger),
        retention=table(["column", "type", "meaning"], retention),
        example=";\n".join(statements) + ";",
        types="".join(f"| `{kind}` | {_sql(kind)} |\n" for kind in get_args(ColumnType)),
    )


def _sql(kind: ColumnType) -> str:
    if kind == "decimal":
        return "`numeric(precision, scale)`"
    text = "`" + sql_type(Column(name="value", type=kind, sources=())) + "`"
    return f"{text} with a check constraint" if kind == "enum" else text
