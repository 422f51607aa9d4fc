"""Payloads of other formats than JSON again, plainly, by docs/contract.md and the formats' libraries.

It shares no code with the transform. Numbers become :class:`Spelled` texts, as of JSON.
"""

from __future__ import annotations

import base64
import csv
import io
import math
from collections.abc import Callable
from typing import Any

import cbor2
import msgpack

from telemetry.contract import Contract

Json = Callable[[str], Any]
TAGS = {tag: lambda value, immutable: value for tag in range(1100)}
BAD = object()
"""Stands for a payload that can't be decoded."""


class Faulty(str):
    """A line that can't be read, by its reason."""


def decoded(payload: bytes, contract: Contract, read_json: Json) -> Any:
    """The JSON value of a payload, or the reason why there is none as a :class:`Faulty`."""
    if contract.format in ("cbor", "msgpack"):
        found = _binary(payload, contract.format)
        return Faulty(f"format:{contract.format}") if found is BAD else found
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return Faulty("not_utf8")
    if contract.format == "ndjson":
        return _ndjson(text, read_json)
    if contract.format == "csv":
        return _csv(text, contract)
    return {"value": text.strip(" \t\r\n")}


def _ndjson(text: str, read_json: Json) -> Any:
    found: list[Any] = []
    for line in text.split("\n"):
        if not line.strip(" \t\r\n"):
            continue
        try:
            found.append(read_json(line))
        except ValueError:
            found.append(Faulty("not_json"))
    return found or Faulty("format:ndjson")


def _csv(text: str, contract: Contract) -> Any:
    file = io.StringIO(text.removeprefix("\ufeff"), newline="")
    try:
        rows = [row for row in csv.reader(file, delimiter=contract.delimiter, strict=True) if row]
    except csv.Error:
        return Faulty("format:csv")
    if not rows:
        return Faulty("format:csv")
    if contract.fields:
        return rows
    names = [name.strip() for name in rows[0]]
    found: list[Any] = []
    for row in rows[1:]:
        members: dict[str, str] = {}
        for name, value in zip(names, row, strict=False):
            members.setdefault(name, value)
        found.append(Faulty("too_many_fields") if len(row) > len(names) else members)
    return found


def _binary(payload: bytes, name: str) -> Any:
    try:
        if name == "msgpack":
            return _plain(msgpack.unpackb(payload, object_pairs_hook=_pairs, strict_map_key=False))
        return _plain(_cbor(payload))
    except (ValueError, TypeError, msgpack.exceptions.UnpackException, cbor2.CBORDecodeError):
        return BAD


def _cbor(payload: bytes) -> Any:
    """The one item of a payload, its tags left out."""
    file = io.BytesIO(payload)
    decoder = cbor2.CBORDecoder(file, allow_duplicate_keys=False, semantic_decoders=TAGS)
    found = decoder.decode()
    try:
        decoder.read(1)
    except cbor2.CBORDecodeEOF:
        return found
    raise ValueError("something behind it")


def _pairs(pairs: list[Any]) -> dict[Any, Any]:
    if len({_key(key) for key, _ in pairs}) < len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def _key(key: Any) -> str:
    if isinstance(key, bool) or key is None:
        return {True: "true", False: "false", None: "null"}[key]
    plain = _plain(key)
    return str(plain)


def _plain(value: Any) -> Any:
    from tests.property.reference import Spelled

    if isinstance(value, dict):
        names = [_key(key) for key in value]
        if len(set(names)) < len(names):
            raise ValueError("a key twice")
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return base64.urlsafe_b64encode(value).decode().rstrip("=")
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Spelled(repr(value))
    if value is cbor2.undefined:
        return None
    if value is None or isinstance(value, str | bool):
        return value
    raise ValueError(value)
