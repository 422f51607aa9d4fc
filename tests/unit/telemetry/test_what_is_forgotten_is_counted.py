"""Lines that an erasure leaves in a raw object: counted, never read, and not to be forged."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from functions.extract.envelope import envelope_line
from functions.transform.envelopes import read_envelopes
from telemetry.forgotten import (
    Forgotten,
    is_removed,
    removed_line,
    shortened_line,
    without_forgotten,
)

ENVELOPE: dict[str, Any] = {
    "message_id": "m", "topic": "t/a", "client_id": "a", "received_at": 1,
    "payload": base64.b64encode(b"{}").decode(),
}  # fmt: skip
LINE = json.dumps(ENVELOPE, separators=(",", ":")).encode() + b"\n"


def test_what_was_removed_is_counted_and_the_rest_is_as_it_was():
    raw = LINE + removed_line(3) + shortened_line(ENVELOPE, 2) + removed_line(0) + LINE
    left, counts = without_forgotten(raw)
    assert left == LINE * 3
    assert counts == Forgotten(messages=2, readings=5)
    assert read_envelopes(raw).equals(read_envelopes(LINE * 3))


def test_a_raw_object_of_nothing_else_has_no_messages():
    assert read_envelopes(removed_line(3)).height == 0


@pytest.mark.parametrize(
    "line",
    [
        b'{"forgotten":-1}', b'{"forgotten":true}', b'{"forgotten":"3"}', b'{"forgotten":1.5}',
        b'{"forgotten":3,"x":1}', b'"forgotten":3', b'["forgotten":3]', b"{}",
    ],
)  # fmt: skip
def test_any_other_line_stays_a_message(line: bytes):
    assert without_forgotten(line) == (line, Forgotten())
    assert read_envelopes(line).height == 1


@pytest.mark.parametrize(
    "body",
    [
        removed_line(3).decode(),
        shortened_line(ENVELOPE, 2).decode(),
        json.dumps({**ENVELOPE, "topic": '","forgotten":3,"x":"'}),
        json.dumps({**ENVELOPE, "payload": base64.b64encode(removed_line(3)).decode()}),
    ],
)
def test_no_writer_to_the_queue_can_make_such_a_line(body: str):
    line = envelope_line("m", body)
    assert not is_removed(json.loads(line))
    assert without_forgotten(line) == (line, Forgotten())
