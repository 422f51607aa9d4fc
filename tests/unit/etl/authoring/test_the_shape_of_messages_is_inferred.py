"""``infer``: rows, pairs, SenML, objects keyed by time, whole payloads, and states."""

from __future__ import annotations

import json
from typing import Any

import pytest

from etl.authoring.check import check
from etl.authoring.draft import ContractDraft
from etl.authoring.infer import infer, parse_draft
from etl.authoring.message_shape import is_senml_pack
from etl.authoring.samples import Message, Sample, read_sample
from etl.authoring.toml_writer import write_contract
from telemetry.contract import Contract

START = 1_772_366_400


def sample_of(*documents: Any) -> Sample:
    payloads = [json.dumps(document).encode() for document in documents]
    return Sample(tuple(Message(payload) for payload in payloads), len(payloads))


def taken(*documents: Any) -> tuple[ContractDraft, Contract]:
    """What is inferred, once it is seen to take its own sample whole."""
    sample = sample_of(*documents)
    found = infer(sample, "lab")
    contract = parse_draft(found)
    checked = check(contract, sample)
    assert checked.rejected == 0, checked.reasons
    assert checked.verdict == "pass"
    return found, contract


def at(n: int) -> str:
    return f"2026-03-01T{n // 60:02}:{n % 60:02}:00Z"


def test_rows_take_the_names_that_the_messages_have_for_them() -> None:
    documents = [
        {
            "station": f"st-{n % 3}",
            "columns": ["time", "temp", "hum"],
            "rows": [[START * 1000 + n * 60_000 + k, 20 + k / 10, 40 + k] for k in range(4)],
        }
        for n in range(30)
    ]
    found, contract = taken(*documents)
    assert (contract.readings, contract.shape) == (("rows",), "rows")
    assert contract.fields == ("time", "temp", "hum")
    assert contract.key == ("station", "time")
    assert contract.column("time").formats == ("epoch_ms",)
    assert "the names in the messages' member columns" in write_contract(found)


def test_rows_without_names_get_some_that_a_person_can_replace() -> None:
    documents = [
        {"dev": {"id": "a"}, "data": [[at(n * 2), 20.5, n], [at(n * 2 + 1), 21.5, n]]}
        for n in range(30)
    ]
    found, contract = taken(*documents)
    assert contract.fields == ("ts", "field_2", "field_3")
    assert contract.key == ("dev_id", "ts")
    assert "replace these names" in write_contract(found)


def test_readings_with_times_of_their_own_are_unnested_from_two_levels() -> None:
    documents = [
        {
            "gw": "g1",
            "nodes": [
                {"id": node, "log": [{"ts": at(2 * n + k), "t": 20.5 + k} for k in range(2)]}
                for node in ("a", "b")
            ],
        }
        for n in range(30)
    ]
    found, contract = taken(*documents)
    assert (contract.parents, contract.readings) == (("nodes",), ("log",))
    assert contract.key == ("id", "ts")
    assert 'from = "$parent.id"' in write_contract(found)
    assert found.problems == []


def test_an_object_with_a_time_keeps_the_values_within_it() -> None:
    documents = [
        {"items": [{"dev": "a", "ts": at(n), "values": [{"n": "t", "v": n}, {"n": "h", "v": 40}]}]}
        for n in range(30)
    ]
    _, contract = taken(*documents)
    assert (contract.parents, contract.readings) == (None, ("items",))
    assert contract.column("values").type == "jsonb"


def test_rows_of_times_and_values_are_no_pairs() -> None:
    _, contract = taken(*({"id": "a", "v": [[at(n), 1.5], [at(n + 50), 2.5]]} for n in range(40)))
    assert contract.shape == "rows"


def test_rows_of_two_under_a_header_are_no_pairs() -> None:
    documents = [
        {"id": "a", "fields": ["state", "n"], "v": [["on", n], ["off", n + 1]]} for n in range(9)
    ]
    contract = parse_draft(infer(sample_of(*documents), "lab"))
    assert (contract.shape, contract.fields) == ("rows", ("state", "n"))


def test_a_long_array_of_numbers_is_a_measurement_and_no_rows() -> None:
    documents = [{"id": "a", "ts": at(n), "spectrum": [1, 2, 3], "grid": []} for n in range(20)]
    _, contract = taken(*documents)
    assert contract.readings is None
    assert contract.column("spectrum").type == "jsonb"


@pytest.mark.parametrize("inside", [False, True])
def test_arrays_as_long_as_that_of_the_times_become_columns(inside: bool) -> None:
    documents: list[Any] = []
    for n in range(30):
        start = START + 10 * n
        arrays = {"time": [start, start + 1, start + 2], "temp": [20, 21.5, n], "hum": [40 + n, 41]}
        beside = {"fw": {"major": 2 + n % 2}}
        whole = {
            "device": "ab"[n % 2],
            **({"data": arrays | beside} if inside else arrays | beside),
        }
        documents.append(whole)
    _, contract = taken(*documents)
    assert contract.shape == "parallel"
    assert contract.readings == (("data",) if inside else ())
    assert contract.key == ("device", "time")
    assert check(contract, sample_of(*documents)).accepted == 90
    assert contract.column("temp").type == "float"
    sources = {source.path for column in contract.columns for source in column.sources}
    around = ("data",) if inside else ()
    assert {("time",), ("temp",), (*around, "hum"), (*around, "fw", "major")} <= sources


