"""Times of arrival in a check: the recording's own, or one millisecond for all messages.

A sample without times of arrival tells nothing about how late its readings came, so limits on that
are not judged. Messages that share a millisecond may happen, and show a key that relies on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from etl.authoring.draft import counted
from etl.authoring.samples import Message
from telemetry.contract import Column, Contract

__all__ = ["arrival_notes", "without_age_limits"]


def without_age_limits(contract: Contract, messages: Sequence[Message]) -> Contract:
    """The contract; without limits for late and future times where an arrival is not known."""
    if not _unknown(messages) or not _limited(contract):
        return contract
    columns = (replace(column, max_age=None, max_future=None) for column in contract.columns)
    return replace(contract, columns=tuple(columns))


def arrival_notes(contract: Contract, messages: Sequence[Message]) -> list[str]:
    """Sentences on what the check can't know, and on a key that relies on arrival alone."""
    notes = []
    unknown = _unknown(messages)
    by_arrival = any(_is(column, "received_at") for column in contract.columns)
    if unknown and by_arrival:
        notes.append(
            f"{counted(unknown, 'message')} without a time of arrival: taken to arrive in the same "
            "millisecond"
        )
    if unknown and _limited(contract):
        notes.append(
            f"not judged, as the sample has no times of arrival: {', '.join(_limited(contract))}"
        )
    key = [contract.column(name) for name in contract.key]
    alone = [c.name for c in key if _is(c, "received_at") and len(c.sources) == 1]
    if alone and not any(_is(column, "message_id") for column in key):
        notes.append(
            f"the key has no time but that of arrival ({', '.join(alone)}): two readings of one "
            "device in the same millisecond are a conflict, and a message that is sent again is "
            "another row; use a time of measurement, or add $message_id to the key"
        )
    return notes


def _unknown(messages: Sequence[Message]) -> int:
    return sum(message.received_at is None for message in messages)


def _limited(contract: Contract) -> list[str]:
    """The limits for late and future times, as they are written in the contract."""
    limits = [("max_age", c.name, c.max_age) for c in contract.columns]
    limits += [("max_future", c.name, c.max_future) for c in contract.columns]
    return [f"{limit} of {name}" for limit, name, value in limits if value is not None]


def _is(column: Column, member: str) -> bool:
    return any(s.scope == "envelope" and s.path == (member,) for s in column.sources)
