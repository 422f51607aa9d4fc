"""gzip from devices: inflated within bounds; what can't be is a reject and costs nobody else."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import Any

import pytest

from functions.transform import inflation
from functions.transform.clean import clean
from functions.transform.clean_batch import CleanBatch
from functions.transform.handler import transform
from functions.transform.rejects import rejected_lines
from telemetry.contract import Contract, parse_contract
from tests.fixtures.peak_memory import peak_memory
from tests.unit.functions.transform.envelopes_for import KEY, contract_of, line, lines

PLAIN = """
name = "test"
topic = "lab/+"
[message]
readings = "r"
[table]
name = "test"
key = ["id"]
[columns.id]
type = "integer"
required = true
[columns.v]
type = "float"
range = [0, 9]
"""
CONTRACT = parse_contract(
    PLAIN.replace('"r"', '"r"\ncompression = "gzip"').encode(), "compressed.toml"
)
MIB = 1 << 20


def packed(sent: Any, level: int = 9) -> bytes:
    body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    return gzip.compress(body, level, mtime=0)


def both_ways(raw: bytes, contract: Contract = CONTRACT) -> CleanBatch:
    fast, slow = clean(raw, contract), clean(raw, contract, bulk=False)
    assert fast.rows.equals(slow.rows)
    assert fast.rejects == slow.rejects
    return fast


def reasons(batch: CleanBatch) -> list[tuple[int, str]]:
    return [(reject.message, reject.reasons[0]) for reject in batch.rejects]


def rejected(raw: bytes) -> list[dict[str, Any]]:
    body = rejected_lines(clean(raw, CONTRACT), CONTRACT)
    return [json.loads(text) for text in gzip.decompress(body).splitlines()]


def test_compressed_and_plain_payloads_give_the_same_rows() -> None:
    sent = [{"r": [{"id": 3 * n + k, "v": k} for k in range(3)]} for n in range(40)]
    plain = both_ways(lines(*sent))
    mixed = [packed(one) if n % 3 else one for n, one in enumerate(sent)]
    assert both_ways(lines(*mixed)).rows.equals(plain.rows)
    assert plain.rows.height == 120


def test_without_the_key_a_compressed_payload_is_no_text() -> None:
    contract = contract_of("")
    assert reasons(both_ways(lines({"id": 1}, packed({"id": 2})), contract)) == [(1, "not_utf8")]


def test_a_reject_of_a_compressed_message_keeps_its_element_and_the_bytes_as_sent() -> None:
    sent = packed(b'{"r": [{"id": 1}, { "id": 2 , "v": 1e2}]}')
    (reject,) = rejected(line(sent))
    assert reject["reading"] == '{ "id": 2 , "v": 1e2}'
    assert reject["reasons"] == ["out_of_range:v"]
    assert base64.b64decode(reject["payload"]) == sent


WHOLE = packed({"r": [{"id": 9, "v": 1}]})
BROKEN = {
    "cut short": WHOLE[:-1],
    "cut to the signature": WHOLE[:2],
    "with a flipped bit": WHOLE[:15] + bytes([WHOLE[15] ^ 16]) + WHOLE[16:],
    "with a wrong checksum": WHOLE[:-8] + bytes(4) + WHOLE[-4:],
    "with a wrong length": WHOLE[:-4] + bytes(4),
    "of an unknown method": WHOLE[:2] + b"\x09" + WHOLE[3:],
    "followed by a byte": WHOLE + b"\0",
    "followed by a plain message": WHOLE + b'{"r":[]}',
    "followed by another stream": WHOLE + WHOLE,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_stream_is_a_reject_kept_verbatim_and_costs_no_one_else(kind: str) -> None:
    raw = lines({"r": [{"id": 1}]}, BROKEN[kind], packed({"r": [{"id": 2}]}))
    batch = both_ways(raw)
    assert reasons(batch) == [(1, "not_gzip")]
    assert batch.rows["id"].to_list() == [1, 2]
    assert base64.b64decode(rejected(raw)[0]["payload"]) == BROKEN[kind]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "not_json"), (b"\xff", "not_utf8"), (b"[1", "not_json"), (packed(b"{}"), "not_utf8")],
)
def test_what_is_inside_is_read_like_any_payload(content: bytes, reason: str) -> None:
    assert reasons(both_ways(lines({"r": []}, packed(content)))) == [(1, reason)]


def test_the_limit_of_a_payload_is_met_to_the_byte() -> None:
    fits = b'{"r":[{"id":1}]}'.ljust(inflation.PAYLOAD_BYTES)
    batch = both_ways(lines(packed(fits), packed(fits + b" ")))
    assert batch.rows["id"].to_list() == [1]
    assert reasons(batch) == [(1, "too_large")]


def test_a_bomb_is_not_inflated() -> None:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    zeros = bytes(16 * MIB)
    bomb = b"".join([packer.compress(zeros) for _ in range(24)]) + packer.flush()
    assert len(bomb) < 2 * MIB  # of 384
    raw = lines({"r": [{"id": 1}]}, bomb)
    with peak_memory() as held:
        assert reasons(both_ways(raw)) == [(1, "too_large")]
        assert base64.b64decode(rejected(raw)[0]["payload"]) == bomb
    assert held.mib < 200


def test_of_many_bombs_only_as_many_are_taken_as_a_batch_may_hold() -> None:
    """The largest go first; what honest devices sent is loaded."""
    honest = [packed({"r": [{"id": n, "v": 1}]}) for n in range(50)]
    bombs = [packed(b"{}".ljust(4 * MIB - n), 1) for n in range(40)]
    objects, report = transform(lines(*honest, *bombs), CONTRACT, KEY, "execution")
    assert objects
    assert report["accepted"] == 50
    assert report["rejected_by"]["too_large"] == 40 - 16 + 1  # the honest ones need their room too
    assert report["read"] == report["accepted"] + report["rejected"]


def test_the_largest_are_left_out_until_the_others_fit() -> None:
    assert inflation._within(10, [4, 8, 4, 2]) == [4, None, 4, 2]
    assert inflation._within(9, [4, 4, 4]) == [None, 4, 4]
    assert inflation._within(12, [4, 4, 4]) == [4, 4, 4]
    assert inflation._within(3, []) == []


def test_the_raw_bytes_of_the_report_are_those_that_were_sent() -> None:
    sent = packed({"r": [{"id": 1}]})
    _, report = transform(line(sent), CONTRACT, KEY, "execution")
    assert report["raw_bytes"] == len(sent)


def test_a_message_of_another_kind_is_set_aside_though_it_is_broken() -> None:
    contract = parse_contract(
        PLAIN.replace('"r"', '"r"\ncompression = "gzip"\nonly = {"$topic[0]" = "lab"}').encode(),
        "compressed.toml",
    )
    batch = both_ways(line(b"\x1f\x8b", topic="other/x") + b"\n" + line(b"\x1f\x8b", 2), contract)
    assert (batch.set_aside, reasons(batch)) == (1, [(1, "not_gzip")])
