"""Random topic filters of two or three contracts, and random topics: from the topic rules by Extract
to the rows of each contract, against MQTT's own matching and the slow transform."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from hypothesis import event, example, given
from hypothesis import strategies as st

from etl.operations.other_contracts import OtherContracts
from etl.operations.receipts import message_digest
from functions.extract.batches import Accumulator, BatchLimits, Line, compress
from functions.extract.envelope import read_envelope
from functions.transform.clean import clean
from functions.transform.handler import _contract_of
from infrastructure.core.ingest import RULE_SELECT, _rule
from telemetry.contract import Contract, ContractSet, parse_contract
from telemetry.contract.topics import DEVICE, TopicFilter, topic_faults
from telemetry.layout import raw_key
from tests.property.mess import messages
from tests.property.mqtt_oracle import matches
from tests.property.reference import expect

FIXED = ["a", "b", "a.b", "up"]
NAMES = ["climate", "box-state", "n1"]
"""Names of the contracts; the last one is like the end of a key."""
SQL = re.compile(rf"{re.escape(RULE_SELECT)}(?:, '([^']*)' AS contract)? FROM '([^']*)'")
BOTH = st.booleans()
PREFIX = "raw/2026/03/01/run/"


@dataclass(frozen=True)
class Published:
    """A message as a device sends it."""

    topic: str
    payload: bytes


@st.composite
def filters(draw: st.DrawFn) -> str:
    level = st.sampled_from([*FIXED, "+", f"{{{DEVICE}}}", "{hall}"])
    levels = draw(st.lists(level, min_size=2, max_size=4))
    return "/".join([*levels, *draw(st.sampled_from([[], [], ["#"]]))])


@st.composite
def near(draw: st.DrawFn, topic: str) -> str:
    """A filter that overlaps another one, most often: some of its levels are wildcards."""
    levels = topic.split("/")
    for place, level in enumerate(levels):
        wider = ["{hall}", "+"] if level != f"{{{DEVICE}}}" else []
        levels[place] = draw(st.sampled_from([level, level, *wider])) if place else level
    if draw(BOTH):
        levels = [*levels[: draw(st.integers(1, len(levels)))], "#"]
    return "/".join(levels)


@st.composite
def overlapping(draw: st.DrawFn, number: int) -> list[str]:
    """So many valid filters, of which most have topics in common with the first one."""
    found = [draw(filters().filter(is_valid))]
    for _ in range(number - 1):
        other = draw(st.one_of(near(found[0]), near(found[0]), filters()).filter(is_valid))
        found.append(other)
    return found


def is_valid(topic: str) -> bool:
    return not list(topic_faults(topic))


@st.composite
def topics(draw: st.DrawFn, contracts: ContractSet) -> str:
    """Mostly one that a filter has, some of whose levels are others, one more or one less."""
    level = st.sampled_from([*FIXED, "é", ""])
    wanted = draw(st.sampled_from(contracts.contracts)).topic_filter
    found = wanted.fill(draw(level), lambda _: draw(level)).split("/")
    change = draw(st.sampled_from(["none"] * 5 + ["one", "more", "less"]))
    if change == "one":
        found[draw(st.integers(0, len(found) - 1))] = draw(level)
    elif change == "more":
        found = [*found, draw(level)]
    elif change == "less":
        found = found[:-1]
    return "/".join(found)


def contract(name: str, topic: str, policy: str, in_array: bool) -> Contract:
    """A contract of that filter, whose rows say which topic they are of."""
    device = "$topic.device" if DEVICE in TopicFilter.parse(topic).places else "$topic[1]"
    return parse_contract(
        f"""
        name = "{name}"
        topic = "{topic}"
        {'message = {readings = "readings"}' if in_array else ""}
        [table]
        name = "{name.replace("-", "_")}"
        key = ["device", "n"]
        on_conflict = "{policy}"
        [columns.device]
        type = "text"
        from = "{device}"
        max_length = 16
        required = true
        [columns.n]
        type = "integer"
        range = [0, 3]
        required = true
        [columns.topic]
        type = "text"
        from = "$topic"
        [columns.{name.replace("-", "_")}]
        type = "{"text" if in_array else "float"}"
        from = "v"
        on_invalid = "null"
        """.encode(),
        f"{name}.toml",
    )


@st.composite
def pipelines(draw: st.DrawFn) -> tuple[ContractSet, list[Published]]:
    policies = st.sampled_from(["keep_first", "keep_last", "fill_missing"])
    contracts = ContractSet.of(
        contract(name, topic, draw(policies), draw(BOTH))
        for name, topic in zip(NAMES, draw(overlapping(draw(st.integers(2, 3)))), strict=False)
    )
    payloads = st.one_of(*(messages(one) for one in contracts))
    sent = st.builds(Published, topics(contracts), payloads)
    return contracts, draw(st.lists(sent, min_size=1, max_size=8))


def by_rules(contracts: ContractSet, sent: list[Published]) -> Iterator[tuple[str, str]]:
    """Ids and bodies of the messages in the queue, as AWS IoT writes them by the rules' SQL."""
    for one in contracts:
        found = SQL.fullmatch(
            _rule(contracts, one).to_dict()["Properties"]["TopicRulePayload"]["Sql"]
        )
        assert found
        name, topic_filter = found.groups()
        for number, message in enumerate(sent):
            if matches(topic_filter, message.topic):
                envelope = {
                    "payload": base64.b64encode(message.payload).decode(),
                    "topic": message.topic,
                    "client_id": "box",
                    "received_at": 1772366400000 + number,
                }
                body = json.dumps(envelope | ({} if name is None else {"contract": name}))
                yield f"{name}-{number}", body


