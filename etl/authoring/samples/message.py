"""One message of a sample, and the error of a file that has none."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.errors import UserError

__all__ = ["Message", "SampleError"]


class SampleError(UserError):
    """Raised when a sample can't be read; the message says what is wrong with the file."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message as a device sent it, with the rest of its envelope where that is known."""

    payload: bytes
    topic: str | None = None
    client_id: str | None = None
    received_at: int | None = None
    """Epoch milliseconds."""
    message_id: str | None = None
