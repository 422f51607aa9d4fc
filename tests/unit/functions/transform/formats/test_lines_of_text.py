"""NDJSON, delimited lines and bare values: a payload's lines are the readings of one message."""

from __future__ import annotations

import gzip
import json

import polars as pl
import pytest

from functions.transform.formats import delimited, ndjson
from tests.unit.functions.transform.formats.payloads import (
    contract_in,
    read_both_ways,
    reasons,
    rejected,
)

NDJSON = contract_in('format = "ndjson"')
HEADER = contract_in('format = "csv"')
FIELDS = contract_in('format = "csv"\nfields = ["id", "t", "s"]\ndelimiter = ";"')
VALUE = contract_in(
    'format = "value"', '[columns.id]\ntype = "integer"\nfrom = "value"\nrequired = true'
)


def test_each_line_of_ndjson_is_a_reading_of_one_message() -> None:
    batch = read_both_ways(NDJSON, b'{"id":1,"t":1.5}\n{"id":2,"s":"a,b"}\r\n\n {"id":3}\n')
    assert batch.rows.rows() == [(1, 1.5, None), (2, None, "a,b"), (3, None, None)]
    assert batch.messages.height == 1
    assert batch.places["index"].to_list() == [1, 2, 3]


def test_a_torn_line_of_ndjson_costs_itself_alone() -> None:
    batch = read_both_ways(NDJSON, b'{"id":1}\n{"id":2,"t"\n{"id":3}', b'{"id":4}')
    assert reasons(batch) == [(0, 1, "not_json")]
    assert batch.rows["id"].to_list() == [1, 3, 4]
    (reject,) = rejected(batch, NDJSON)
    assert json.loads(reject["reading"]) == '{"id":2,"t"'


def test_each_line_of_ndjson_may_have_an_array_of_readings() -> None:
    nested = contract_in('format = "ndjson"\nreadings = "$message[].r"')
    payload = b'{"r":[{"id":1,"t":1.5},{"id":2}]}\noops\n{"id":3}\n5\n{"r":[{"id":4}]}'
    batch = read_both_ways(nested, b'{"r":[{"id":9}]}\n{"r":[]}', payload)
    assert batch.rows["id"].to_list() == [1, 2, 3, 4, 9]
    assert reasons(batch) == [(1, 2, "not_json"), (1, 4, "not_an_object")]
    assert json.loads(rejected(batch, nested)[0]["reading"]) == "oops"


@pytest.mark.parametrize(
    ("payload", "faults"),
    [
        (b'{"id":1,"s":[{}\n{}]}', [(0, 0, "not_json"), (0, 1, "not_json")]),
        (b'{"id":1,"s":"x}\n{y"}', [(0, 0, "not_json"), (0, 1, "not_json")]),
        (b'{"id":1},{"id":2}', [(0, 0, "not_json")]),
        (b'{"id":1}]\n[{"id":2}', [(0, 0, "not_json"), (0, 1, "not_json")]),
        (b'{"id":NaN}', [(0, 0, "not_json")]),
        (b'5\n[1]\n"a"', [(0, n, "not_an_object") for n in range(3)]),
        (b"\xff", [(0, None, "not_utf8")]),
        (b"", [(0, None, "format:ndjson")]),
        (b" \n\r\n", [(0, None, "format:ndjson")]),
        (b'{"a":' * 2000 + b"1" + b"}" * 2000, [(0, 0, "not_json")]),
        (b"[" * 1023 + b"]" * 1023, [(0, 0, "not_an_object")]),
        (b"[" * 1024 + b"]" * 1024, [(0, 0, "not_json")]),
    ],
)
def test_no_line_of_ndjson_reaches_into_another(payload: bytes, faults: list[object]) -> None:
    assert reasons(read_both_ways(NDJSON, payload, b'{"id":9}')) == faults


def test_lines_of_ndjson_may_be_arrays_and_packs() -> None:
    rows = contract_in('format = "ndjson"\nshape = "rows"\nfields = ["id", "t"]')
    batch = read_both_ways(rows, b'[1,2.5]\n[2]\n[3,4,5]\n{"id":6}\nx')
    assert batch.rows["id"].to_list() == [1, 2]
    assert [why for *_, why in reasons(batch)] == ["too_many_fields", "not_an_array", "not_json"]


def test_lines_with_a_header_are_read_by_its_names() -> None:
    batch = read_both_ways(HEADER, b"t,id\n1.5,1\r\n,2\n", b"id,x,s\n3,y,z\n", b"id,t,s\n")
    assert batch.rows.rows() == [(1, 1.5, None), (2, None, None), (3, None, "z")]
    assert batch.empty_messages == 1


