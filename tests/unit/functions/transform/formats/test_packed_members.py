"""Documents inside of members take the member's place; what can't be decoded costs one message."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from functions.transform import inflation
from functions.transform.clean import clean, read_messages
from functions.transform.formats.payload_decoder import PayloadDecoder
from functions.transform.rejects import rejected_lines
from tests.unit.functions.transform.envelopes_for import lines
from tests.unit.functions.transform.test_messages_of_every_shape import (
    ID,
    V,
    both_ways,
    contract,
    reasons,
)

DEVICE = '[columns.dev]\ntype = "text"\nfrom = "$message.dev"\n'
INNER = b'[{"id":1,"v":1.5},{"id":2}]'
GZIPPED_AND_MORE = base64.b64encode(gzip.compress(INNER, mtime=0) + b"x").decode()
ENCODE: dict[str, Callable[[bytes], bytes]] = {
    "base64": base64.b64encode,
    "hex": lambda content: content.hex().encode(),
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "zlib": zlib.compress,
}


def unpacking(**more: Any) -> Any:
    table = ", ".join(f"{key} = {json.dumps(value)}" for key, value in more.items())
    return contract(f'readings = "data"\nunpack = {{ {table} }}', ID + V + DEVICE)


def packed(content: bytes, *encoding: str) -> dict[str, str]:
    for step in reversed(encoding):
        content = ENCODE[step](content)
    return {"dev": "a", "data": content.decode()}


@pytest.mark.parametrize(
    "encoding",
    [[], ["base64"], ["hex"], ["base64", "gzip"], ["hex", "zlib"], ["base64", "base64"]],
)
def test_a_document_takes_the_place_of_its_member(
    encoding: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    about = unpacking(member="data", **({"encoding": encoding} if encoding else {}))
    raw = lines(packed(INNER, *encoding), packed(b'[{"id":3,"v":2}]', *encoding))
    expected = [(1, 1.5, "a"), (2, None, "a"), (3, 2.0, "a")]
    assert both_ways(raw, about).rows.rows() == expected
    monkeypatch.setattr(PayloadDecoder, "one_by_one", lambda _, left: left.clear())
    assert clean(raw, about).rows.rows() == expected  # all of it at once


def test_base64_may_be_of_the_alphabet_of_urls_and_without_padding() -> None:
    about = unpacking(member="data", encoding=["base64"])
    content = '[{"id":1,"s":"\u00fb\u00ff>?>"}]'.encode()
    text = base64.urlsafe_b64encode(content).rstrip(b"=").decode()
    assert set(text) & set("-_")
    batch = both_ways(lines({"data": text}), about, careful=True)
    assert batch.rows["id"].to_list() == [1]


def test_lines_of_base64_may_be_broken_and_bytes_of_hex_apart() -> None:
    about = unpacking(member="data", encoding=["base64"])
    content = json.dumps([{"id": 1, "s": "x" * 20}, {"id": 2}] * 3).encode()
    assert base64.encodebytes(content).count(b"\n") == 3
    broken = lines({"data": base64.encodebytes(content).decode()}, {"data": " " + packed_text()})
    batch = both_ways(broken, about, careful=True)
    assert batch.rows["id"].to_list() == [1, 2]
    assert [reject.reasons for reject in batch.rejects] == [("unpack:base64",)]
    about = unpacking(member="data", encoding=["hex"])
    batch = both_ways(lines({"data": content.hex(" ", 2) + "\n"}), about, careful=True)
    assert batch.rows["id"].to_list() == [1, 2]


def packed_text() -> str:
    return base64.b64encode(INNER).decode()


@pytest.mark.parametrize(
    ("encoding", "content", "why"),
    [
        (["base64"], "%%", "unpack:base64"),
        (["base64"], "QQ==QQ==", "unpack:base64"),
        (["base64"], "W3si aWQiOjF9XQ==", "unpack:base64"),
        (["hex"], "5b7", "unpack:hex"),
        (["base64", "gzip"], base64.b64encode(INNER).decode(), "unpack:gzip"),
        (["base64", "gzip"], GZIPPED_AND_MORE, "unpack:gzip"),
        (["base64", "zlib"], base64.b64encode(zlib.compress(INNER)[:-5]).decode(), "unpack:zlib"),
        (["base64"], "/w==", "unpack:not_utf8"),
        (["base64"], "W3s=", "unpack:json"),
        (["base64"], "W3sK==", "unpack:base64"),
        (["base64"], "W3s==", "unpack:base64"),
        (["base64"], "W3sKW", "unpack:base64"),
        ([], '[{"id":1}', "unpack:json"),
        ([], "", "unpack:json"),
        ([], '1, "id": 7', "unpack:json"),
    ],
)
def test_what_cannot_be_unpacked_costs_its_message_alone(
    encoding: list[str], content: str, why: str
) -> None:
    about = unpacking(member="data", **({"encoding": encoding} if encoding else {}))
    raw = lines({"data": content, "id": 9}, packed(INNER, *encoding))
    batch = both_ways(raw, about, careful=True)
    assert reasons(batch) == [(None, why)]
    assert batch.rows["id"].to_list() == [1, 2]


def test_what_is_no_text_stays_as_it_is() -> None:
    about = unpacking(member="data", encoding=["base64"])
    raw = lines({"data": [{"id": 1}]}, {"data": None, "id": 2}, {"id": 3}, {"data": 5})
    batch = both_ways(raw, about, careful=True)
    assert batch.rows["id"].to_list() == [1, 2, 3]
    assert reasons(batch) == [(None, "not_an_array")]


def test_the_first_of_two_members_counts() -> None:
    about = unpacking(member="data")
    first = b'{"data":[{"id":1}],"data":"[{\\"id\\":2}]"}'
    inside = b'{"x":{"data":"[{\\"id\\":3}]"},"data":"[{\\"id\\":4}]"}'
    assert both_ways(lines(first, inside), about, careful=True).rows["id"].to_list() == [1, 4]


def test_members_are_unpacked_one_after_the_other() -> None:
    chain = '[{ member = "Message" }, { member = "Message.data", encoding = ["base64"] }]'
    about = contract(f'readings = "Message.data"\nunpack = {chain}')
    message = {"data": base64.b64encode(INNER).decode()}
    batch = both_ways(lines({"Message": json.dumps(message)}), about)
    assert batch.rows.rows() == [(1, 1.5), (2, None)]


def test_a_message_of_another_kind_is_set_aside_unpacked_or_not() -> None:
    about = contract(
        'readings = "data"\nunpack = { member = "data" }\nonly = { port = 2, "data[0].id" = [1, 2] }'
    )
    raw = lines(
        {"port": 1, "data": "boot"},
        {"port": 2, "data": '[{"id":3}]'},
        {"port": 2, "data": '[{"id":2}]'},
    )
    batch = both_ways(raw, about, careful=True)
    assert (batch.rows["id"].to_list(), batch.set_aside, batch.rejects) == ([2], 2, [])


def test_a_line_that_cannot_be_read_costs_itself_alone() -> None:
    about = unpacking(member="data", format="ndjson")
    batch = both_ways(lines({"data": '{"id":1}\noops\n{"id":3}'}), about, careful=True)
    assert batch.rows["id"].to_list() == [1, 3]
    assert reasons(batch) == [(1, "not_json")]
    (line,) = gzip.decompress(rejected_lines(batch, about)).splitlines()
    assert json.loads(json.loads(line)["reading"]) == "oops"


def test_a_csv_in_a_member_has_its_delimiter_and_its_names() -> None:
    table = '{ member = "data", format = "csv" }'
    about = contract(
        f'readings = "data"\nshape = "rows"\nfields = ["id", "v"]\ndelimiter = ";"\nunpack = {table}'
    )
    batch = both_ways(lines({"data": "1;2.5\n2;"}), about)
    assert batch.rows.rows() == [(1, 2.5), (2, None)]


def test_a_bomb_costs_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    about = unpacking(member="data", encoding=["base64", "gzip"])
    bomb = packed(b"[" + b" " * 3000 + b"]", "base64", "gzip")
    raw = lines(bomb, packed(INNER, "base64", "gzip"))
    monkeypatch.setattr(inflation, "PAYLOAD_BYTES", 2000)
    batch = both_ways(raw, about, careful=True)
    assert (reasons(batch), batch.rows.height) == ([(None, "too_large")], 2)
    monkeypatch.undo()
    monkeypatch.setattr(inflation, "BATCH_BYTES", 2000)
    batch = both_ways(raw, about, careful=True)
    assert (reasons(batch), batch.rows.height) == ([(None, "too_large")], 2)
    assert read_messages(raw, about)["fault"].to_list() == ["too_large", None]