@pytest.mark.parametrize("nested", [False, True], ids=["one reading", "several"])
def test_pairs_of_name_and_value_become_columns(nested: bool) -> None:
    def reading(n: int) -> list[Any]:
        return [["ts", START + n], ["temp", 20 + n / 9], ["door", "ab"[n % 2]]]

    documents = [
        {"unit_id": "u1", "values": [reading(n), reading(n + 500)] if nested else reading(n)}
        for n in range(30)
    ]
    _, contract = taken(*documents)
    assert contract.shape == "pairs"
    assert contract.key == ("unit_id", "ts")
    assert contract.column("temp").type == "float"


def test_a_senml_pack_is_resolved() -> None:
    documents = [
        [
            {"bn": f"box-{n % 2}:", "bt": START + n * 60, "n": "temp", "u": "Cel", "v": 20 + n / 7},
            {"n": "hum", "u": "%RH", "v": 40 + n / 3},
            {"n": "door", "vb": bool(n % 2)},
            {"n": "mode", "t": 1, "vs": "auto"},
        ]
        for n in range(40)
    ]
    found, contract = taken(*documents)
    assert (contract.shape, contract.readings) == ("senml", ())
    assert contract.key == ("sensor_name", "ts")
    assert contract.column("ts").formats == ("epoch_s",)
    assert {"value", "unit", "boolean_value", "text_value"} <= {c.name for c in contract.columns}
    assert "RFC 8428" in write_contract(found)


def test_names_without_a_base_may_be_those_of_many_devices() -> None:
    documents = [
        [{"bt": START + n * 60, "n": "temp", "v": n / 7}, {"n": "hum", "v": n / 3}]
        for n in range(40)
    ]
    _, contract = taken(*documents)
    assert contract.key == ("device", "name", "ts")


def test_objects_that_only_have_a_name_and_a_value_among_others_are_no_senml() -> None:
    assert is_senml_pack([{"n": "t", "v": 1}])
    assert not is_senml_pack([{"n": "t", "v": 1, "quality": 3}])
    assert not is_senml_pack([{"v": 1}])
    assert not is_senml_pack([{"bn": "box", "bt": 3}])
    assert not is_senml_pack([])


@pytest.mark.parametrize("plain", [False, True], ids=["objects", "plain values"])
@pytest.mark.parametrize("iso", [False, True], ids=["epoch", "iso"])
def test_members_named_by_times_are_readings(plain: bool, iso: bool) -> None:
    def log(n: int) -> dict[str, Any]:
        times = [at(n + k * 50) if iso else str(START + n + k * 50) for k in range(3)]
        return {time: 20 + n / 7 if plain else {"t": 20 + n / 7, "rpm": n} for time in times}

    documents = [{"sensor": {"id": "s1"}, "log": {"site": "x", **log(n)}} for n in range(40)]
    found, contract = taken(*documents)
    assert (contract.readings, contract.shape) == (("log",), "keyed")
    assert contract.key == ("sensor_id", "ts")
    assert contract.column("ts").formats == (("iso8601",) if iso else ("epoch_s",))
    assert contract.column("log_site").sources[0].path == ("log", "site")
    names = {column.name for column in contract.columns}
    assert ("value" in names) == plain
    assert ({"t", "rpm"} <= names) == (not plain)
    assert "the names of its members are times" in write_contract(found)


def test_a_payload_that_is_keyed_by_time_itself() -> None:
    documents = [{at(n): {"level": n / 2}, at(n + 70): {"level": n / 3}} for n in range(30)]
    _, contract = taken(*documents)
    assert (contract.readings, contract.shape) == ((), "keyed")


def test_a_payload_that_is_an_array_is_unnested() -> None:
    documents = [[{"id": "a", "ts": at(n)}, {"id": "b", "ts": at(n)}] for n in range(20)]
    _, contract = taken(*documents)
    assert (contract.readings, contract.shape) == ((), "objects")
    assert contract.key == ("id", "ts")


def test_the_most_readings_decide_between_two_arrays() -> None:
    documents = [
        {
            "events": [{"kind": "boot"}],
            "data": [[START + n * 100 + k, k] for k in range(9)],
            "id": "a",
        }
        for n in range(10)
    ]
    contract = parse_draft(infer(sample_of(*documents), "lab"))
    assert (contract.readings, contract.shape) == (("data",), "rows")


def test_a_file_that_is_one_pack_or_one_table_is_one_message(tmp_path: Any) -> None:
    pack, rows = tmp_path / "pack.json", tmp_path / "rows.json"
    pack.write_text(json.dumps([{"bn": "a", "bt": START, "v": 1}, {"v": 2, "t": 1}], indent=1))
    rows.write_text("[[1, 2], [3, 4]]")
    messages = tmp_path / "messages.json"
    messages.write_text('[{"v": 1}, {"v": 2}]')
    counts = [read_sample([file], 100).total for file in (pack, rows, messages)]
    assert counts == [1, 1, 2]


def test_a_word_that_was_not_seen_yet_is_a_value_tomorrow() -> None:
    documents = [{"id": "a", "ts": at(n), "door": ("open", "shut")[n % 2]} for n in range(200)]
    _, contract = taken(*documents)
    assert contract.column("door").type == "text"


def test_names_of_metrics_in_the_key_are_texts() -> None:
    documents = [
        {"id": "a", "ts": START + n // 2, "metric": ("temp", "hum")[n % 2], "value": n / 7}
        for n in range(240)
    ]
    contract = parse_draft(infer(sample_of(*documents), "lab"))
    assert contract.key == ("id", "metric", "ts")
    assert contract.column("metric").type == "text"
