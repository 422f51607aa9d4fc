"""Samples: any of the forms that messages lie around in, and never more than asked for."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from etl.authoring.samples import SampleError, read_sample, reservoir, sample_of

DOCUMENTS = [{"n": n} for n in range(5)]


def payloads(path: Path, most: int = 1000) -> list[bytes]:
    return [message.payload for message in read_sample([path], most).messages]


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "\n".join(json.dumps(d) for d in DOCUMENTS),
        "\r\n\r\n" + "\r\n".join(json.dumps(d) for d in DOCUMENTS),
        json.dumps(DOCUMENTS),
        json.dumps(DOCUMENTS, indent=2),
    ],
)
def test_lines_and_arrays_plain_and_compressed(text: str, zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "sample"
    path.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
    assert [json.loads(payload) for payload in payloads(path)] == DOCUMENTS


def test_one_object_over_several_lines_is_one_message(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps({"a": {"b": 1}}, indent=2))
    assert len(payloads(path)) == 1


def test_a_line_that_is_no_json_is_a_message_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "torn.ndjson"
    path.write_bytes(b'{"a": \n{"a": 1}\n\xff\xfe\n')
    assert payloads(path) == [b'{"a": ', b'{"a": 1}', b"\xff\xfe"]


def test_envelopes_are_opened(tmp_path: Path) -> None:
    envelope = {"topic": "a/b", "client_id": "c", "received_at": 7}
    envelope["payload"] = base64.b64encode(b"\xff!").decode()
    path = tmp_path / "raw.ndjson"
    path.write_text(json.dumps(envelope | {"message_id": "m"}) + "\n" + json.dumps(envelope))
    first, second = read_sample([path], 10).messages
    assert (first.payload, first.topic, first.received_at) == (b"\xff!", "a/b", 7)
    assert (first.message_id, second.message_id) == ("m", None)


def test_an_object_that_only_looks_like_an_envelope_is_a_message(tmp_path: Path) -> None:
    line = json.dumps({"payload": "?", "topic": "t", "client_id": "c", "received_at": 1})
    path = tmp_path / "raw.ndjson"
    path.write_text(line)
    assert payloads(path) == [line.encode()]


def test_a_long_file_is_sampled_in_runs_from_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "long.ndjson"
    path.write_text("\n".join(json.dumps({"n": n}) for n in range(10_000)))
    seen: list[int] = []
    sample = read_sample([path], 500, seen.append)
    numbers = [json.loads(message.payload)["n"] for message in sample.messages]
    assert (len(numbers), sample.total, seen) == (500, 10_000, [10_000])
    assert numbers == sorted(numbers)
    assert {n // 50 * 50 for n in numbers} == set(numbers[::50])
    assert min(numbers) < 2_000
    assert max(numbers) > 8_000
    assert sample == read_sample([path], 500)
    assert "500 of 10,000 messages" in sample.description()


def test_large_messages_are_kept_up_to_a_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reservoir, "SAMPLE_BYTES", 100_000)
    path = tmp_path / "large.ndjson"
    path.write_text("\n".join(json.dumps({"n": n, "x": "x" * 1000}) for n in range(2_000)))
    kept = payloads(path)
    assert 0 < sum(map(len, kept)) <= 100_000


def test_several_files_are_one_sample(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text('{"a": 1}\n{"a": 2}\n')
    assert read_sample([tmp_path / "a", tmp_path / "b"], 10).total == 4


def test_a_file_without_messages_and_a_truncated_one_are_errors(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n\n")
    (tmp_path / "torn.gz").write_bytes(gzip.compress(b'{"a": 1}\n' * 1000)[:-9])
    with pytest.raises(SampleError, match="no message found"):
        read_sample([tmp_path / "empty"], 10)
    with pytest.raises(SampleError, match="truncated or damaged gzip file"):
        read_sample([tmp_path / "torn.gz"], 10)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_content_in_memory_is_read_as_a_file_is(
    pack: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = pack("\n".join(json.dumps({"n": n, "x": "y" * 100}) for n in range(5000)).encode())
    path = tmp_path / "sample.ndjson"
    path.write_bytes(content)
    expected = read_sample([path], 1000)

    def no_file(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file was opened")

    monkeypatch.setattr("tempfile.TemporaryFile", no_file)
    assert sample_of(content, "sample.ndjson", 1000) == expected


def test_an_error_of_content_names_the_file() -> None:
    with pytest.raises(SampleError, match=r"^box\.bin: a binary file"):
        sample_of(b"abc\0\1\2def\0\5", "box.bin", 10)
