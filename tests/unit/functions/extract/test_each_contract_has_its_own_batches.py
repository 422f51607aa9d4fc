"""Micro-batches of several contracts: what came by one's rule is staged under its name."""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.extract import batches, handler
from functions.extract.batches import Accumulator, BatchLimits, Line, MicroBatch
from functions.extract.envelope import read_envelope
from telemetry.layout import clean_key, clean_prefix, is_contract_name, parse_raw_key, raw_key
from tests.fixtures.aws_fakes import FakeAws, sqs_event

NAMES = st.sampled_from([None, "status", "box-events", "a_b"])
ARRIVALS = st.lists(st.tuples(NAMES, st.integers(1, 30)), max_size=80)
"""Contract and bytes of each message, in the order in which they come."""


def arrived(messages: list[tuple[str | None, int]]) -> list[Line]:
    return [
        Line(b"x" * (size - 1) + b"\n", f"r{place}", contract)
        for place, (contract, size) in enumerate(messages)
    ]


def of_batches(found: list[MicroBatch]) -> list[Line]:
    return [
        Line(line, receipt, batch.contract)
        for batch in found
        for line, receipt in zip(batch.lines, batch.receipts, strict=True)
    ]


@given(messages=ARRIVALS, most_bytes=st.integers(1, 120), most_messages=st.integers(1, 12))
def test_each_line_is_in_one_batch_of_its_contract_and_the_sum_is_bounded(
    messages: list[tuple[str | None, int]], most_bytes: int, most_messages: int
) -> None:
    lines = arrived(messages)
    limits = BatchLimits(bytes=most_bytes, messages=most_messages, seconds=math.inf)
    accumulator = Accumulator(limits)
    found: list[MicroBatch] = []
    for place, line in enumerate(lines, 1):
        found += accumulator.add([line])
        waiting = lines[:place].copy()
        for staged in of_batches(found):
            waiting.remove(staged)
        # What is in memory and not full: less than the limits, all contracts together.
        assert len(waiting) < most_messages
        assert sum(len(one.line) for one in waiting) < most_bytes
    found += accumulator.rest()
    assert sorted(of_batches(found), key=str) == sorted(lines, key=str)
    for batch in found:
        assert 1 <= len(batch.lines) <= most_messages
        assert batch.size == sum(map(len, batch.lines))
        assert batch.size <= most_bytes or len(batch.lines) == 1
    for contract in {line.contract for line in lines}:
        own = [one for one in of_batches(found) if one.contract == contract]
        assert own == [line for line in lines if line.contract == contract]  # in their order
    assert accumulator.rest() == []


@given(messages=ARRIVALS, most_bytes=st.integers(1, 120), most_messages=st.integers(1, 12))
def test_the_same_messages_are_split_the_same_way_however_they_are_handed_over(
    messages: list[tuple[str | None, int]], most_bytes: int, most_messages: int
) -> None:
    """A delivery that is repeated overwrites the objects of the first one."""
    lines = arrived(messages)
    limits = BatchLimits(bytes=most_bytes, messages=most_messages, seconds=math.inf)
    one, other = Accumulator(limits), Accumulator(limits)
    by_one = [batch for line in lines for batch in one.add([line])] + one.rest()
    at_once = other.add(lines) + other.rest()
    assert [(b.contract, b.lines) for b in by_one] == [(b.contract, b.lines) for b in at_once]
    assert [batch.receipts for batch in by_one] == [batch.receipts for batch in at_once]


@given(messages=ARRIVALS, most_messages=st.integers(1, 12))
def test_a_contract_alone_is_split_as_if_there_were_no_others(
    messages: list[tuple[str | None, int]], most_messages: int
) -> None:
    lines = arrived([(None, size) for _, size in messages])
    accumulator = Accumulator(BatchLimits(messages=most_messages, seconds=math.inf))
    found = accumulator.add(lines) + accumulator.rest()
    sizes = [len(batch.lines) for batch in found]
    assert sizes[:-1] == [most_messages] * (len(sizes) - 1)


@pytest.mark.parametrize("limits", [{"messages": 10}, {"bytes": 20}], ids=str)
def test_few_messages_wait_while_another_contract_has_many(limits: dict[str, int]) -> None:
    accumulator = Accumulator(BatchLimits(**limits, seconds=math.inf))
    many = [Line(b"x\n", f"r{n}", "status") for n in range(27)]
    found = accumulator.add([Line(b"y\n", "few", None), *many])
    assert [(batch.contract, len(batch.lines)) for batch in found] == [("status", 9)] * 3
    assert [batch.contract for batch in accumulator.rest()] == [None]


