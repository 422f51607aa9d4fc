"""Takes a device's payload out of what a recorder wrote around it.

=================  ===============================================================================
raw object in S3   ``message_id``, ``topic``, ``client_id``, ``received_at``, ``payload`` in base64
mosquitto_sub      ``-F %j`` and ``%J``: ``tst``, ``topic``, ``qos``, ``retain``, ``payload``
Node-RED           ``topic``, ``payload``, ``_msgid``; a buffer is ``{"type": "Buffer", "data"}``
AWS IoT            the test client's export: ``format``, ``topic``, ``timestamp``, ``payload``
=================  ===============================================================================
"""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime
from typing import Any

from etl.authoring.samples.message import Message
from functions.transform.careful import parse
from functions.transform.extraction_plan import NOT_A_VALUE
from functions.transform.jsontext import json_text

__all__ = ["message_of"]

ENVELOPE = {"payload", "topic", "client_id", "received_at"}
"""Members of an envelope of the topic rule; raw objects in S3 have ``message_id`` as well."""
AROUND = {
    "tst", "timestamp", "time", "ts", "date", "qos", "retain", "retained", "payloadlen", "mid",
    "dup", "properties", "expiry", "_msgid", "format", "clientid", "clientId", "client_id",
    "messageId", "message_id", "id", "arrived", "received", "receivedAt", "received_at",
    "contentType",
}  # fmt: skip
"""Members that recorders write beside topic and payload."""
_OFFSET_AFTER_Z = re.compile(r"Z(?=[+-]\d{4}$)")


def message_of(line: bytes) -> tuple[Message, str]:
    """The message in a line, and the kind of the recording it is in; "" for a bare message."""
    if b'"payload"' not in line or b'"topic"' not in line:
        return Message(line), ""
    try:
        found = parse(line.decode())
    except (ValueError, RecursionError):
        return Message(line), ""
    if not isinstance(found, dict):
        return Message(line), ""
    if found.keys() - {"message_id", "forgotten"} == ENVELOPE:
        enveloped = _enveloped(line)
        return (Message(line), "") if enveloped is None else (enveloped, "raw objects")
    if found.keys() - AROUND == {"topic", "payload"} and isinstance(found["topic"], str):
        return _recorded(found), _recorder(found)
    return Message(line), ""


def _enveloped(line: bytes) -> Message | None:
    """The message in an envelope; ``None`` for a line that is not an envelope."""
    try:
        found: dict[str, Any] = json.loads(line)
        payload = base64.b64decode(found["payload"], validate=True)
    except (ValueError, TypeError):
        return None
    texts = [found.get(name) for name in ("topic", "client_id", "message_id")]
    received = found["received_at"]
    if any(text is not None and not isinstance(text, str) for text in texts):
        return None
    if received is not None and type(received) is not int:
        return None
    topic, client, number = texts
    return Message(payload, topic, client, received, number)


def _recorder(found: dict[str, Any]) -> str:
    if found.keys() & {"tst", "payloadlen"}:
        return "a recording of mosquitto_sub"
    if "_msgid" in found:
        return "a recording of Node-RED"
    if "format" in found:
        return "an export of the AWS IoT test client"
    return "a recording with topics"


def _recorded(found: dict[str, Any]) -> Message:
    client = next((found[n] for n in ("client_id", "clientid", "clientId") if n in found), None)
    when = next((found[n] for n in ("tst", "received_at", "timestamp") if n in found), None)
    client = str(client) if isinstance(client, str) else None
    return Message(_payload(found["payload"]), str(found["topic"]), client, _millis(when))


def _payload(value: Any) -> bytes:
    """The payload as the device sent it; a JSON value keeps the spelling of its numbers."""
    if type(value) is str:
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, dict) and value.get("type") == "Buffer":
        try:
            return bytes(int(number) for number in value["data"])
        except (KeyError, TypeError, ValueError):
            pass
    text = json_text(value)
    return (json.dumps(value) if text in (None, NOT_A_VALUE) else str(text)).encode()


def _millis(value: Any) -> int | None:
    """Epoch milliseconds of a recorder's time; ``None`` where it isn't known."""
    if value is None:
        return None
    text = str(value)
    try:
        if text.isdecimal():
            return int(text) if len(text) >= 12 else int(text) * 1000
        moment = datetime.fromisoformat(_OFFSET_AFTER_Z.sub("", text))
        return None if moment.tzinfo is None else int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
