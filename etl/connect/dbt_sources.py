"""dbt's sources of a contract: its table with tests for each column, and its views.

A contract holds these rules before a row is loaded, so a test of dbt that fails shows a row that
someone wrote by hand, or one from before the contract had the rule.
"""

from __future__ import annotations

import math
from typing import Any

from telemetry.contract.model import Column, Contract
from telemetry.ddl import sql_type
from telemetry.ddl.analytics.views import View, views_of

__all__ = ["described", "source_name", "sources", "unique_together"]

DEFAULT_AGE_MINUTES = 60
"""Age of the last load at which dbt warns, where the contract has no ``max_age_minutes``."""
ERROR_TIMES = 24
"""Multiple of that age at which ``dbt source freshness`` fails."""
Test = str | dict[str, Any]


def sources(contract: Contract) -> dict[str, Any]:
    """The file's content: one source, named like the contract."""
    tables = [_table(contract), *(_view(contract, view) for view in views_of(contract))]
    source = {
        "name": source_name(contract),
        "schema": contract.schema,
        "description": described(contract.description),
        "tables": tables,
    }
    return {"sources": [source]}


def source_name(contract: Contract) -> str:
    """The contract's name, as models write it."""
    return contract.name.replace("-", "_")


def described(text: str) -> str:
    """The text as a description: dbt takes two braces for Jinja."""
    for mark in ("{{", "}}", "{%", "%}", "{#", "#}"):
        text = text.replace(mark, " ".join(mark))
    return text.strip()


def unique_together(columns: tuple[str, ...]) -> Test:
    """The test that no two rows have the same values in these columns."""
    return {"unique_together": {"arguments": {"columns": list(columns)}}}


def _table(contract: Contract) -> dict[str, Any]:
    tests: list[Test] = [unique_together(contract.key)] if len(contract.key) > 1 else []
    return {
        "name": contract.table,
        "description": described(contract.description),
        **({"data_tests": tests} if tests else {}),
        "columns": [_column(contract, column) for column in contract.columns],
    }


def _column(contract: Contract, column: Column) -> dict[str, Any]:
    unit = f" [{column.unit}]" if column.unit else ""
    tests = list(_tests(contract, column))
    return {
        "name": column.name,
        "quote": True,
        "description": described(f"{column.description}{unit}"),
        "data_type": sql_type(column),
        **({"data_tests": tests} if tests else {}),
    }


def _tests(contract: Contract, column: Column) -> list[Test]:
    found: list[Test] = []
    if column.required or column.name in contract.key:
        found.append("not_null")
    if contract.key == (column.name,):
        found.append("unique")
    values = [value for value, _ in column.values]
    # dbt would take braces in an argument for Jinja.
    if values and not any("{" in value for value in values):
        found.append({"accepted_values": {"arguments": {"values": values}}})
    limits = {
        name: limit
        for name, limit in zip(("least", "greatest"), column.range, strict=True)
        if limit is not None and math.isfinite(limit)
    }
    if limits:
        found.append({"in_range": {"arguments": limits}})
    return found


def _view(contract: Contract, view: View) -> dict[str, Any]:
    name = view.name.rpartition(".")[2].strip('"')
    found: dict[str, Any] = {"name": name, "description": view.about}
    if name == f"{contract.table}_quality":
        found["config"] = {"freshness": _freshness(contract), "loaded_at_field": "loaded_at"}
    columns = [{"name": one, "description": described(about)} for one, about in view.comments]
    return {**found, "columns": columns}


def _freshness(contract: Contract) -> dict[str, Any]:
    """Freshness by the ledger: the time of the last load, whatever the clocks of devices say."""
    minutes = max(1, round(contract.checks.max_age_minutes or DEFAULT_AGE_MINUTES))
    return {
        "warn_after": {"count": minutes, "period": "minute"},
        "error_after": {"count": minutes * ERROR_TIMES, "period": "minute"},
        "filter": "status = 'loaded'",
    }
