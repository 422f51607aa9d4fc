from __future__ import annotations

import base64
import gzip
import json
from typing import Any

from functions.transform.clean import clean
from functions.transform.rejects import rejected_lines
from tests.unit.functions.transform.envelopes_for import contract_of, line, lines

CONTRACT = contract_of('[columns.v]\ntype = "float"\nrange = [0, 9]', message="data.r")


def rejects(raw: bytes) -> list[dict[str, Any]]:
    body = rejected_lines(clean(raw, CONTRACT), CONTRACT)
    assert body == rejected_lines(clean(raw, CONTRACT), CONTRACT)
    return [json.loads(text) for text in gzip.decompress(body).splitlines()]


def test_a_broken_message_is_kept_byte_for_byte() -> None:
    (reject,) = rejects(line(b"\xff\x00{", 3))
    assert reject == {
        "message_id": "m0003",
        "topic": "lab/box",
        "client_id": "box",
        "received_at": 1772366400003,
        "index": None,
        "reasons": ["not_utf8"],
        "payload": base64.b64encode(b"\xff\x00{").decode(),
    }


def test_an_element_is_kept_as_it_is_spelled_next_to_its_message() -> None:
    bad = r'{ "id" : 1.50, "v":"\u00e9", "v": [1,  {"r":[]}] }'
    payload = f'{{"data": {{"x":[1], "r": [ {{"id":1}}, {bad} , 7 ], "r":[]}}}}'.encode()
    first, second = rejects(line(payload))
    assert first["index"] == 1
    assert first["reading"] == bad
    assert first["reasons"] == ["invalid:id", "invalid:v"]
    assert base64.b64decode(first["payload"]) == payload
    assert (second["index"], second["reading"], second["reasons"]) == (2, "7", ["not_an_object"])
    assert second["payload"] is None  # it stands in the line of the first


def test_a_message_that_is_one_reading_is_its_own_reading() -> None:
    (reject,) = rejects(line({"id": 1, "v": 10}))
    assert reject["reasons"] == ["out_of_range:v"]
    assert reject["index"] is None
    assert "reading" not in reject


def test_every_reason_is_reported_and_the_first_one_is_of_the_first_column() -> None:
    (reject,) = rejects(line({"v": -1}))
    assert reject["reasons"] == ["missing:id", "out_of_range:v"]


def test_a_line_that_is_no_envelope_is_kept_whole() -> None:
    (reject,) = rejects(b"what is this")
    assert reject["message_id"] is None
    assert base64.b64decode(reject["payload"]) == b"what is this"


def test_rejects_grow_with_the_message_and_not_with_its_square() -> None:
    readings = [{"id": "x", "pad": "y" * 50} for _ in range(2000)]
    raw = lines({"data": {"r": readings}})
    body = gzip.decompress(rejected_lines(clean(raw, CONTRACT), CONTRACT))
    assert len(body) < 5 * len(raw)


def test_without_rejects_the_object_is_empty() -> None:
    assert rejects(line({"id": 1, "v": 1})) == []
