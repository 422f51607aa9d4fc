"""Makes an envelope, one line of a raw object, of an SQS message. Pure; takes any text.

The topic rule writes ``{"payload": base64, "topic", "client_id", "received_at"}``, and that of a
further contract also ``"contract"``, its name. A body that is anything else (a tool wrote to the
queue, the rule was changed) is kept whole as the payload, so that Transform rejects it with a
reason and nothing is lost.
"""

from __future__ import annotations

import binascii
import json
from typing import Any, NamedTuple

from telemetry.layout import is_contract_name

__all__ = ["Envelope", "envelope_line", "read_envelope"]

_MEMBERS = frozenset({"payload", "topic", "client_id", "received_at"})
_LARGEST = 2**63 - 1
"""Milliseconds since 1970 that a 64-bit reader can still hold."""


class Envelope(NamedTuple):
    """A message as a line of a raw object, and whose raw object that is."""

    line: bytes
    """JSON with its line feed: ASCII, always the same five members."""
    contract: str | None
    """Name of the further contract whose rule the message came by; ``None``: of the first one."""


def envelope_line(message_id: str, body: str) -> bytes:
    """The line of :func:`read_envelope`."""
    return read_envelope(message_id, body).line


def read_envelope(message_id: str, body: str) -> Envelope:
    """The message's envelope, whatever its body is."""
    found = _from_rule(body)
    contract = None if found is None else found.pop("contract")
    envelope = found or {
        "topic": None,
        "client_id": None,
        "received_at": None,
        # SQS only takes valid Unicode; a lone surrogate could come from somewhere else.
        "payload": _base64(body.encode("utf-8", "surrogatepass")),
    }
    line = json.dumps({"message_id": message_id, **envelope}, separators=(",", ":"))
    return Envelope(line.encode("ascii") + b"\n", contract)


def _from_rule(body: str) -> dict[str, Any] | None:
    """The envelope that a topic rule wrote, or ``None`` where it wasn't one of the rules.

    ``contract`` is ``None`` where the rule doesn't write it.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not content.keys() >= _MEMBERS:
        return None
    payload = _canonical(content["payload"])
    if payload is None or not (_is_text(content["topic"]) and _is_text(content["client_id"])):
        return None
    if not _is_time(content["received_at"]):
        return None
    if "contract" in content and not _is_name(content["contract"]):
        return None
    return {
        "topic": content["topic"],
        "client_id": content["client_id"],
        "received_at": content["received_at"],
        "payload": payload,
        "contract": content.get("contract"),
    }


def _canonical(payload: object) -> str | None:
    """The base64 text in its one canonical form: readers differ in what else they accept."""
    if not isinstance(payload, str):
        return None
    try:
        return _base64(binascii.a2b_base64(payload, strict_mode=True))
    except ValueError:  # also what non-ASCII text raises
        return None


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _is_text(value: object) -> bool:
    """True if it is a text that UTF-8 can hold, or null."""
    if not isinstance(value, str):
        return value is None
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate, escaped in the JSON
        return False
    return True


def _is_time(value: object) -> bool:
    """True if it is a 64-bit whole number, or null."""
    if not isinstance(value, int) or isinstance(value, bool):
        return value is None
    return -_LARGEST <= value <= _LARGEST


def _is_name(value: object) -> bool:
    """True if it is a text that may name a contract."""
    return isinstance(value, str) and is_contract_name(value)
