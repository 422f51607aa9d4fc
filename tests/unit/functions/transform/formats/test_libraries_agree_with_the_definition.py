"""What the libraries of binary formats read without doubt is what the definition reads."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import cbor2
import msgpack
import pytest

from functions.transform.formats import cbor, message_pack
from functions.transform.formats.by_library import cbor_text, message_pack_text
from functions.transform.formats.document import FormatError

PLAIN: dict[str, Any] = {
    "device": "box-7", "n": None, "ok": True, "big": 2**64 - 1, "low": -(2**63), "raw": b"\x00\xff",
    "r": [{"t": 21.4, "h": 0}, {"t": float("nan"), "deep": {"a": [[[]], {}]}}],
}  # fmt: skip
CASES = [
    (cbor_text, cbor.by_definition, cbor2.dumps),
    (message_pack_text, message_pack.by_definition, msgpack.packb),
]


def defined(read: Callable[..., str], payload: bytes) -> str | None:
    try:
        return read(payload, {})
    except FormatError:
        return None


@pytest.mark.parametrize(("fast", "definition", "dumps"), CASES)
def test_plain_values_are_read_by_the_library(fast: Any, definition: Any, dumps: Any) -> None:
    payload = dumps(PLAIN)
    assert fast(payload) is not None
    assert fast(payload) == defined(definition, payload)


@pytest.mark.parametrize(("fast", "definition", "dumps"), CASES)
@pytest.mark.parametrize(
    "value", [{1: 2}, {b"a": 1}, {True: 1}, {"a": cbor2.CBORTag(37, b"\x00" * 16)}], ids=str
)
def test_a_doubt_is_left_to_the_definition(
    fast: Any, definition: Any, dumps: Any, value: Any
) -> None:
    if dumps is msgpack.packb and isinstance(value.get("a"), cbor2.CBORTag):
        value = {"a": msgpack.ExtType(5, b"x")}
    assert fast(dumps(value)) is None


@pytest.mark.parametrize(("fast", "definition", "dumps"), CASES)
def test_no_bytes_are_read_otherwise(fast: Any, definition: Any, dumps: Any) -> None:
    """Random bytes, torn and altered payloads, and every pair of first bytes."""
    rng = random.Random(11)
    sound = dumps(PLAIN)
    payloads = [rng.randbytes(rng.randrange(1, 12)) for _ in range(4000)]
    payloads += [bytes(pair) for pair in ((a, b) for a in range(256) for b in range(0, 256, 5))]
    payloads += [sound[:cut] for cut in range(len(sound))]
    for _ in range(3000):
        at = rng.randrange(len(sound))
        payloads.append(sound[:at] + rng.randbytes(1) + sound[at + 1 :])
    read = 0
    for payload in payloads:
        text = fast(payload)
        if text is not None:
            read += 1
            assert text == defined(definition, payload), payload
    assert read > 500
