"""Makes an envelope, one line of a raw object, of an SQS message. Pure; takes any text.

The topic rule writes ``{"payload": base64, "topic", "client_id", "received_at"}``, and that of a
further contract also ``"contract"``, its name. A body that is anything else (a tool wrote to the
queue, the rule was changed) is kept whole as the payload, so that Transform rejects it with a
reason and nothing is lost.

Nearly all of a body is its payload, and a payload that is canonical base64 already is copied
unparsed, in a fifth of the time that reading and writing it as JSON and as base64 takes (11 us
instead of 60 for 50 readings). Any other body is parsed as a whole, with the same result.
"""

from __future__ import annotations

import binascii
import json
from typing import Any, NamedTuple

from telemetry.layout import is_contract_name

__all__ = ["Envelope", "envelope_line", "read_envelope"]

_OTHER_MEMBERS = frozenset({"topic", "client_id", "received_at"})
_MEMBERS = _OTHER_MEMBERS | {"payload"}
_LARGEST = 2**63 - 1
"""Milliseconds since 1970 that a 64-bit reader can still hold."""
_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BEGINNINGS = ('{"payload":"', '{"payload": "')
"""Beginnings of a rule's body, whose members stand in the order of the rule's SELECT."""

_to_json = json.JSONEncoder(separators=(",", ":")).encode
"""``json.dumps`` would make an encoder for each message."""


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
    payload, content = _split(body) or _parse(body)
    if content is None:
        # SQS only takes valid Unicode; a lone surrogate could come from somewhere else.
        payload, content = _base64(body.encode("utf-8", "surrogatepass")), {}
    head = {
        "message_id": message_id,
        "topic": content.get("topic"),
        "client_id": content.get("client_id"),
        "received_at": content.get("received_at"),
    }
    line = b'%b,"payload":"%b"}\n' % (_to_json(head)[:-1].encode("ascii"), payload)
    return Envelope(line, content.get("contract"))


def _split(body: str) -> tuple[bytes, dict[str, Any]] | None:
    """A rule's canonical payload and the other members, without parsing the payload.

    ``None`` where :func:`_parse` has to look: the payload is not the first member, is written in
    another form or a second time, or the body is none of a rule's.
    """
    if not body.startswith(_BEGINNINGS):
        return None
    start = body.index('"', len('{"payload":')) + 1
    end = body.find('"', start)  # ten times as fast as it is to look for two characters
    if end < 0 or body[end + 1 : end + 2] != ",":
        return None
    payload = _if_canonical(body[start:end])
    if payload is None:
        return None
    content = _from_rule("{" + body[end + 2 :], _OTHER_MEMBERS)
    return None if content is None or "payload" in content else (payload, content)


def _if_canonical(payload: str) -> bytes | None:
    """The payload where it is base64 in its canonical form, otherwise ``None``."""
    if len(payload) % 4 or not payload.isascii():
        return None
    encoded = payload.encode("ascii")
    padding = encoded.translate(None, _DIGITS)
    last = encoded[-4:]
    if padding not in (b"", b"=", b"==") or not encoded.endswith(padding):
        return None
    # The bits of the last digit that no byte takes must be zero.
    if padding and binascii.b2a_base64(binascii.a2b_base64(last), newline=False) != last:
        return None
    return encoded


def _parse(body: str) -> tuple[bytes, dict[str, Any] | None]:
    """The payload, in its canonical form, and all members; ``None`` where no rule wrote them."""
    content = _from_rule(body, _MEMBERS)
    payload = None if content is None else _canonical(content["payload"])
    return (b"", None) if payload is None else (payload, content)


def _from_rule(text: str, members: frozenset[str]) -> dict[str, Any] | None:
    """The members that a topic rule wrote, or ``None`` where it wasn't one of the rules."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not content.keys() >= members:
        return None
    if not (_is_text(content["topic"]) and _is_text(content["client_id"])):
        return None
    if not _is_time(content["received_at"]):
        return None
    return None if "contract" in content and not _is_name(content["contract"]) else content


def _canonical(payload: object) -> bytes | None:
    """The base64 text in its one canonical form: readers differ in what else they accept."""
    if not isinstance(payload, str):
        return None
    try:
        return _base64(binascii.a2b_base64(payload, strict_mode=True))
    except ValueError:  # also what non-ASCII text raises
        return None


def _base64(data: bytes) -> bytes:
    return binascii.b2a_base64(data, newline=False)


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
