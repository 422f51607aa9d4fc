"""Where readings and their values come from, and what becomes of what isn't one."""

from __future__ import annotations

from typing import Any

import pytest

from functions.transform.clean import clean
from functions.transform.clean_batch import CleanBatch
from functions.transform.envelopes import read_envelopes
from tests.unit.functions.transform.envelopes_for import contract_of, line, lines

VALUE = '[columns.v]\ntype = "float"'
READINGS = contract_of(VALUE, message="data.items")


def both_ways(raw: bytes, contract: Any) -> CleanBatch:
    bulk, careful = clean(raw, contract), clean(raw, contract, bulk=False)
    assert bulk.rows.equals(careful.rows)
    assert bulk.rejects == careful.rejects
    assert bulk.empty_messages == careful.empty_messages
    return bulk


def reasons(batch: CleanBatch) -> list[tuple[int | None, str]]:
    return [(reject.index, reject.reasons[0]) for reject in batch.rejects]


def test_each_element_of_the_array_is_a_reading() -> None:
    raw = lines(
        {"data": {"items": [{"id": 1, "v": 1}, {"id": 2}]}}, {"data": {"items": [{"id": 3}]}}
    )
    batch = both_ways(raw, READINGS)
    assert batch.rows.rows() == [(1, 1.0), (2, None), (3, None)]


@pytest.mark.parametrize("message", [{"id": 7, "v": 2}, {"id": 7, "v": 2, "data": {"items": None}}])
def test_without_the_array_the_message_is_the_reading(message: dict[str, Any]) -> None:
    assert both_ways(lines(message), READINGS).rows.rows() == [(7, 2.0)]


def test_an_empty_array_is_no_reading_and_is_counted() -> None:
    batch = both_ways(lines({"data": {"items": []}}), READINGS)
    assert (batch.read, batch.empty_messages) == (0, 1)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff\xfe", "not_utf8"),
        (b"\xed\xa0\x80", "not_utf8"),
        (b"", "not_json"),
        (b'{"id":1', "not_json"),
        (b'{"id":1}{"id":2}', "not_json"),
        (b'{"id":1},{"id":2}', "not_json"),
        (b'{"id":NaN}', "not_json"),
        (b'{"id":01}', "not_json"),
        (b"{'id':1}", "not_json"),
        (b'\xef\xbb\xbf{"id":1}', "not_json"),
        (b'{"id":1,"s":"\t"}', "not_json"),
        (b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}", "not_json"),
        (b"null", "not_an_object"),
        (b"[]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b'{"data":{"items":{"id":1}}}', "not_an_array"),
    ],
)
def test_a_broken_message_is_one_reading_with_a_reason(payload: bytes, reason: str) -> None:
    good = {"data": {"items": [{"id": 1}, {"id": 2}]}}
    batch = both_ways(lines(good, payload, good), READINGS)
    assert reasons(batch) == [(None, reason)]
    assert (batch.rows.height, batch.duplicates) == (2, 2)


def test_an_element_that_is_no_object_costs_only_itself() -> None:
    batch = both_ways(lines({"data": {"items": [{"id": 1}, None, 5, {"id": 2}, "x"]}}), READINGS)
    assert reasons(batch) == [(1, "not_an_object"), (2, "not_an_object"), (4, "not_an_object")]
    assert batch.rows["id"].to_list() == [1, 2]


def test_deep_nesting_within_the_limit_is_fine() -> None:
    deep = b'{"id":1,"x":' + b"[" * 1000 + b"]" * 1000 + b"}"
    assert both_ways(lines(deep), READINGS).rows.height == 1


def test_of_members_of_one_name_the_first_counts() -> None:
    raw = lines(b'{"id":1,"v":1,"v":2}', b'{"id":2,"v":1,"v":{},"\\u0076":3}')
    assert both_ways(raw, contract_of(VALUE)).rows["v"].to_list() == [1.0, 1.0]


