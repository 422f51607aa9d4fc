"""CBOR and MessagePack by the ``cbor2`` and ``msgpack`` libraries, where they leave no doubt.

The readers in :mod:`cbor` and :mod:`message_pack` define what a payload stands for. The libraries
are more than twice as fast, and agree wherever a payload has plain values and keys that are texts,
each once. At anything else (a tag, an extension, a key of another kind, an error) there is no
result here, and the definition decides.
"""

from __future__ import annotations

from io import BytesIO
from json.encoder import encode_basestring
from typing import Any

from functions.transform.formats.binary import base64_string, float_text

__all__ = ["cbor_text", "message_pack_text"]

LEVELS = 50
"""Arrays and maps within each other that are read here: fewer than the definition takes."""
TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 100, 256, 258, 260, 261, 1004, 43000, 55799)
"""Tags of CBOR that the library has decoders of its own for."""


class DoubtError(Exception):
    """Raised where the definition has to decide."""


def cbor_text(payload: bytes) -> str | None:
    """The JSON of one item; ``None`` where the definition has to decide."""
    from cbor2 import CBORDecodeEOF, CBORDecoder

    try:
        decoder = CBORDecoder(
            BytesIO(payload),
            tag_hook=_doubt,
            semantic_decoders=dict.fromkeys(TAGS, _doubt),
            max_depth=LEVELS,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        )
        text = _text(decoder.decode(), 0)
    except Exception:  # whatever it is, the definition finds the reason
        return None
    try:
        decoder.read(1)
    except CBORDecodeEOF:
        return text
    return None


def message_pack_text(payload: bytes) -> str | None:
    """The JSON of one value; ``None`` where the definition has to decide."""
    from msgpack import unpackb

    try:
        found = unpackb(payload, object_pairs_hook=_members, ext_hook=_doubt, strict_map_key=True)
        return _text(found, 0)
    except Exception:  # whatever it is, the definition finds the reason
        return None


def _doubt(*_: Any) -> Any:
    raise DoubtError


def _members(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """The map of these pairs, each key once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise DoubtError
    return found


def _text(value: Any, level: int) -> str:
    """The JSON of a plain value."""
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is float:
        return float_text(value)
    if kind is int:
        return str(value)
    if kind is dict:
        return _object(value, level)
    if kind is list and level < LEVELS:
        return f"[{','.join([_text(item, level + 1) for item in value])}]"
    return _other(value)


def _object(value: dict[Any, Any], level: int) -> str:
    if level >= LEVELS or any(type(key) is not str for key in value):
        raise DoubtError
    members = [f"{encode_basestring(k)}:{_text(item, level + 1)}" for k, item in value.items()]
    return f"{{{','.join(members)}}}"


def _other(value: Any) -> str:
    if value is None:
        return "null"
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is bytes:
        return base64_string(value)
    raise DoubtError
