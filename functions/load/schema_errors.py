"""Tells a schema of another version from a statement that PostgreSQL refuses for good.

A deployment migrates the database before it updates the functions, yet both may be of different
versions for a while: functions that were deployed without the migration, a rollback, a table that
an operator changes by hand, a login that does not exist yet. What Load is refused for then is a
:class:`SchemaBehindError`, which is retried, and which the sweep loads after the migration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from telemetry.contract import Contract
from telemetry.ddl import check_name, is_check_of, qualified
from telemetry.errors import DatabaseRefusedError, SchemaBehindError

__all__ = ["SCHEMA_STATES", "require_columns", "require_contract", "schema_errors"]

SCHEMA_STATES = {
    "28000": "the loader's role does not exist or may not log in",
    "28P01": "the loader's role does not exist, or has another password than its secret",
    "3F000": "a schema does not exist",
    "42501": "the loader's role lacks a permission",
    "42703": "a column does not exist",
    "42704": "a type or another object does not exist",
    "42804": "a column has another type",
    "42883": "a function does not exist",
    "42P01": "a table does not exist",
    "42P10": "the table has another primary key",
}
"""Meaning of each SQLSTATE for the database. The migration creates all of these: a role, its
password and permissions, schemas, tables, columns and functions."""
CHECK_VIOLATION = "23514"
_REMEDY = (
    "The migration of a deployment brings them together, and the sweep loads the batch afterwards. "
    "Where no deployment is in progress, deploy again"
)


@contextmanager
def schema_errors(contract: Contract) -> Iterator[None]:
    """Turns a refusal that a migration or a deployment ends into :class:`SchemaBehindError`."""
    try:
        yield
    except DatabaseRefusedError as error:
        reason = SCHEMA_STATES.get(error.sqlstate)
        if error.sqlstate == CHECK_VIOLATION and _is_check_of_another_version(contract, error):
            reason = "the table has the values of another contract's enum"
        if reason is None:
            raise
        raise SchemaBehindError(
            f"{reason[0].upper()}{reason[1:]}: the database does not match this version of the "
            f"functions. {_REMEDY}. "
            f"({error})"
        ) from error


def require_columns(contract: Contract, columns: Sequence[str]) -> None:
    """Raises :class:`SchemaBehindError` for columns that the contract does not have: Transform was
    of another version."""
    unknown = sorted(set(columns) - {column.name for column in contract.columns})
    if unknown:
        raise SchemaBehindError(
            f"Transform and Load are of different versions: the contract {contract.name!r} of Load "
            f"has no column {', '.join(unknown)}, so {qualified(contract)} got no rows. {_REMEDY}."
        )


def require_contract(contract: Contract, name: str) -> None:
    """Raises :class:`SchemaBehindError` where Transform has processed the batch under a contract of
    another name: one of the pipeline's was added or removed since."""
    if name != contract.name:
        raise SchemaBehindError(
            f"Transform and Load are of different versions: the batch was processed under the "
            f"contract {name!r}, and Load has {contract.name!r} for it, so "
            f"{qualified(contract)} got no rows. {_REMEDY}."
        )


def _is_check_of_another_version(contract: Contract, error: DatabaseRefusedError) -> bool:
    """True if an enum's constraint refused a value that this contract has."""
    violated = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""
    return any(
        is_check_of(column, violated) and not (column.values and check_name(column) == violated)
        for column in contract.columns
    )
