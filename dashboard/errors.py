"""Errors as a page shows them: a headline, what to do next, and the service's own text below."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

from etl.operations.escaping import escape_text

__all__ = ["PageError", "page_error"]

Kind = Literal["database", "slow", "aws", "stack", "request", "bug"]
LONGEST_DETAIL = 400
DIED = (
    "`etl status` says what died, when and why. A server that died is started again by itself, on "
    "the same data; where nothing runs any more, `etl up` starts all of it, on the same data."
)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PageError:
    """An error in a user's words."""

    kind: Kind
    title: str
    """The headline: what is wrong."""
    detail: str = ""
    """Text of the service that failed."""
    hint: str = ""
    """The next step for the reader; backticks mark what to type."""
    laptop_hint: str = ""
    """The next step where the pipeline runs on this machine; empty: the same."""

    def advice(self, *, on_laptop: bool) -> str:
        """The hint for a pipeline on this machine, or for one in AWS."""
        return (self.laptop_hint or self.hint) if on_laptop else self.hint


def page_error(error: Exception) -> PageError:  # noqa: PLR0911 - one return for each kind
    """The page's error for an exception; one that is not expected is logged with its traceback."""
    import psycopg2
    from botocore.exceptions import BotoCoreError, ClientError

    from etl.aws.target import NoStackError
    from telemetry.errors import UserError

    detail = escape_text(" ".join(str(error).split()))[:LONGEST_DETAIL]
    if isinstance(error, psycopg2.errors.QueryCanceled):
        hint = "Choose a shorter time range or a narrower filter."
        return PageError("slow", "The query reached its time limit", "", hint)
    if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
        hint = "Check that the database is available and that this machine can connect to it."
        return PageError("database", "PostgreSQL can't be reached", detail, hint, DIED)
    if isinstance(error, psycopg2.errors.UndefinedTable | psycopg2.errors.InvalidSchemaName):
        title = "The table does not exist yet"
        hint, laptop_hint = "Run `etl deploy` to create it.", "Run `etl up` to create it."
        return PageError("database", title, detail, hint, laptop_hint)
    if isinstance(error, psycopg2.Error):
        return PageError("database", "The database query failed", detail)
    if isinstance(error, NoStackError):
        return PageError("stack", "The stack does not exist", "", detail)
    if isinstance(error, UserError):
        return PageError("request", detail)
    if isinstance(error, ClientError):
        title = f"The AWS request {error.operation_name} failed"
        hint = "Check that the stack is deployed and that your role allows this request."
        return PageError("aws", title, detail, hint)
    if isinstance(error, BotoCoreError):
        hint = "Check your network and your login."
        return PageError("aws", "AWS can't be reached", detail, hint, DIED)
    log.error("unexpected error", exc_info=error)
    title = f"Unexpected error in the control room: {type(error).__name__}"
    return PageError("bug", title, detail, "The output of `etl dashboard` has details.")
