"""Where the readings of a message are when it isn't an array of objects, and what isn't one."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from functions.transform.careful import CarefulReader
from functions.transform.clean import clean
from functions.transform.clean_batch import CleanBatch
from functions.transform.extraction_plan import make_plan
from functions.transform.rejects import rejected_lines
from telemetry.contract import Contract, parse_contract
from tests.unit.functions.transform.envelopes_for import line, lines

ID = '[columns.id]\ntype = "integer"\nrequired = true\n'
V = '[columns.v]\ntype = "float"\n'
NARROW = (
    ID + '[columns.metric]\ntype = "text"\nfrom = "$metric"\nrequired = true\nmax_length = 9\n'
    '[columns.value]\ntype = "float"\nfrom = "$value"\n'
)


def contract(message: str, columns: str = ID + V, key: str = '["id"]') -> Contract:
    head = f'name = "t"\ntopic = "lab/+"\n[table]\nname = "t"\nkey = {key}\n[message]\n'
    return parse_contract(f"{head}{message}\n{columns}".encode(), "t.toml")


def both_ways(raw: bytes, about: Contract, careful: bool = False) -> CleanBatch:
    """Read in bulk and one by one; unless it says so, the bulk decoder has to take them all."""
    fast, slow = clean(raw, about), clean(raw, about, bulk=False)
    assert fast.rows.equals(slow.rows)
    assert fast.rejects == slow.rejects
    assert (fast.set_aside, fast.empty_messages) == (slow.set_aside, slow.empty_messages)
    if not careful:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(CarefulReader, "read", None)  # a call would make rejects of its own
            assert clean(raw, about).rejects == fast.rejects
    return fast


def reasons(batch: CleanBatch) -> list[tuple[int | None, str]]:
    return [(reject.index, reject.reasons[0]) for reject in batch.rejects]


ROWS = contract('readings = "d"\nshape = "rows"\nfields = ["id", "v"]')
PAIRS = contract('readings = "d"\nshape = "pairs"')
KEYED = contract(
    'readings = "$message"\nshape = "keyed"',
    '[columns.id]\ntype = "integer"\nfrom = "$key"\nrequired = true\n'
    '[columns.v]\ntype = "float"\nfrom = ["v", "$value"]',
)
MELTED = contract('readings = "d"\nmelt = ["t", "h.x"]', NARROW, '["id", "metric"]')
NUMBERS = contract('melt = "numbers"', NARROW, '["id", "metric"]')
TOP = contract('readings = "$message"')


def test_positions_of_a_row_have_names() -> None:
    batch = both_ways(lines({"d": [[1, 2.5], [2], [3, None], [4, 5]]}), ROWS, careful=True)
    assert batch.rows.rows() == [(1, 2.5), (2, None), (3, None), (4, 5.0)]
    batch = both_ways(lines({"d": [[1, "2.5"], [3, None]]}, {"d": []}, {"id": 9}), ROWS)
    assert batch.rows.rows() == [(1, 2.5), (3, None), (9, None)]
    assert batch.empty_messages == 1


@pytest.mark.parametrize("spelled", ["0.10000000000000001", "21.40", "1e2"])
def test_a_text_in_a_row_keeps_the_spelling_of_a_number(spelled: str) -> None:
    texts = contract(
        'readings = "d"\nshape = "rows"\nfields = ["id", "v"]', ID + '[columns.v]\ntype = "text"\n'
    )
    raw = line(f'{{"d": [[1, {spelled}]]}}'.encode())
    assert both_ways(raw, texts, careful=True).rows.rows() == [(1, spelled)]


def test_a_row_with_a_position_too_many_is_rejected() -> None:
    batch = both_ways(lines({"d": [[1, 2, 3], None, [4, 5]]}), ROWS)
    assert reasons(batch) == [(0, "too_many_fields"), (1, "not_an_array")]
    assert batch.rows.rows() == [(4, 5.0)]


@pytest.mark.parametrize("item", [5, "x", {}, True])
def test_what_is_no_row_is_rejected(item: Any) -> None:
    batch = both_ways(lines({"d": [item, [1, 2]]}), ROWS, careful=True)
    assert reasons(batch) == [(0, "not_an_array")]
    assert reasons(both_ways(lines({"d": item}), ROWS, careful=True)) == [(None, "not_an_array")]


def test_pairs_are_members() -> None:
    batch = both_ways(lines({"d": [[["id", 1], ["v", 2.5]], [["v", 1], ["id", 2]]]}), PAIRS)
    assert batch.rows.rows() == [(1, 2.5), (2, 1.0)]


def test_the_array_may_be_the_pairs_of_one_reading() -> None:
    raw = lines({"d": [["id", 1], ["v", 2.5], ["x", 8], ["x", 9]]})
    batch = both_ways(raw, PAIRS, careful=True)
    assert batch.rows.rows() == [(1, 2.5)]


def test_of_two_values_for_one_name_neither_is_chosen() -> None:
    raw = lines(
        {"d": [[["id", 1], ["v", 2.5], ["v", 9]], [["id", 2]]]}, {"d": [["id", 3], ["id", 3]]}
    )
    batch = both_ways(raw, PAIRS, careful=True)
    assert reasons(batch) == [(0, "repeated_name"), (None, "repeated_name")]
    assert batch.rows.rows() == [(2, None)]


@pytest.mark.parametrize("pair", [["id"], ["id", 1, 2], [5, 1], [True, 1], [None, 1], "id", None])
def test_what_is_no_pair_costs_its_reading(pair: Any) -> None:
    batch = both_ways(lines({"d": [[["id", 1], pair], [["id", 2]]]}), PAIRS, careful=True)
    assert reasons(batch) == [(0, "not_pairs")]
    assert batch.rows.rows() == [(2, None)]


def test_the_name_of_a_member_is_the_key_of_its_reading() -> None:
    batch = both_ways(lines({"1": {"v": 2.5}, "2": 3, "3": None}), KEYED, careful=True)
    assert batch.rows.rows() == [(1, 2.5), (2, 3.0), (3, None)]


def test_the_reject_of_a_keyed_reading_has_its_text() -> None:
    batch = both_ways(lines(b'{"1":{"v":1}, "x": {"v": 2.50}, "x":0}'), KEYED, careful=True)
    (told,) = gzip.decompress(rejected_lines(batch, KEYED)).splitlines()
    assert json.loads(told)["reading"] == '{"v": 2.50}'
    assert json.loads(told)["index"] == 1


def test_the_payload_may_be_the_array() -> None:
    batch = both_ways(lines([{"id": 1, "v": 2}, {"id": 2}, None], []), TOP)
    assert batch.rows.rows() == [(1, 2.0), (2, None)]
    assert reasons(batch) == [(2, "not_an_object")]
    assert batch.empty_messages == 1
    assert both_ways(lines({"id": 3}), TOP, careful=True).rows.rows() == [(3, None)]


def test_payloads_that_are_arrays_can_not_reach_into_each_other() -> None:
    payloads = [b'[{"id":1}', b'{"id":2}]', b'[{"id":3}],[{"id":4}]', b'[{"id":5}]']
    batch = both_ways(lines(*payloads), TOP, careful=True)
    assert batch.rows["id"].to_list() == [5]
    assert [reason for _, reason in reasons(batch)] == ["not_json"] * 3


def test_listed_members_become_readings() -> None:
    sent = {"d": [{"id": 1, "t": 2.5, "h": {"x": "7"}}, {"id": 2, "t": 3, "h": None}]}
    batch = both_ways(lines(sent, {"id": 3, "t": 1}), MELTED)
    assert batch.rows.rows() == [(1, "h.x", 7.0), (1, "t", 2.5), (2, "t", 3.0), (3, "t", 1.0)]


def test_an_object_without_a_metric_is_rejected() -> None:
    batch = both_ways(lines({"d": [{"id": 1}, {"id": 2, "t": 1}, None]}), MELTED)
    assert reasons(batch) == [(0, "no_metric"), (2, "not_an_object")]


def test_every_number_becomes_a_reading_but_those_that_columns_read() -> None:
    sent = {"id": 1, "t": 2.5, "h": 48, "name": "5", "ok": True, "o": {"x": 1}}
    batch = both_ways(lines(sent), NUMBERS, careful=True)
    assert batch.rows.rows() == [(1, "h", 48.0), (1, "t", 2.5)]


SENML = contract(
    'shape = "senml"',
    '[columns.n]\ntype = "text"\nmax_length = 40\nrequired = true\n'
    '[columns.t]\ntype = "timestamp"\nformats = ["epoch_s"]\nrequired = true\n'
    '[columns.u]\ntype = "text"\n[columns.v]\ntype = "float"\n[columns.s]\ntype = "float"',
    '["n", "t"]',
)


def senml(*records: Any) -> list[tuple[Any, ...]]:
    batch = both_ways(lines(list(records)), SENML, careful=True)
    assert batch.rejects == []
    seconds = [moment.timestamp() for moment in batch.rows["t"].to_list()]
    rest = batch.rows.drop("t").rows()
    return [(row[0], second, *row[1:]) for row, second in zip(rest, seconds, strict=True)]


def test_base_values_hold_for_the_records_that_follow() -> None:
    # The example of RFC 8428, 5.1.2, shortened.
    base = {"bn": "urn:dev:ow:10e2073a01080063:", "bt": 1.276020076001e9, "bu": "A", "bver": 5}
    found = senml(
        {**base, "n": "voltage", "u": "V", "v": 120.1},
        {"n": "current", "t": -5, "v": 1.2},
        {"n": "current", "t": -4, "v": 1.3, "s": 0.5},
        {"bu": None, "bv": 10, "bs": 1, "bn": "x:", "n": "w", "v": 0.5, "s": 2},
    )
    name = "urn:dev:ow:10e2073a01080063:"
    assert found == [
        (name + "current", 1276020071.001, "A", 1.2, None),
        (name + "current", 1276020072.001, "A", 1.3, 0.5),
        (name + "voltage", 1276020076.001, "V", 120.1, None),
        ("x:w", 1276020076.001, None, 10.5, 3.0),
    ]


def test_a_small_time_is_relative_to_the_arrival() -> None:
    now = 1772366400.001  # of the envelope
    assert [row[1] for row in senml({"n": "a", "v": 1}, {"n": "a", "t": -60, "v": 1})] == [
        pytest.approx(now - 60),
        pytest.approx(now),
    ]


def test_a_record_of_base_values_alone_is_no_reading() -> None:
    assert senml({"bn": "a:", "bt": 1772366400}, {"n": "t", "v": 1}) == [
        ("a:t", 1772366400.0, None, 1.0, None)
    ]
    assert both_ways(lines([{"bn": "a:"}]), SENML, careful=True).empty_messages == 1


def test_a_base_value_of_the_wrong_kind_makes_invalid_what_it_belongs_to() -> None:
    raw = lines([{"bn": 5, "bt": "x", "bv": [], "n": "t", "v": 1}])
    (reject,) = both_ways(raw, SENML, careful=True).rejects
    assert reject.reasons == ("invalid:n", "invalid:t", "invalid:v")


ONLY = contract(
    'only = { kind = ["up", 2, true], "$topic[-1]" = "box", error = { present = false } }'
)


@pytest.mark.parametrize("kind", ["up", 2, 2.0, "2", " 2 ", True, "true"])
def test_a_message_of_the_kind_is_read(kind: Any) -> None:
    batch = both_ways(lines({"id": 1, "kind": kind, "error": None}), ONLY, careful=kind in (2, "2"))
    assert (batch.rows.height, batch.set_aside) == (1, 0)


@pytest.mark.parametrize(
    "message",
    [
        {"id": 1},
        {"id": 1, "kind": None},
        {"id": 1, "kind": "UP"},
        {"id": 1, "kind": 3},
        {"id": 1, "kind": {"x": 1}},
        {"id": 1, "kind": "up", "error": 0},
        {"id": 1, "kind": "up", "error": {}},
        {"id": "bad", "kind": "log"},
    ],
)
def test_a_message_of_another_kind_is_set_aside(message: Any) -> None:
    batch = both_ways(lines(message), ONLY, careful=True)
    assert (batch.read, batch.set_aside, batch.rejects) == (1, 1, [])


@pytest.mark.parametrize("payload", [b"online", b"\xff", b"{", b"[]"])
def test_a_message_of_another_topic_may_be_anything(payload: bytes) -> None:
    aside = both_ways(line(payload, topic="lab/box/status"), ONLY)
    assert (aside.read, aside.set_aside) == (1, 1)
    assert both_ways(line(payload), ONLY, careful=True).set_aside == 0


def test_a_plan_reads_in_bulk_what_it_can() -> None:
    plans = [make_plan(about) for about in (ROWS, PAIRS, TOP, MELTED, ONLY, SENML, KEYED, NUMBERS)]
    assert [plan.document is not None for plan in plans] == [True] * 6 + [False] * 2
    packs = [
        [
            {"bn": "a:", "bt": 1772366400, "bu": "V"},
            {"n": "x", "v": 1.5},
            {"n": "y", "t": 5, "v": 2},
        ],
        [{"n": "z", "t": 1772366400, "u": "A", "s": 2, "v": None}],
        [{"bn": "b:", "v": 1, "t": 1772366400}, {"v": 2, "t": 1772366401}],
    ]
    batch = both_ways(lines(packs[0], packs[2]), SENML)
    assert batch.rows["n"].to_list() == ["a:x", "a:y", "b:", "b:"]
    assert both_ways(lines(*packs), SENML, careful=True).rows.height == 5


BASED = contract(
    'shape = "senml"',
    '[columns.id]\ntype = "text"\nfrom = "n"\nrequired = true\nmax_length = 9\n'
    '[columns.device]\ntype = "text"\nfrom = "bn"\n'
    '[columns.since]\ntype = "bigint"\nfrom = "bt"\n'
    '[columns.v]\ntype = "float"\n',
)


def test_a_base_value_holds_for_the_records_after_it() -> None:
    pack = [
        {"bn": "a:", "bt": 1772366400, "n": "t", "v": 1},
        {"n": "h", "v": 2},
        {"bn": "b:"},
        {"n": "t", "v": 3},
    ]
    found = both_ways(lines(pack), BASED)
    assert found.rows.rows() == [
        ("a:h", "a:", 1772366400, 2.0),
        ("a:t", "a:", 1772366400, 1.0),
        ("b:t", "b:", 1772366400, 3.0),
    ]


@pytest.mark.parametrize("path", ["t.m.bn", "bn.x", "v.x", "u.a.b"])
def test_a_source_within_a_senml_label_is_read_one_by_one(path: str) -> None:
    columns = (
        '[columns.id]\ntype = "text"\nfrom = "n"\nrequired = true\nmax_length = 9\n'
        f'[columns.x]\ntype = "text"\nfrom = "{path}"\n'
    )
    about = contract('shape = "senml"', columns)
    packs = [[{"n": "a", "t": 1772366400, "v": 1}], [{"n": "b", "t": {"m": {"bn": "x"}}, "v": 2}]]
    found = both_ways(lines(*packs), about, careful=True)
    assert found.rows["id"].to_list() == ["a", "b"]
    assert found.rows["x"].to_list() == [None, "x" if path == "t.m.bn" else None]


@pytest.mark.parametrize("kind", ["text", "float", "bigint", "boolean", "timestamp"])
@pytest.mark.parametrize("sources", ['["x", "$message.x"]', '"$message.x"'])
@pytest.mark.parametrize("shape", ["objects", "rows", "pairs"])
def test_an_array_as_payload_has_no_members_of_the_message(
    kind: str, sources: str, shape: str
) -> None:
    fields = '\nfields = ["id", "x"]' if shape == "rows" else ""
    columns = f'{ID}[columns.y]\ntype = "{kind}"\nfrom = {sources}\n'
    about = contract(f'readings = "$message"\nshape = "{shape}"{fields}', columns)
    sent: dict[str, Any] = {
        "objects": [{"id": 1}, {"id": 2, "x": None}],
        "rows": [[1, None], [2, None]],
        "pairs": [[["id", 1], ["a", "b"]], [["id", 2], ["x", None]]],
    }
    found = both_ways(lines(sent[shape]), about)
    assert found.rows.rows() == [(1, None), (2, None)]
