"""``check``: the real Transform over a sample, with reasons, examples and the gate's verdict."""

from __future__ import annotations

import json
from typing import Any

from etl.authoring.check import SampleReport, check
from etl.authoring.samples import Message, Sample
from telemetry.contract import Contract, parse_contract

CONTRACT = b"""
name = "lab"
topic = "lab/+"
[table]
name = "lab"
key = ["id", "ts"]
[message]
readings = "readings"
[columns.id]
type = "text"
from = ["id", "$topic[1]"]
required = true
max_length = 8
[columns.ts]
type = "timestamp"
required = true
[columns.temp]
type = "float"
range = [-40, 60]
on_invalid = "null"
[columns.state]
type = "text"
max_length = 4
"""


def contract() -> Contract:
    return parse_contract(CONTRACT, "lab.toml")


def reading(n: int = 0, **members: Any) -> dict[str, Any]:
    return {"ts": f"2026-03-01T00:00:{n:02}", "temp": 20.5} | members


def checked(*documents: Any) -> SampleReport:
    payloads = [d if isinstance(d, bytes) else json.dumps(d).encode() for d in documents]
    return check(contract(), Sample(tuple(map(Message, payloads)), len(payloads)))


def test_every_reading_is_counted_once() -> None:
    found = checked(
        {"readings": [reading(1), reading(2), reading(1)]}, b"{", reading(3), {"temp": 1}
    )
    assert (found.read, found.accepted, found.duplicates, found.rejected) == (6, 3, 1, 2)
    assert {r.reason: r.readings for r in found.reasons} == {"missing:ts": 1, "not_json": 1}


def test_a_reason_has_up_to_three_examples_to_the_letter() -> None:
    torn = [b'{"n": %d, ' % n for n in range(5)]
    (reason,) = checked(*torn, reading(1)).reasons
    assert (reason.reason, reason.readings) == ("not_json", 5)
    assert reason.examples == [text.decode() for text in torn[:3]]


def test_an_example_out_of_an_array_is_the_element_and_a_long_one_is_cut() -> None:
    spelled = '{"ts":"2026-03-01T00:00:01",  "state":"' + "x" * 400 + '"}'
    (reason,) = checked(f'{{"readings":[{json.dumps(reading(2))}, {spelled}]}}'.encode()).reasons
    (example,) = reason.examples
    assert reason.reason == "too_long:state"
    assert example.startswith('{"ts":"2026-03-01T00:00:01",  "state":"xxx')
    assert example.endswith("characters")


def test_bytes_that_are_no_text_are_shown_as_bytes() -> None:
    (reason,) = checked(b"\xff\xfe").reasons
    assert (reason.reason, reason.examples) == ("not_utf8", [r"b'\xff\xfe'"])


def test_a_value_lost_without_its_reading_has_examples_too() -> None:
    found = checked(reading(1), reading(2, temp=99), reading(3, temp="warm"))
    assert found.rejected == 0
    told = {r.reason: (r.readings, r.values, len(r.examples)) for r in found.reasons}
    assert told == {"invalid:temp": (0, 1, 1), "out_of_range:temp": (0, 1, 1)}
    (temp,) = [column for column in found.columns if column.name == "temp"]
    assert (temp.missing, temp.invalid, temp.out_of_range) == (0.666667, 0.333333, 0.333333)


def test_members_that_no_column_takes_are_named() -> None:
    found = checked({"fw": "1", "readings": [reading(1, extra={"a": 1, "b": None})]}, reading(2))
    assert found.unread == ["$message.fw", "extra.a"]


def test_the_gate_judges_the_sample() -> None:
    found = checked(*[{"temp": n} for n in range(30)], reading(1))
    assert found.verdict == "quarantine"
    assert "missing:ts 30" in found.findings[0].sentence
    assert checked(*[reading(n) for n in range(30)]).verdict == "pass"


def test_all_of_it_is_plain_data() -> None:
    found = checked(reading(1), b"{")
    assert json.loads(json.dumps(found.as_dict()))["rejected"] == 1


def test_messages_of_another_kind_are_counted_and_not_rejected() -> None:
    only = parse_contract(
        CONTRACT.replace(b"[message]", b'[message]\nonly = { kind = "uplink" }'), "lab.toml"
    )
    documents = [reading(1, kind="uplink"), {"kind": "join"}]
    messages = tuple(Message(json.dumps(document).encode()) for document in documents)
    found = check(only, Sample(messages, 2))
    assert (found.read, found.accepted, found.rejected) == (2, 1, 0)
    assert found.other == {"set_aside": 1}
    assert found.unread == []


def test_a_text_that_is_cut_is_not_lost() -> None:
    cut = parse_contract(CONTRACT + b'on_too_long = "truncate"\non_invalid = "null"\n', "lab.toml")
    message = Message(json.dumps(reading(1, state="running")).encode())
    found = check(cut, Sample((message,), 1))
    assert found.reasons == []
    (state,) = [column for column in found.columns if column.name == "state"]
    assert state.more == {"truncated": 1.0}


def test_a_conflict_is_counted_apart_from_repeats_and_shown_with_the_reading_it_lost_against() -> (
    None
):
    first, other = reading(1, state="on"), reading(1, state="off")
    found = checked({"readings": [reading(2), first, first, other]})
    assert (found.read, found.accepted, found.duplicates, found.conflicts) == (4, 2, 1, 1)
    assert found.conflicting_pair == (json.dumps(first), json.dumps(other))
    assert found.reasons == []
    assert checked(first).conflicting_pair is None
