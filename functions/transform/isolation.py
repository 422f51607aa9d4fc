"""An error in our own code costs the message that it happens on, not the batch.

A run of messages is cleaned in bulk; if that raises, carefully; if that raises too, each half of
the run by itself, down to the message that can't be read. That one becomes a reject
``unreadable:<error>`` and is kept as it was sent. Devices can send any bytes, so the error is ours:
it is logged with its traceback and counted in ``MessagesUnreadable``, which has an alarm.

What comes after, of all messages together (one row per key, the objects to be written), is done
again without the messages on which it raises alone: see ``bodies``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import polars as pl

from telemetry.errors import TelemetryError
from telemetry.logs import log

__all__ = ["OUR_ERRORS", "UNREADABLE", "Unreadable", "is_isolated", "isolated", "unreadable"]

T = TypeVar("T")

UNREADABLE = "unreadable"
"""Kind of the reasons of messages on which our own code raised an error."""
OUR_ERRORS = (Exception, pl.exceptions.PanicException)
"""Errors that may be a message's; a panic of polars is no ``Exception``."""


class Unreadable(str):
    """Reason of a message on which our code raised an error: ``unreadable:<error>``."""

    __slots__ = ()


def is_isolated(error: BaseException) -> bool:
    """False for errors not due to a message: a wrong contract, an outage, too little memory.

    A library that is missing, or built for another machine, is missing for every message: as
    rejects they would all be lost from the table, as a batch that fails they are loaded once it
    is there.
    """
    return not isinstance(error, TelemetryError | MemoryError | ImportError)


def unreadable(error: BaseException, message_id: str | None) -> Unreadable:
    """The reason for an error, which is logged. Raises the error if it isn't one of a message."""
    if not is_isolated(error):
        raise error
    log.error("A message can't be read", message_id=message_id, exc_info=error)
    return Unreadable(f"{UNREADABLE}:{type(error).__name__}")


def isolated(
    run: pl.DataFrame, work: Callable[[pl.DataFrame, bool], T], *, bulk: bool
) -> Iterator[tuple[pl.DataFrame, T | Unreadable]]:
    """Results of ``work(messages, bulk)`` on the run, or on parts of it, in the order of the run.

    Where it raises on a single message, the reason for that stands in place of a result.
    """
    try:
        found: T | Unreadable = work(run, bulk)
    except OUR_ERRORS as error:
        if not is_isolated(error) or not run.height:
            raise
        if bulk:
            log.error(
                "Reading many messages at a time failed: they are read one by one", exc_info=error
            )
            parts, found = [run], Unreadable()
        elif run.height > 1:
            half = run.height // 2
            parts, found = [run.head(half), run.slice(half)], Unreadable()
        else:
            parts, found = [], unreadable(error, run["message_id"][0])
    else:
        parts = []
    if not parts:
        yield run, found
    for part in parts:
        yield from isolated(part, work, bulk=False)
