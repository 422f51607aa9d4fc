"""``check``: the real Transform over a sample, with reasons, examples and the gate's verdict."""

from __future__ import annotations

import json
from typing import Any

from etl.authoring.check import SampleReport, check
from etl.authoring.samples import Message, Sample
from etl.authoring.unread import UnreadMember
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
    assert found.unread == [
        UnreadMember("$message.fw", 1, '"1"'),
        UnreadMember("extra.a", 1, "1"),
    ]


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


def changed(*changes: tuple[str, str]) -> Contract:
    text = CONTRACT.decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_contract(text.encode(), "lab.toml")


def check_of(contract: Contract, *messages: Message) -> SampleReport:
    return check(contract, Sample(messages, len(messages)))


def message(document: Any, **envelope: Any) -> Message:
    return Message(json.dumps(document).encode(), **envelope)


def test_what_rest_takes_is_read_and_what_is_beside_the_readings_is_not() -> None:
    rest = changed(
        ("[columns.state]", "[columns.more]\ntype = 'jsonb'\nfrom = '$rest'\n[columns.state]")
    )
    found = check_of(rest, message({"fw": {"a": "b\n"}, "readings": [reading(1, extra=1)]}))
    assert found.unread == [UnreadMember("$message.fw.a", 1, '"b\\n"')]


def test_members_are_counted_by_messages_and_an_example_is_cut() -> None:
    readings = [reading(n, extra="x" * 100) for n in range(3)]
    found = checked({"readings": readings}, {"readings": readings[:1]}, reading(9, extra=None))
    assert found.unread == [UnreadMember("extra", 2, f'"{"x" * 59}...')]


def test_members_of_the_level_between_two_arrays_are_looked_at() -> None:
    nested = changed(('readings = "readings"', 'readings = "nodes[].readings"'))
    nodes = [{"site": "x", "readings": [reading(n)]} for n in range(2)]
    found = check_of(nested, message({"gw": 1, "nodes": nodes}))
    assert found.unread == [
        UnreadMember("$message.gw", 1, "1"),
        UnreadMember("$parent.site", 1, '"x"'),
    ]


def test_the_first_element_that_nothing_reads_stands_for_the_others() -> None:
    elements = changed(
        ('[columns.temp]\ntype = "float"', '[columns.temp]\ntype = "float"\nfrom = "r[0]"'),
        (
            "[columns.state]",
            "[columns.rssi]\ntype = 'float'\nfrom = 'rx[-1].rssi'\n[columns.state]",
        ),
    )
    rx = [{"rssi": -9}, {"rssi": -5, "snr": 7}]
    found = check_of(elements, message({"readings": [reading(1, r=[1, 2, 3], rx=rx)]}))
    assert [(m.name, m.example) for m in found.unread if m.name[0] == "r"] == [
        ("r[1]", "2"),
        ("rx[-1].snr", "7"),
        ("rx[0]", '{"rssi":-9}'),
    ]


def test_all_numbers_of_a_narrow_table_are_read_and_texts_are_not() -> None:
    narrow = changed(
        ('readings = "readings"', 'readings = "readings"\nmelt = "numbers"'),
        ('[columns.temp]\ntype = "float"', '[columns.temp]\ntype = "float"\nfrom = "$value"'),
        ('key = ["id", "ts"]', 'key = ["id", "metric", "ts"]'),
        ("[columns.state]", "[columns.metric]\ntype = 'text'\nfrom = '$metric'\nmax_length = 9\n"
         "required = true\n[columns.state]"),
    )  # fmt: skip
    found = check_of(narrow, message(reading(1, a=1, b="text", c={"d": 1})))
    assert [member.name for member in found.unread] == ["b", "c.d"]


def test_messages_that_are_set_aside_have_no_members_that_should_be_read() -> None:
    only = changed(
        ('readings = "readings"', 'readings = "readings"\nonly = { "$topic[0]" = "lab" }')
    )
    found = check_of(
        only, message(reading(1), topic="lab/a"), message({"log": "started"}, topic="logs/a")
    )
    assert found.unread == []
    assert found.other == {"set_aside": 1}


BY_ARRIVAL = (
    '[columns.ts]\ntype = "timestamp"',
    '[columns.ts]\ntype = "timestamp"\nfrom = "$received_at"',
)


def test_messages_without_a_time_of_arrival_share_a_millisecond() -> None:
    found = check_of(changed(BY_ARRIVAL), *(message({"temp": n}, client_id="a") for n in range(3)))
    assert (found.accepted, found.conflicts, found.verdict) == (1, 2, "warn")
    first, second = found.notes
    assert first.startswith("3 messages without a time of arrival: taken to arrive in the same")
    assert "no time but that of arrival (ts)" in second


def test_a_recording_keeps_its_times_of_arrival_and_the_key_is_told_all_the_same() -> None:
    messages = [message({"temp": n}, received_at=1_772_366_400_000 + n) for n in range(3)]
    found = check_of(changed(BY_ARRIVAL), *messages)
    assert (found.accepted, found.conflicts) == (3, 0)
    assert found.max_time == "2026-03-01T12:00:00.002000+00:00"
    (note,) = found.notes
    assert "no time but that of arrival (ts)" in note


def test_lateness_is_judged_only_by_times_of_arrival_that_are_known() -> None:
    limited = changed(
        ('[columns.ts]\ntype = "timestamp"', '[columns.ts]\ntype = "timestamp"\nmax_age = "1h"')
    )
    found = check_of(limited, message(reading(1)))
    assert (found.accepted, found.notes) == (
        1, ["not judged, as the sample has no times of arrival: max_age of ts"],
    )  # fmt: skip
    late = check_of(limited, message(reading(1), received_at=1_772_366_400_000))
    assert (late.rejected, late.notes) == (1, [])
    assert late.reasons[0].reason == "too_old:ts"


def test_several_rejects_of_one_message_all_have_examples() -> None:
    narrow = changed(
        ('readings = "readings"', 'readings = "readings"\nmelt = ["temp", "state"]'),
        ('[columns.temp]\ntype = "float"', '[columns.temp]\ntype = "float"\nfrom = "$value"'),
        ('on_invalid = "null"', ""),
        ("[columns.state]\n", "[columns.state]\nfrom = '$metric'\n"),
    )
    document = reading(1, temp="warm", state="open")
    found = check_of(narrow, message(document))
    assert [reason.reason for reason in found.reasons] == ["invalid:temp", "too_long:state"]
    assert all(reason.examples == [json.dumps(document)] for reason in found.reasons)


def test_an_empty_message_is_an_example_too() -> None:
    (reason,) = checked(b"", b"{").reasons
    assert (reason.reason, reason.examples) == ("not_json", ["", "{"])
