from __future__ import annotations

import gzip
import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from etl.operations.publishing import MESSAGE_BYTES, read_messages
from telemetry.contract import load_contract, parse_contract

FLEET = load_contract(Path("contracts/fleet.toml"))
LINES = [json.dumps({"device_id": "a", "ts": n}).encode() for n in range(7)]


def write(folder: Path, lines: list[bytes], name: str = "readings.ndjson") -> Path:
    path = folder / name
    path.write_bytes(b"\n".join(lines))
    return path


def test_one_reading_a_message_sends_each_line_untouched(tmp_path: Path) -> None:
    found = list(read_messages(write(tmp_path, LINES), FLEET, 1))
    assert found == [(line, 1) for line in LINES]


def test_several_readings_share_a_message_verbatim(tmp_path: Path) -> None:
    found = list(read_messages(write(tmp_path, LINES), FLEET, 3))
    assert [count for _, count in found] == [3, 3, 1]
    assert found[0][0] == b'{"readings":[' + b",".join(LINES[:3]) + b"]}"


def test_a_gzipped_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "readings.ndjson.gz"
    path.write_bytes(gzip.compress(b"\n".join(LINES)))
    assert list(read_messages(path, FLEET, 1)) == [(line, 1) for line in LINES]


def test_a_broken_line_travels_alone_and_spoils_no_other(tmp_path: Path) -> None:
    lines = [LINES[0], b'{"device_id": "a', LINES[1]]
    found = list(read_messages(write(tmp_path, lines), FLEET, 10))
    assert (b'{"device_id": "a', 1) in found
    assert (b'{"readings":[' + LINES[0] + b"," + LINES[1] + b"]}", 2) in found


def test_a_line_that_holds_an_array_counts_its_readings(tmp_path: Path) -> None:
    line = b'{"readings":[{"ts":1},{"ts":2}]}'
    assert list(read_messages(write(tmp_path, [line]), FLEET, 1)) == [(line, 2)]


@given(sizes=st.lists(st.integers(1, 60_000), max_size=12), share=st.integers(2, 50))
def test_no_message_is_larger_than_iot_takes(sizes: list[int], share: int) -> None:
    import tempfile

    lines = [json.dumps({"pad": "x" * size}).encode() for size in sizes]
    with tempfile.TemporaryDirectory() as folder:
        found = list(read_messages(write(Path(folder), lines), FLEET, share))
    assert sum(count for _, count in found) == len(lines)
    assert all(len(payload) <= MESSAGE_BYTES + 4096 for payload, _ in found)


def test_readings_are_counted_as_the_contract_takes_messages_apart(tmp_path: Path) -> None:
    contract = parse_contract(
        b"""
        name = "narrow"
        topic = "lab/+"
        table = { name = "narrow", key = ["id", "metric"] }
        message = { melt = ["t", "h"], only = { kind = "up" } }
        [columns]
        id = { type = "integer", required = true }
        metric = { type = "text", from = "$metric", required = true, max_length = 9 }
        """,
        "narrow.toml",
    )
    file = tmp_path / "sent.ndjson"
    file.write_text(
        '{"kind":"up","id":1,"t":1,"h":2}\n{"kind":"log","t":1,"h":2}\n{"kind":"up"}\n{\n'
    )
    assert [count for _, count in read_messages(file, contract, 1)] == [2, 1, 1, 1]
