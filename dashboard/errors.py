"""What a person reads where something could not be had: a sentence, and what to do next."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

from etl.operations.escaping import escape_text

__all__ = ["Trouble", "trouble_of"]

Kind = Literal["database", "slow", "aws", "stack", "asked", "bug"]
LONGEST = 400
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trouble:
    """Something that could not be had."""

    kind: Kind
    title: str
    detail: str = ""
    hint: str = ""
    """What to do next; backticks mark what to type."""


def trouble_of(error: Exception) -> Trouble:  # noqa: PLR0911 - one return for each kind
    """The trouble for an exception; what is not expected is logged with its traceback."""
    import psycopg2
    from botocore.exceptions import BotoCoreError, ClientError

    from etl.aws.target import NoStackError
    from telemetry.errors import UserError

    detail = escape_text(" ".join(str(error).split()))[:LONGEST]
    if isinstance(error, psycopg2.errors.QueryCanceled):
        return Trouble("slow", "PostgreSQL took too long", "", "Ask for less: a shorter time.")
    if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
        hint = "On this machine: `etl down`, then `etl up`. In AWS: is it reachable from here?"
        return Trouble("database", "PostgreSQL can't be reached", detail, hint)
    if isinstance(error, psycopg2.errors.UndefinedTable | psycopg2.errors.InvalidSchemaName):
        return Trouble("database", "The table is not there yet", detail, "`etl up` makes it.")
    if isinstance(error, psycopg2.Error):
        return Trouble("database", "PostgreSQL refused a question", detail)
    if isinstance(error, NoStackError):
        return Trouble("stack", "There is no such stack", detail)
    if isinstance(error, UserError):
        return Trouble("asked", detail)
    if isinstance(error, ClientError):
        title = f"AWS refused {error.operation_name}"
        return Trouble("aws", title, detail, "Is the stack deployed, and may you look at it?")
    if isinstance(error, BotoCoreError):
        hint = "On this machine: does `etl status` answer? In AWS: network and login."
        return Trouble("aws", "AWS can't be reached", detail, hint)
    log.error("not expected", exc_info=error)
    return Trouble("bug", f"Something broke: {type(error).__name__}", detail)