def test_quotes_a_mark_and_blank_lines_are_read() -> None:
    sent = '\ufeffid,"s"\r\n1,"a, ""b""\nc"\r\n\r\n2,\r\n'.encode()
    assert read_both_ways(HEADER, sent).rows["s"].to_list() == ['a, "b"\nc', None]


def test_a_line_longer_than_its_header_costs_itself_alone() -> None:
    batch = read_both_ways(HEADER, b"id,t\n1,2,3\n2,2\n3")
    assert reasons(batch) == [(0, 0, "too_many_fields")]
    assert batch.rows["id"].to_list() == [2, 3]
    assert json.loads(rejected(batch, HEADER)[0]["reading"]) == "1,2,3"


def test_lines_without_a_header_are_read_by_position() -> None:
    batch = read_both_ways(FIELDS, b"1;2.5;a,b\n2;;\n3\n4;1;x;y")
    assert batch.rows.rows() == [(1, 2.5, "a,b"), (2, None, None), (3, None, None)]
    assert reasons(batch) == [(0, 3, "too_many_fields")]


@pytest.mark.parametrize(
    ("payload", "why"),
    [(b"", "format:csv"), (b"\n\n", "format:csv"), (b'id\n"1', "format:csv"),
     (b'id\n"1"2', "format:csv"), (b"\xff", "not_utf8")],
)  # fmt: skip
def test_a_payload_that_is_no_csv_is_one_reject(payload: bytes, why: str) -> None:
    assert reasons(read_both_ways(HEADER, payload, b"id\n1")) == [(0, None, why)]


def test_tabs_and_backslashes_are_delimiters_as_well() -> None:
    for delimiter in ("\t", "\\", "|", "."):
        contract = contract_in(
            f'format = "csv"\ndelimiter = {json.dumps(delimiter)}\nfields = ["id", "s"]'
        )
        payload = f"1{delimiter}a b\n2{delimiter}c".encode()
        assert read_both_ways(contract, payload).rows["s"].to_list() == ["a b", "c"]


def test_more_headers_than_are_read_in_bulk_are_read_all_the_same() -> None:
    payloads = [f"id,x{n}\n{n},1\n".encode() for n in range(3 * delimited.MOST_HEADERS)]
    assert read_both_ways(HEADER, *payloads).rows["id"].to_list() == list(range(len(payloads)))


def test_a_long_header_of_many_lines_is_no_bomb() -> None:
    payload = b"id," + b"n" * 60_000 + b"\n" + b"1,\n" * 20_000
    batch = read_both_ways(HEADER, payload, b"id\n5")
    assert reasons(batch) == [(0, None, "too_large")]
    assert batch.rows["id"].to_list() == [5]


def test_a_bare_value_is_a_member() -> None:
    assert read_both_ways(VALUE, b"5", b" 7\r\n", b"").rows["id"].to_list() == [5, 7]
    batch = read_both_ways(VALUE, b'{"value": 1}', b'"2"', b"\\", b"\xff", b"\x00")
    assert [why for *_, why in reasons(batch)] == [
        "invalid:id", "invalid:id", "invalid:id", "not_utf8", "invalid:id",
    ]  # fmt: skip


def test_a_compressed_payload_is_inflated_first() -> None:
    contract = contract_in('format = "csv"\ncompression = "gzip"')
    batch = read_both_ways(contract, gzip.compress(b"id,t\n1,2\n2,x\n"), b"id\n3")
    assert batch.rows["id"].to_list() == [1, 3]
    assert json.loads(rejected(batch, contract)[0]["reading"]) == {"id": "2", "t": "x"}


def test_what_is_read_in_bulk_is_what_the_definition_says() -> None:
    """Guards against the bulk way's being never taken, in which case all else passes too."""
    lines = pl.Series(['{"id":1,"s":[{"a":"]"}]}\n{"id":2}\n', "{}x", '{"a":"\\n"}'])
    assert ndjson.decode_in_bulk(lines).to_list() == [
        ndjson.decode(lines[0]).text, None, None,
    ]  # fmt: skip
    texts = pl.Series(["a,b\n1,2\n3", "c\n1\n2", "a,b", 'a\n"1"'])
    found = delimited.decode_in_bulk(texts, ",", header=True).to_list()
    assert found == [*(delimited.decode(t, ",", header=True).text for t in texts[:3]), None]
