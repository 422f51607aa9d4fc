"""Files as recorders and other tools write them: what they are is said, and payloads are exact."""

from __future__ import annotations

import base64
import gzip
import json
import os
from pathlib import Path

import pytest

from etl.authoring.samples import Message, SampleError, read_messages, read_sample

zstandard = pytest.importorskip("zstandard")

PAYLOAD = '{"t": 1.10, "id": 18446744073709551615}'


def read(tmp_path: Path, content: str | bytes, name: str = "file") -> tuple[list[Message], str]:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    sample = read_sample([path], 1000)
    assert list(read_messages(path)) == list(sample.messages)
    return list(sample.messages), sample.form


def test_mosquitto_sub_writes_the_payload_as_json_or_as_text(tmp_path: Path) -> None:
    around = '"tst":"2026-03-01T13:00:00.5Z+0100","topic":"a/b","qos":0,"retain":0,"payloadlen":9'
    lines = [f'{{{around},"payload":{PAYLOAD}}}', f'{{{around},"payload":{json.dumps(PAYLOAD)}}}']
    messages, form = read(tmp_path, "\n".join(lines))
    assert form == "a recording of mosquitto_sub"
    assert messages[0].payload == b'{"t":1.10,"id":18446744073709551615}'
    assert messages[1].payload == PAYLOAD.encode()
    assert {(m.topic, m.received_at) for m in messages} == {("a/b", 1_772_366_400_500)}


def test_node_red_writes_a_buffer_as_numbers(tmp_path: Path) -> None:
    payload = {"type": "Buffer", "data": list(PAYLOAD.encode())}
    document = {"topic": "a/b", "payload": payload, "qos": 0, "retain": False, "_msgid": "1f"}
    (message,), form = read(tmp_path, json.dumps(document))
    assert (message.payload, form) == (PAYLOAD.encode(), "a recording of Node-RED")


def test_the_aws_iot_test_client_exports_an_array(tmp_path: Path) -> None:
    documents = [
        {"format": "json", "topic": "a/b", "timestamp": 1_772_366_400_000 + n, "payload": {"t": n}}
        for n in range(3)
    ]
    messages, form = read(tmp_path, json.dumps(documents, indent=2))
    assert [message.payload for message in messages] == [b'{"t":0}', b'{"t":1}', b'{"t":2}']
    assert "AWS IoT test client" in form
    assert messages[2].received_at == 1_772_366_400_002


def test_topic_and_payload_in_one_line(tmp_path: Path) -> None:
    messages, form = read(tmp_path, f"home/a {PAYLOAD}\nhome/b {PAYLOAD}\n")
    assert [message.topic for message in messages] == ["home/a", "home/b"]
    assert {message.payload for message in messages} == {PAYLOAD.encode()}
    assert "mosquitto_sub -v" in form


def test_raw_objects_give_their_payload_byte_for_byte(tmp_path: Path) -> None:
    envelope = {
        "message_id": "m", "topic": "a/b", "client_id": "c", "received_at": 7,
        "payload": base64.b64encode(b"\xff\x00").decode(),
    }  # fmt: skip
    assert read(tmp_path, json.dumps(envelope)) == (
        [Message(b"\xff\x00", "a/b", "c", 7, "m")],
        "raw objects",
    )


def test_a_device_may_have_members_called_topic_and_payload(tmp_path: Path) -> None:
    document = '{"topic": "a", "payload": "b", "temperature": 21.5}'
    assert read(tmp_path, document) == ([Message(document.encode())], "")


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([{"a": 1}, {"a": 2}]),
        json.dumps([{"a": 1}, {"a": 2}], indent=4),
        '{\n "a": 1\n}\n{\n "a": 2\n}\n',
        '{"a": 1}{"a": 2}',
        '{"a": 1},\n{"a": 2}',
        '\ufeff{"a": 1}\r\n\r\n{"a": 2}\r\n',
    ],
    ids=["array", "pretty array", "pretty objects", "concatenated", "commas", "mark and CRLF"],
)
def test_json_in_any_arrangement_is_the_same_messages(tmp_path: Path, content: str) -> None:
    messages, _ = read(tmp_path, content)
    assert [json.loads(message.payload) for message in messages] == [{"a": 1}, {"a": 2}]


