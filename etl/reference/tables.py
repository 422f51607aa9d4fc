"""``docs/tables.md``: what is in PostgreSQL, from the statements that make it."""

# ruff: noqa: E501 - rows of a table are lines

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from etl.reference.markdown import generated, table
from telemetry.contract import load_contract
from telemetry.contract.model import Column, ColumnType
from telemetry.ddl.service import plan_ledger
from telemetry.ddl.tables import plan_table
from telemetry.ddl.types import sql_type

__all__ = ["LEDGER_COLUMNS", "ledger_columns", "tables_page"]

EXAMPLE = Path(__file__).parents[2] / "contracts" / "fleet.toml"
COLUMN = re.compile(r"^    ([a-z_]+) ([a-z]+)", re.MULTILINE)

LEDGER_COLUMNS = {
    "batch_id": "the micro-batch",
    "raw_key": "its raw object in S3",
    "execution": "the execution that dealt with it last",
    "contract": "name of the contract it was read by",
    "contract_digest": "and which version of it",
    "status": "`loaded`; `quarantined`: held back by the checks, no rows; `discarded`: discarded by an operator",
    "messages": "messages in the raw object",
    "read": "readings in these messages; what could not be taken apart counts as one",
    "accepted": "readings that became a row, or would have",
    "duplicates": "readings of the batch that repeat another one of it, by the key",
    "rejected": "readings that could not be a row",
    "set_aside": "messages of other kinds, by the contract's `only`",
    "rejected_by": "readings rejected, by reason; one with several reasons counts under each",
    "inserted": "rows that this load has added",
    "inserted_before": "rows that earlier loads of the same batch have added",
    "loads": "how often the batch was loaded",
    "updated": "rows that were there and that this load has changed",
    "unchanged": "rows that were there and stayed as they were",
    "min_time": "earliest time of a reading in it",
    "max_time": "latest time of a reading in it",
    "loaded_at": "when this row was written",
}
"""What each column of the ledger means; a test sees that none is missing."""

TEXT = """\
# Tables in PostgreSQL

Each pipeline has a table of its own for readings, which follows from [the contract](contract.md).
All pipelines of a database share the ledger. Both are made and brought forward by the migrate
function at each deployment; see [Loading](loading.md) for how rows get in.

{generated}
## The ledger: `etl.ledger`

One row for each micro-batch, written in the transaction that loads its rows. So what it says and
what is in the table are never apart.

{ledger}
Two rules are checked by PostgreSQL itself, and a load that breaks one is rolled back:

* every reading is accounted for: `read = accepted + duplicates + rejected + set_aside`;
* every accepted reading is a row: where `status` is `loaded`,
  `accepted = inserted + updated + unchanged`.

```sql
-- What was rejected today, by reason.
SELECT reason.key, sum(reason.value::bigint)
FROM etl.ledger, jsonb_each_text(rejected_by) AS reason
WHERE loaded_at >= current_date GROUP BY 1 ORDER BY 2 DESC;

-- From a row to the messages it came from: the batches whose readings span its time.
SELECT batch_id, raw_key FROM etl.ledger
WHERE status = 'loaded' AND '2026-11-23 06:30+00' BETWEEN min_time AND max_time;
```

## A table of readings

`contracts/fleet.toml` makes this one:

```sql
{example}
```

| type in the contract | type in PostgreSQL |
|---|---|
{types}
The key is the primary key. `required` columns are `NOT NULL` where the table is new; a column that
is added later never is, for the rows before it have no value. Units and descriptions are comments
in the catalogue, where clients such as pgAdmin show them.

## Roles

| role | may |
|---|---|
| the owner (its secret is the parameter `OwnerSecretArn`) | create schemas, roles and tables; only the migrate function logs in as it |
| the loader (the stack's `LoaderSecret`) | connect, make temporary tables, and read, insert and update the table and the ledger; it can neither delete nor drop |
| the analyst (the stack's `AnalystSecret`) | read the table and what is made for reports beside it: see [Analytics](analytics.md) |
"""


def ledger_columns() -> list[tuple[str, str]]:
    """Name and type of each column, as the statement that creates the ledger has them."""
    return COLUMN.findall(plan_ledger()[1])


def tables_page() -> str:
    """The page, as Markdown."""
    contract = load_contract(EXAMPLE)
    statements = plan_table(contract, None)
    ledger = ([f"`{name}`", kind, LEDGER_COLUMNS.get(name, "")] for name, kind in ledger_columns())
    return TEXT.format(
        generated=generated("layers/shared/telemetry/ddl/"),
        ledger=table(["column", "type", ""], ledger),
        example=";\n".join(statements) + ";",
        types="".join(f"| `{kind}` | {_sql(kind)} |\n" for kind in get_args(ColumnType)),
    )


def _sql(kind: ColumnType) -> str:
    if kind == "decimal":
        return "`numeric(precision, scale)`"
    text = "`" + sql_type(Column(name="value", type=kind, sources=())) + "`"
    return f"{text} with a check of the values" if kind == "enum" else text
