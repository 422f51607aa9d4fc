"""The device that a rejected or conflicting reading is of, as the contract's key names it.

The client that published may be a gateway. The column of the key that names the device says where
the name is: in the reading, its message, or the topic. A message that can't be read, or has no such
member, is of the device that its certificate proves, the client id.
"""

from __future__ import annotations

import json
from typing import Any

from functions.transform.parts import member
from telemetry.contract import Contract
from telemetry.contract.model import MemberPath, Source

__all__ = ["DeviceNames"]


class DeviceNames:
    """Finds the names; keeps the last message parsed, as its rejects follow each other."""

    def __init__(self, contract: Contract) -> None:
        """The contract describes the messages that the rejects are of."""
        device = contract.device_column
        self._sources = () if device is None else contract.column(device).sources
        self._payload: bytes | None = None
        self._message: Any = None

    def find(
        self, topic: str | None, client_id: str | None, reading: str | None, payload: bytes | None
    ) -> str | None:
        """The device's name; the client id where none is found, ``None`` where that is missing."""
        for source in self._sources:
            name = self._value(source, topic, client_id, reading, payload)
            if name not in (None, ""):
                return name
        return client_id

    def _value(
        self,
        source: Source,
        topic: str | None,
        client_id: str | None,
        reading: str | None,
        payload: bytes | None,
    ) -> str | None:
        if source.scope == "constant":
            return str(source.path[0])
        if source.scope == "envelope":
            return _of_envelope(source.path, topic, client_id)
        if source.scope == "reading" and reading is not None:
            return _member(_parsed(reading), source.path)
        if source.scope in ("reading", "message"):
            return _member(self._parsed_message(payload), source.path)
        return None

    def _parsed_message(self, payload: bytes | None) -> Any:
        if payload is not self._payload:
            self._payload, self._message = payload, _parsed(payload or b"")
        return self._message


def _of_envelope(path: MemberPath, topic: str | None, client_id: str | None) -> str | None:
    if path == ("client_id",):
        return client_id
    if path[0] != "topic" or topic is None:
        return None
    if len(path) == 1:
        return topic
    try:
        return topic.split("/")[int(path[1])]
    except IndexError:
        return None


def _parsed(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _member(document: Any, path: MemberPath) -> str | None:
    document = member(document, path)
    if isinstance(document, bool) or not isinstance(document, str | int | float):
        return None
    return str(document)