def test_a_torn_object_at_the_end_is_a_message_of_its_own(tmp_path: Path) -> None:
    messages, _ = read(tmp_path, '{\n "a": 1\n}\n{\n "a"')
    assert [message.payload for message in messages] == [b'{\n "a": 1\n}', b'{\n "a"']


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_each_row_of_a_table_is_a_message_of_texts(tmp_path: Path, delimiter: str) -> None:
    rows = [
        ["dev", "time", "note"],
        ["007", "2026-03-01 12:00", "a"],
        ["008", "2026-03-01 12:01", ""],
    ]
    messages, form = read(tmp_path, "\r\n".join(map(delimiter.join, rows)))
    assert json.loads(messages[0].payload) == dict(zip(rows[0], rows[1], strict=True))
    assert json.loads(messages[1].payload)["note"] == ""
    assert form == ("TSV" if delimiter == "\t" else "CSV") + " with a header"


def test_units_in_a_header_do_not_make_it_a_recording(tmp_path: Path) -> None:
    messages, _ = read(tmp_path, "Date/Time,Temp [C],Hum [%]\n2026-03-01 12:00,20.5,50\n")
    assert list(json.loads(messages[0].payload)) == ["Date/Time", "Temp [C]", "Hum [%]"]


def test_cells_in_quotes_keep_delimiters_and_line_breaks(tmp_path: Path) -> None:
    messages, _ = read(tmp_path, 'dev,note\nd1,"a, ""b""\nc"\nd2,x\n')
    assert [json.loads(m.payload)["note"] for m in messages] == ['a, "b"\nc', "x"]


def test_zstd_is_known_by_its_signature(tmp_path: Path) -> None:
    content = zstandard.ZstdCompressor().compress(b'{"a": 1}\n{"a": 2}\n')
    messages, _ = read(tmp_path, content, "any.name")
    assert len(messages) == 2


def test_zstd_of_several_frames_is_read_to_its_end(tmp_path: Path) -> None:
    frames = [zstandard.ZstdCompressor().compress(b'{"a": %d}\n' % n) for n in range(500)]
    messages, _ = read(tmp_path, b"".join(frames), "any.name")
    assert [json.loads(m.payload)["a"] for m in messages] == list(range(500))


@pytest.mark.parametrize("missing", [1, 3, 1_000])
def test_a_truncated_zstd_file_is_not_taken_for_a_shorter_one(tmp_path: Path, missing: int) -> None:
    lines = b"".join(b'{"a": "%s"}\n' % os.urandom(20).hex().encode() for _ in range(20_000))
    path = tmp_path / "torn.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(lines)[:-missing])
    with pytest.raises(SampleError, match="truncated zstd file"):
        read_sample([path], 10)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        ('{"a": 1}'.encode("utf-32"), "UTF-32"),
        ("Ger\xe4t;Zeit;t\na;1;2\n".encode("latin-1"), "not in UTF-8.*iconv -f WINDOWS-1252"),
        (("dev;t\n" + "a;1\n" * 50 + "\xe4;2\n").encode("latin-1"), "not in UTF-8"),
        (b'{"a":"' + b"x" * (17 << 20) + b'"}\n', "a message of 17.0 MiB; AWS IoT Core takes 128"),
        (b'{"a":1}\n{"a":"' + b"x" * (17 << 20) + b'"}\n', "a message of 17.0 MiB"),
        (gzip.compress(b"x" * (129 << 20), 1), "a line of more than 128 MiB"),
        (b"\xef\xbb\xbf \r\n", "the file is empty"),
        ('{"a": 1}'.encode("utf-16"), "UTF-16"),
        ('{"a": 1}'.encode("utf-16-le"), "UTF-16"),
        (b'{"a": 1}\x00\x01', "a binary file"),
        (b"PK\x03\x04....", "a zip archive"),
        (b"PAR1....", "a Parquet file"),
        (b"\x28\xb5\x2f\xfd\x04\x00", "truncated zstd file"),
    ],
)
def test_a_file_that_is_no_such_thing_is_refused_with_a_sentence(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(SampleError, match=said):
        read_sample([path], 10)
    with pytest.raises(SampleError, match=said):
        list(read_messages(path))


@pytest.mark.parametrize("path", ["/dev/zero", "/dev", "/nowhere/at/all"])
def test_what_is_not_a_file_is_refused(path: str) -> None:
    with pytest.raises(SampleError):
        read_sample([Path(path)], 10)


def test_numbers_and_words_are_messages_but_no_readings(tmp_path: Path) -> None:
    messages, form = read(tmp_path, "20.0\n20.1\n")
    assert ([m.payload for m in messages], form) == ([b"20.0", b"20.1"], "")
