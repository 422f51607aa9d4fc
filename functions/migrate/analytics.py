"""Objects for analysts: read from the catalogue, created, and refreshed."""

# ruff: noqa: S608 - the statements are made of quoted names and literals

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from telemetry.contract import Contract
from telemetry.database import database_errors
from telemetry.ddl.analytics import (
    AnalyticsPlan,
    ExistingAnalytics,
    keeper_names,
    levels_of,
    marks_name,
    plan_analytics,
    service_name,
    view_names,
)
from telemetry.errors import ContractError

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

__all__ = ["bring_up_to_date", "forget_figures", "keep_out_refreshes", "plan_views", "run"]

Result = TypeVar("Result")
SERIES_AT_ONCE = 50_000
"""Whose spans one transaction refreshes: some seconds, in which no load waits."""

_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""


def keep_out_refreshes(cursor: Cursor, contract: Contract) -> None:
    """Waits for a refresh that is at work, and keeps others out until the transaction ends: the
    locks of a migration and of a refresh are taken in different orders."""
    name = service_name(contract, "refreshed")
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (name,))
    [(exists,)] = cursor.fetchall()
    if exists:
        cursor.execute(f"SELECT FROM {name} FOR UPDATE")


def plan_views(cursor: Cursor, contract: Contract, added: frozenset[str]) -> AnalyticsPlan:
    """The plan, from the catalogue. ``added``: see :func:`plan_analytics`."""
    views = {}
    for name in view_names(contract):
        cursor.execute(
            "SELECT to_regclass(%s)::oid, obj_description(to_regclass(%s)::oid, 'pg_class')",
            (name, name),
        )
        [(oid, comment)] = cursor.fetchall()
        if oid is not None:
            views[name] = comment
    kept = {}
    for name in keeper_names(contract):
        cursor.execute("SELECT to_regclass(%s)", (name,))
        [(keeper,)] = cursor.fetchall()
        if keeper is not None:
            cursor.execute(_COLUMNS, (name,))
            kept[name] = tuple((str(column), str(kind)) for column, kind in cursor.fetchall())
    return plan_analytics(contract, ExistingAnalytics(views, kept), added)


def run(cursor: Cursor, statements: Sequence[str]) -> None:
    """Runs them; raises :class:`ContractError` where another view depends on one of ours."""
    from psycopg2 import errors

    try:
        for statement in statements:
            cursor.execute(statement)
    except errors.DependentObjectsStillExist as error:
        raise ContractError(
            "The views have to be recreated, and other views depend on them. Drop those, migrate, "
            f"and create them again: {error.diag.message_detail}"
        ) from error


def forget_figures(connection: Connection, contract: Contract) -> None:
    """Marks everything: all figures will be made from the rows of the table again."""
    if levels_of(contract):
        with database_errors(), connection, connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {marks_name(contract)} DEFAULT VALUES")


def bring_up_to_date(connection: Connection, contract: Contract, seconds: float) -> int:
    """Refreshes marked spans, for so long at most; returns how many marks are left.

    Transaction by transaction, beside loads and other refreshes. Views are right all the while.
    """
    if not levels_of(contract):
        return 0
    deadline = time.monotonic() + seconds
    _in_transaction(connection, contract, deadline, _expanded)
    while time.monotonic() < deadline:
        taken = _in_transaction(connection, contract, deadline, _refreshed)
        if not taken:
            break
    with database_errors(), connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {marks_name(contract)}")
        [(left,)] = cursor.fetchall()
        return int(left)


def _in_transaction(
    connection: Connection,
    contract: Contract,
    deadline: float,
    work: Callable[[Cursor, Contract], Result],
) -> Result | None:
    """Limits the time of a transaction; at the limit it is rolled back."""
    from psycopg2 import errors

    left = max(1, int((deadline - time.monotonic()) * 1000))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {left}")
            return work(cursor, contract)
    except errors.QueryCanceled:
        return None
    except Exception:
        with database_errors():
            raise


def _expanded(cursor: Cursor, contract: Contract) -> None:
    """A mark on each span, in the place of one on everything."""
    span = levels_of(contract)[0].column
    cursor.execute(f"SELECT EXISTS (SELECT FROM {marks_name(contract)} WHERE {span} IS NULL)")
    [(everything,)] = cursor.fetchall()
    if everything:
        keep_out_refreshes(cursor, contract)
        cursor.execute(f"SELECT {service_name(contract, 'expand')}()")


def _refreshed(cursor: Cursor, contract: Contract) -> int | None:
    keep_out_refreshes(cursor, contract)
    cursor.execute(f"SELECT {service_name(contract, 'refresh')}({SERIES_AT_ONCE}, interval '0')")
    [(taken,)] = cursor.fetchall()
    return None if taken is None else int(taken)