def test_a_batch_is_full_after_its_time_also_if_only_others_get_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(batches.time, "monotonic", lambda: now[0])
    accumulator = Accumulator(BatchLimits(seconds=5))
    assert accumulator.add([Line(b"a\n", "1", None)]) == []
    now[0] = 104.0
    assert accumulator.add([Line(b"b\n", "2", "status")]) == []
    now[0] = 105.0
    assert [batch.receipts for batch in accumulator.add([Line(b"c\n", "3", "status")])] == [["1"]]
    now[0] = 109.0
    assert [batch.receipts for batch in accumulator.add([Line(b"d\n", "4", None)])] == [["2", "3"]]


def body(**changed: Any) -> str:
    whole = {
        "payload": base64.b64encode(b'{"a": 1}').decode(),
        "topic": "t/box",
        "client_id": "box",
        "received_at": 1795414200000,
    }
    return json.dumps({**whole, **changed})


@pytest.mark.parametrize("name", ["status", "a", "box-status", "a_b", "b2", "a" * 40])
def test_the_rule_s_name_of_the_contract_is_not_in_the_line(name: str) -> None:
    envelope = read_envelope("m", body(contract=name))
    assert envelope.contract == name
    assert envelope.line == read_envelope("m", body()).line
    assert read_envelope("m", body()).contract is None


HOSTILE = [
    None, 7, True, "", " ", "Status", "_status", "1", "a" * 41, "a.b", "a/b", "../x", "a\n", "a\0",
    "status.n1", "n1.ndjson.gz", "ä", "a\ud800", "é", ["status"], {"a": 1}, 1.5, "a b", "a'b", "-a",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_name_that_no_contract_has_is_not_of_our_rule(name: Any) -> None:
    text = body(contract=name)
    envelope = read_envelope("m", text)
    assert envelope.contract is None
    kept = json.loads(envelope.line)
    assert base64.b64decode(kept["payload"]).decode() == text
    assert (kept["topic"], kept["client_id"], kept["received_at"]) == (None,) * 3


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )
)
def test_whatever_stands_for_a_contract_the_key_can_be_read(name: Any) -> None:
    contract = read_envelope("m", body(contract=name)).contract
    raw = parse_raw_key(raw_key("raw/2026/11/23/run/", "batch", 3, contract))
    assert raw is not None
    assert (raw.batch_id, raw.messages, raw.contract) == ("batch", 3, contract)
    assert contract is None or (contract == name and is_contract_name(contract))


@given(
    name=st.from_regex(r"[a-z][a-z0-9_-]{0,39}", fullmatch=True),
    batch_id=st.from_regex(r"[A-Za-z0-9_-]{1,80}", fullmatch=True),
    messages=st.integers(0, 10**9),
)
def test_a_key_says_which_contract_s_it_is(name: str, batch_id: str, messages: int) -> None:
    raw = parse_raw_key(raw_key("raw/2026/11/22/run/", batch_id, messages, name))
    assert raw is not None
    assert (raw.batch_id, raw.messages, raw.contract) == (batch_id, messages, name)
    assert clean_key(raw).startswith(clean_prefix(name))


def contracts_of(aws: FakeAws) -> dict[str | None, int]:
    """Staged messages by contract, counted in the objects."""
    counts: Counter[str | None] = Counter()
    for key, content in aws.s3.objects.items():
        raw = parse_raw_key(key)
        if raw is not None:
            lines = gzip.decompress(content).splitlines()
            assert len(lines) == raw.messages
            assert all(json.loads(line).keys() == MEMBERS for line in lines)
            counts[raw.contract] += len(lines)
    return dict(counts)


MEMBERS = {"message_id", "topic", "client_id", "received_at", "payload"}
SENT = [body(), body(contract="status"), "no envelope", body(contract="box-events"), body()] * 30


def test_a_drain_stages_each_contract_s_messages_under_its_name(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATCH_MESSAGES", "40")
    aws.sqs.send(*SENT)
    event = {"execution": "run.7", "started": "2026-11-23T00:00:30.123Z"}
    result = handler.drain(event, None)
    assert contracts_of(aws) == {None: 90, "status": 30, "box-events": 30}
    assert result["messages"] == 150
    assert aws.sqs.left == 0
    ids = [raw.batch_id for raw in map(parse_raw_key, aws.s3.objects) if raw is not None]
    assert len(set(ids)) == len(ids) == result["batches"]


def test_a_delivery_is_staged_so_too_and_the_same_way_again(aws: FakeAws) -> None:
    event = sqs_event(*SENT)
    assert handler.stage(event, None) == {"batchItemFailures": []}
    assert contracts_of(aws) == {None: 90, "status": 30, "box-events": 30}
    before = dict(aws.s3.objects)
    event["Records"].reverse()
    handler.stage(event, None)
    assert aws.s3.objects == before
    ((_, given),) = aws.states.started.items()
    assert (given["batches"], given["messages"]) == (3, 150)