@pytest.mark.parametrize(
    "payloads",
    [
        (b'{"a":[{}', b"{}]}"),
        (b'{"a":[[{}', b"{}]}", b"{}],[{}"),
        (b'{"id":1},{"id":2}', b'{"a":[{}', b"{}]}"),
        (b'{"id":1}],[{"id":2}', b"{}"),
        (b'{"id":1', b'"v":2}'),
        (b'{"id":1},{"id":2}', b'{"a":[{}', b'{"v":2}]}'),
        (b'{"id":1,"a":[{}', b'{"v":2}]},{"id":3}'),
        (b'{"id":1}],[{"id":2}', b'{"id":3}]', b'{"id":4},'),
        (b'{"id":1,"v":"', b'"}'),
        (b'{"id":1,"v":{"a":2}', b'{"v":3}}', b'{"id":4},{"id":5}'),
        (b'{"id":1}{"id":2}', b'{"id":3} null'),
    ],
)
def test_no_message_reaches_into_another(payloads: tuple[bytes, ...]) -> None:
    batch = both_ways(lines(*payloads), contract_of(VALUE))
    broken = [payload for payload in payloads if payload != b"{}"]
    assert [r.reasons[0] for r in batch.rejects].count("not_json") == len(broken)
    assert batch.rows.height == 0


def test_space_around_an_object_and_nothing_in_one() -> None:
    raw = lines(b' \r\n{\t"id":1}\n', b'{"id":2}', b"{}", b" { } ", b'{"v":1}')
    batch = both_ways(raw, contract_of(VALUE))
    assert batch.rows["id"].to_list() == [1, 2]
    assert reasons(batch) == [(None, "missing:id")] * 3


def test_the_first_source_that_is_there_and_not_missing_wins() -> None:
    contract = contract_of(
        '[columns.v]\ntype = "float"\nfrom = ["a", "b.c", "$message.v"]\nmissing = [-1]',
        message="items",
    )
    items = [{"id": 1, "a": 1, "b": {"c": 2}}, {"id": 2, "a": -1, "b": {"c": 2}}, {"id": 3, "b": 0}]
    batch = both_ways(lines({"v": 3, "items": items}), contract)
    assert batch.rows["v"].to_list() == [1.0, 2.0, 3.0]


def test_the_envelope_is_a_source() -> None:
    contract = contract_of(
        """
        [columns.device]
        type = "text"
        from = "$topic[1]"
        [columns.client]
        type = "text"
        from = ["$client_id", "$message_id"]
        [columns.arrived]
        type = "timestamp"
        from = "$received_at"
        [columns.millis]
        type = "bigint"
        from = "$received_at"
        """
    )
    row = both_ways(line({"id": 1}, client_id=None), contract).rows.row(0, named=True)
    assert row["device"] == "box"
    assert row["client"] == "m0001"
    assert row["millis"] == 1772366400001
    assert row["arrived"].isoformat() == "2026-03-01T12:00:00.001000+00:00"


def test_a_topic_that_is_too_short_has_no_such_level() -> None:
    contract = contract_of('[columns.d]\ntype = "text"\nfrom = "$topic[1]"')
    raw = line({"id": 1}, 1, topic="lab") + b"\n" + line({"id": 2}, 2)
    assert both_ways(raw, contract).rows["d"].to_list() == [None, "box"]


def test_a_path_that_is_both_value_and_object_is_read_carefully() -> None:
    contract = contract_of('[columns.v]\ntype = "float"\nfrom = ["a", "a.b"]')
    batch = both_ways(lines({"id": 1, "a": 5}, {"id": 2, "a": {"b": 6}}), contract)
    assert batch.rows["v"].to_list() == [5.0]
    assert reasons(batch) == [(None, "invalid:v")]  # an object is there, so the search ends


@pytest.mark.parametrize(
    "broken",
    [
        b"garbage",
        b"\xff\xfe",
        b"{}",
        b"[1]",
        line({"id": 1}, extra=1),
        line({"id": 1}, message_id=None),
        line({"id": 1}, received_at="now"),
        line({"id": 1}, received_at=2**70),
        line({"id": 1}, received_at=True),
        line({"id": 1}, topic=5),
        line({"id": 1}, payload="!!!"),
        line({"id": 1}, payload=None),
        line({"id": 1}, client_id="\ud800"),
    ],
)
def test_a_line_that_is_no_envelope_is_a_message_of_its_own(broken: bytes) -> None:
    messages = read_envelopes(line({"id": 2}) + b"\n" + broken + b"\n")
    assert messages["message_id"].to_list() == [None, "m0001"]
    assert messages["payload"].to_list()[0] == broken
    batch = both_ways(line({"id": 2}) + b"\n" + broken, contract_of(VALUE))
    assert batch.rows["id"].to_list() == [2]
    assert len(batch.rejects) == 1


def test_an_empty_object_has_no_messages() -> None:
    for raw in (b"", b"\n\n", b"  \n"):
        batch = both_ways(raw, READINGS)
        assert (batch.read, batch.messages.height) == (0, 0)
        assert batch.rows.columns == ["id", "v"]
