"""Athena over the Parquet zone: a table with partition projection, a view with each key once."""

# ruff: noqa: S608 - all names in the statements are plain identifiers by the contract's rules

from __future__ import annotations

from telemetry.contract import Contract
from telemetry.contract.model import Column
from telemetry.layout import PARTITION, clean_prefix

__all__ = ["athena_statements"]

FIRST_DAY = "2020-01-01"
"""First day of the partition projection; Athena asks S3 for no day before it."""
_TYPES = {
    "text": "string",
    "enum": "string",
    "jsonb": "string",
    "smallint": "smallint",
    "integer": "int",
    "bigint": "bigint",
    "real": "float",
    "float": "double",
    "boolean": "boolean",
    "timestamp": "timestamp",
}


def athena_statements(
    contract: Contract, bucket: str, *, since: str = FIRST_DAY, key_name: str | None = None
) -> list[str]:
    """CREATE statements of the table ``<table>_zone`` and the view ``<table>``.

    ``key_name``: the contract's name in keys; ``None`` for a pipeline's first one.
    """
    folder = f"s3://{bucket}/{clean_prefix(key_name)}"
    return [_table(contract, folder, since), _view(contract)]


def _table(contract: Contract, folder: str, since: str) -> str:
    columns = ",\n".join(f"  `{column.name}` {_type(column)}" for column in contract.columns)
    return f"""\
CREATE EXTERNAL TABLE `{contract.table}_zone` (
{columns}
)
PARTITIONED BY (`{PARTITION}` string)
STORED AS PARQUET
LOCATION '{folder}'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.{PARTITION}.type' = 'date',
  'projection.{PARTITION}.format' = 'yyyy-MM-dd',
  'projection.{PARTITION}.range' = '{since},NOW',
  'storage.location.template' = '{folder}{PARTITION}=${{{PARTITION}}}/'
)"""


def _view(contract: Contract) -> str:
    names = ", ".join(f'"{column.name}"' for column in contract.columns)
    key = ", ".join(f'"{name}"' for name in contract.key)
    first = f'"{contract.greatest}" DESC NULLS LAST, ' if contract.greatest else ""
    return f"""\
CREATE OR REPLACE VIEW "{contract.table}" AS
SELECT {names}, "{PARTITION}"
FROM (
  SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY {first}"$path") AS nth
  FROM "{contract.table}_zone"
)
WHERE nth = 1"""


def _type(column: Column) -> str:
    if column.type == "decimal":
        return f"decimal({column.precision},{column.scale})"
    return _TYPES[column.type]