def staged(queue: list[tuple[str, str]], limit: int) -> Iterator[tuple[str, list[bytes]]]:
    """Keys and lines of the raw objects that Extract makes of these messages."""
    envelopes = [read_envelope(*message) for message in queue]
    lines = [Line(line, f"receipt-{n}", name) for n, (line, name) in enumerate(envelopes)]
    extract = Accumulator(BatchLimits(messages=limit))
    batches = [*extract.add(lines), *extract.rest()]
    for number, batch in enumerate(batches):
        key = raw_key(PREFIX, f"b{number}", len(batch.lines), batch.contract)
        yield key, gzip.decompress(compress(batch.lines)).splitlines()


def spelled(rows: Any) -> list[str]:
    return sorted(
        repr([v.isoformat() if isinstance(v, datetime) else v for v in row]) for row in rows
    )


ONE_IN_THE_OTHER = ContractSet.of(
    [
        contract("climate", "a/up/{device}", "keep_last", in_array=True),
        contract("box-state", "a/{hall}/{device}/#", "keep_first", in_array=False),
        contract("n1", "a/#", "keep_last", in_array=False),
    ]
)
SHARED = [
    Published(topic, b'{"n":1,"v":"2.5","readings":[{"n":1,"v":"x"},{"n":2}]}')
    for topic in ("a/up/b", "a/up/b/a", "a/b/b", "a", "a/up", "b/up/b")
]


@given(pipelines(), st.integers(1, 4))
@example((ONE_IN_THE_OTHER, SHARED), 2)
def test_each_message_is_a_row_of_every_contract_whose_filter_matches(
    pipeline: tuple[ContractSet, list[Published]], limit: int
) -> None:
    contracts, sent = pipeline
    queue = list(by_rules(contracts, sent))
    by_arrival = sorted(queue, key=lambda message: message[0].rpartition("-")[2])
    arrived: Counter[tuple[str, str, bytes]] = Counter()
    for key, lines in staged(by_arrival, limit):
        one, reason = _contract_of(key, contracts)
        assert reason is None
        raw = b"\n".join(lines)
        found, wanted = clean(raw, one), expect(raw, one)
        assert spelled(found.rows.rows()) == spelled(wanted.rows.values())
        assert (found.read, len(found.rejects)) == (wanted.read, len(wanted.rejects))
        for line in map(json.loads, lines):
            arrived[one.name, line["topic"], base64.b64decode(line["payload"])] += 1
    assert arrived == Counter(
        (one.name, message.topic, message.payload)
        for message in sent
        for one in contracts
        if matches(re.sub(r"\{\w+\}", "+", one.topic), message.topic)
    )
    taken = Counter(name.rpartition("-")[2] for name, _ in queue)
    event(f"contracts of one message: {max(taken.values(), default=0)}")


@given(pipelines())
@example((ONE_IN_THE_OTHER, SHARED))
def test_publishers_know_whose_messages_they_send(
    pipeline: tuple[ContractSet, list[Published]],
) -> None:
    """Their receipts count a message for each contract that its topic is of."""
    contracts, sent = pipeline
    s3 = SimpleNamespace(put_object=lambda **_: None)
    for sender in contracts:
        others = OtherContracts(contracts, sender)
        acknowledged = set()
        for message in sent:
            takers = {
                one.name for one in contracts if matches(one.topic_filter.mqtt, message.topic)
            }
            assert sender.topic_filter.matches(message.topic) == (sender.name in takers)
            pending = others.send("box", message.topic, message.payload)
            assert {digest for _, digest, _ in pending.parts} == {
                message_digest("box", message.payload, contracts.key_name(one))
                for one in contracts
                if one.name in takers - {sender.name}
            }
            acknowledged |= {one for one, _, _ in pending.parts}
        for one in acknowledged:
            one.write(s3, "bucket", "publication")
