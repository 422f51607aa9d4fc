"""``infer``: types, markers, limits, key and the reasons, from a handful of messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from etl.authoring.check import check
from etl.authoring.draft import ContractDraft
from etl.authoring.infer import contract_name, infer, parse_draft
from etl.authoring.samples import Message, Sample, SampleError
from etl.authoring.toml_writer import write_contract
from telemetry.contract import Contract


def sample_of(*documents: Any) -> Sample:
    payloads = [d if isinstance(d, bytes) else json.dumps(d).encode() for d in documents]
    return Sample(tuple(Message(payload) for payload in payloads), len(payloads))


def readings(count: int = 60, **members: Any) -> list[dict[str, Any]]:
    """Readings of two devices; a member is a value, or a function of the reading's number."""
    return [
        {"device_id": f"box-{n % 2}", "ts": f"2026-03-01T{n // 60:02}:{n % 60:02}:00Z"}
        | {name: value(n) if callable(value) else value for name, value in members.items()}
        for n in range(count)
    ]


def inferred(*documents: Any) -> ContractDraft:
    return infer(sample_of(*documents), "lab")


def contract_for(**members: Any) -> Contract:
    return parse_draft(inferred(*readings(**members)))


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (lambda n: n / 7, "float"),
        (lambda n: f"{n}.50", "float"),
        (lambda n: n * 3, "float"),
        (lambda n: n * 10**16 + 1, "bigint"),
        (lambda n: n % 3, "float"),
        (lambda n: n * 10**30, "float"),
        (lambda n: bool(n % 2), "boolean"),
        (lambda n: ("on", "OFF")[n % 2], "boolean"),
        (lambda n: ("open", "shut")[n % 2], "text"),
        (lambda n: "TF"[n % 2], "text"),
        (lambda n: f"{n:03}", "text"),
        (lambda n: f"{n}E4", "text"),
        (lambda n: f"8937003001400000{n:04}", "text"),
        (lambda n: f"{10**11 + n}.{n:06}", "decimal"),
        (lambda n: 2**64 - 1 - n, "decimal"),
        (lambda n: [n, n + 1], "jsonb"),
        (lambda n: ["auto", 1.5, True, None][n % 4], "text"),
        (lambda n: f"2026-03-01 10:{n:02}:00+01", "timestamp"),
    ],
)
def test_the_type_follows_from_the_values(value: Any, wanted: str) -> None:
    assert contract_for(x=value).column("x").type == wanted


@pytest.mark.parametrize(
    ("factor", "wanted"),
    [(1, "epoch_s"), (10**3, "epoch_ms"), (10**6, "epoch_us"), (10**9, "epoch_ns")],
)
def test_an_epoch_is_recognized_by_its_size(factor: int, wanted: str) -> None:
    column = contract_for(sent_at=lambda n: (1_772_366_400 + n) * factor).column("sent_at")
    assert (column.type, column.formats) == ("timestamp", (wanted,))


def test_a_large_number_is_a_time_only_where_its_name_says_so() -> None:
    assert contract_for(pulses=lambda n: 1_772_366_400 + n).column("pulses").type == "bigint"


def test_times_in_two_forms_are_one_column() -> None:
    column = contract_for(
        time=lambda n: 1_772_366_400_000 + n if n % 2 else "2026-03-01T12:00:00"
    ).column("time")
    assert column.formats == ("iso8601", "epoch_ms")


@pytest.mark.parametrize("marker", [-999, -127, 1999.9, 65535])
def test_a_known_marker_far_from_all_values_means_missing(marker: float) -> None:
    found = inferred(*readings(level=lambda n: marker if n == 7 else 20 + n / 10))
    column = parse_draft(found).column("level")
    assert marker in column.missing
    assert "common marker" in write_contract(found)
    assert column.range == (None, None)


def test_what_no_one_knows_as_a_marker_is_a_value_however_far_out_and_often() -> None:
    again = contract_for(level=lambda n: -5000.5 if n % 20 == 7 else n / 10).column("level")
    plateau = contract_for(level=lambda n: 21.2 if n % 20 else 3 + n / 10).column("level")
    assert again.missing == plateau.missing == ("",)


def test_85_degrees_are_a_marker_where_they_stand_apart_from_room_temperatures() -> None:
    room = contract_for(temp=lambda n: 85.0 if n == 9 else 20 + n / 60).column("temp")
    boiler = contract_for(temp=lambda n: 60 + n % 30).column("temp")
    assert (room.missing, boiler.missing) == (("", 85), ("",))


def test_codes_and_counters_have_no_markers() -> None:
    contract = contract_for(port=lambda n: 999 if n % 9 == 0 else n % 8, errors=lambda n: 65535)
    assert contract.column("port").missing == contract.column("errors").missing == ("",)


def test_a_known_marker_among_the_values_is_a_value() -> None:
    assert contract_for(level=lambda n: 990.5 + n).column("level").missing == ("",)
    assert contract_for(level=lambda n: float(980 + n)).column("level").missing == ("",)


def test_words_for_nothing_are_markers_and_do_not_change_the_type() -> None:
    column = contract_for(level=lambda n: ("n/a", "", "NaN", "2.5", "3.5")[n % 5]).column("level")
    assert column.type == "float"
    assert set(column.missing) == {"", "n/a", "NaN"}


@pytest.mark.parametrize(
    ("name", "value", "unit"),
    [
        ("temperature", 21.5, "°C"),
        ("outside_c", 21.5, "°C"),
        ("humidity_pct", 48.5, "%"),
        ("pressure", 1012.5, "hPa"),
        ("pressure", 101250.5, "Pa"),
        ("batteryVoltage", 3.5, "V"),
        ("pm2_5", 7.5, "µg/m³"),
        ("hPa", 1012.5, "hPa"),
        ("supplymV", 3300.5, None),
        ("supply_mV", 3300.5, "mV"),
        ("temperature", 295.5, None),
        ("misc", 21.5, None),
    ],
)
def test_a_unit_is_guessed_from_the_name_where_the_values_agree(
    name: str, value: float, unit: str | None
) -> None:
    contract = contract_for(**{name: lambda n: value + n / 100})
    (column,) = [c for c in contract.columns if c.name not in ("device_id", "ts")]
    assert column.unit == unit


def test_the_key_is_the_device_and_the_time() -> None:
    documents = readings(seq=lambda n: n)
    found = inferred(*documents, documents[0])
    assert parse_draft(found).key == ("device_id", "ts")
    assert "1.64% of the readings exactly repeat another" in write_contract(found)


def test_a_metric_joins_the_key_where_device_and_time_are_not_enough() -> None:
    documents = [
        {"node": "a", "ts": 1_772_366_400 + n // 3, "metric": "txv"[n % 3], "value": n / 7}
        for n in range(60)
    ]
    assert parse_draft(inferred(*documents)).key == ("node", "metric", "ts")


@pytest.mark.parametrize("name", ["machine", "meterId", "vehicle", "stationName"])
def test_what_is_called_as_devices_are_names_the_device(name: str) -> None:
    documents = [{name: f"no {n % 3}", "ts": 1_772_366_400 + n, "level": n / 7} for n in range(60)]
    (device, time) = parse_draft(inferred(*documents)).key
    assert (device.replace("_", ""), time) == (name.lower(), "ts")


def test_without_a_device_the_topic_names_it_and_without_a_time_the_arrival_is_it() -> None:
    found = inferred({"level": 1.5}, {"level": 2.5})
    contract = parse_draft(found)
    assert contract.key == ("device", "message_id", "received_at")
    assert contract.column("device").sources[0].path == ("topic", "2")


def test_ids_sent_as_texts_of_digits_stay_texts() -> None:
    documents = [reading | {"device_id": f"{n % 3:04}"} for n, reading in enumerate(readings())]
    assert parse_draft(inferred(*documents)).column("device_id").type == "text"


def test_an_id_of_the_reading_does_not_name_the_device() -> None:
    documents = [{"id": f"u{n}", "station": "s", "ts": 1_772_366_400 + n} for n in range(60)]
    assert parse_draft(inferred(*documents)).key == ("station", "ts")


def test_an_array_of_objects_is_unnested_and_what_is_around_it_reached_for() -> None:
    message = {"gw": {"id": "g-1"}, "ts": 1_772_366_500, "data": {"list": readings(3, x=1.5)}}
    contract = parse_draft(inferred(message, message))
    assert contract.readings == ("data", "list")
    sources = {s.scope + ":" + ".".join(s.path) for c in contract.columns for s in c.sources}
    assert {"reading:x", "message:gw.id", "reading:ts", "message:ts"} <= sources
    assert len(contract.columns) == 5  # two times that mean two things stay two columns


def test_a_member_that_is_now_around_and_now_inside_is_one_column() -> None:
    inside = {"readings": readings(2, x=1.5)}
    around = {"device_id": "box-1", "readings": [{"ts": "2026-03-02T00:00:00Z", "x": 1.5}]}
    column = parse_draft(inferred(inside, around)).column("device_id")
    assert [source.scope for source in column.sources] == ["reading", "message"]


def test_what_gives_no_column_is_named_with_its_reason() -> None:
    text = write_contract(inferred(*readings(spare="", nothing=None)))
    assert "#   spare: always ''" in text
    assert "#   nothing: always null" in text


def test_a_member_that_is_mostly_a_number_has_a_column_of_both_kinds() -> None:
    documents = readings(100, x=lambda n: n if n % 20 else "lots")
    documents[5]["note"] = "hello"
    sample = sample_of(*documents)
    found = infer(sample, "lab")
    contract = parse_draft(found)
    assert (contract.column("x").type, contract.column("x_text").type) == ("float", "text")
    assert "rarely present" in write_contract(found)
    (reason,) = check(contract, sample).reasons
    assert (reason.reason, reason.values, reason.kept_in) == ("invalid:x", 5, "x_text")
    assert check(contract, sample).verdict == "pass"


def test_names_become_plain_and_stay_apart() -> None:
    contract = contract_for(**{"batteryVoltage": 1.5, "battery voltage": 2.5, "7up": 1, "a.b": "x"})
    names = {column.name for column in contract.columns}
    assert names >= {"battery_voltage", "battery_voltage_2", "m_7up", "a_b"}
    assert contract.column("a_b").sources[0].path == ("a.b",)


def test_a_value_that_would_break_a_comment_does_not() -> None:
    contract = contract_for(x=lambda n: f"a\n[columns.y]\x7f{n}", y="\u2028")
    assert {column.name for column in contract.columns} == {"device_id", "ts", "x", "y"}


def test_broken_messages_are_counted_and_cost_nothing_else() -> None:
    found = inferred(b"{", b"\xff", [1], *readings(x=1.5))
    assert "rejected as not JSON objects: 3." in write_contract(found)
    assert parse_draft(found).column("x").type == "float"


def test_nothing_but_broken_messages_gives_no_contract() -> None:
    with pytest.raises(SampleError, match="no JSON object in 2 messages"):
        inferred(b"{", [1])


def test_numbers_alone_are_bare_values() -> None:
    found = inferred(b" -3 ", *(f"{20 + n / 8}\n".encode() for n in range(60)))
    contract = parse_draft(found)
    assert contract.format == "value"
    assert contract.column("value").type == "float"
    assert (
        'format = "value"                     # each message is one bare value'
        in write_contract(found)
    )


@pytest.mark.parametrize("other", [b"", b"ok", b"[1]", b"1 2", b"NaN", b"\xff"])
def test_numbers_among_other_texts_are_no_bare_values(other: bytes) -> None:
    with pytest.raises(SampleError, match="no JSON object in 2 messages"):
        inferred(b"20.5", other)


def test_the_topic_of_envelopes_is_the_contracts() -> None:
    payload = json.dumps(readings(1)[0]).encode()
    messages = tuple(Message(payload, f"site/a/{n}") for n in range(3))
    found = infer(Sample(messages, 3), "lab")
    assert parse_draft(found).topic == "site/a/+"
    assert "guess: the last level" not in write_contract(found)


@pytest.mark.parametrize(
    ("topics", "wanted", "guess"),
    [
        ([f"tele/plug-{n}/SENSOR" for n in range(3)], "tele/+/SENSOR", False),
        ([f"v3/{n % 2}/devices/{n}/up" for n in range(5)], "v3/+/devices/{device}/up", True),
        ([f"tele/plug/{kind}" for kind in ("STATE", "SENSOR")], "tele/plug/+", False),
        (["a/b/c", "d/e/f", "g/h/i"], "telemetry/lab/+", True),
    ],
)
def test_the_level_that_varies_is_the_devices(topics: list[str], wanted: str, guess: bool) -> None:
    payload = json.dumps(readings(1)[0]).encode()
    found = infer(Sample(tuple(Message(payload, topic) for topic in topics), len(topics)), "lab")
    assert parse_draft(found).topic == wanted
    assert ("# a guess: the l" in write_contract(found)) is guess


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("Box 7.ndjson.gz", "box_7"), ("2026.json", "readings_2026"), ("ü.json", "readings")],
)
def test_any_file_name_gives_a_contracts_name(text: str, wanted: str) -> None:
    assert contract_name(text) == wanted


def test_what_is_inferred_takes_its_own_sample() -> None:
    documents = readings(x=lambda n: (-999, "", 1.5, n)[n % 4], y=lambda n: n % 3)
    sample = sample_of(*documents, documents[3])
    checked = check(parse_draft(infer(sample, "lab")), sample)
    assert (checked.accepted, checked.duplicates, checked.rejected) == (60, 1, 0)
    assert checked.verdict == "pass"


def test_units_behind_numbers_and_decimal_commas_are_seen_through() -> None:
    documents = readings(
        battery=lambda n: f"{2 + n / 100:.2f} V" if n % 2 else f"{2 + n / 100:.2f}V",
        level=lambda n: f"{n},5",
        temp=lambda n: -999 if n == 3 else f"{n},{n % 10}°C",
        firmware=lambda n: f"1.{n}b{n}",
        room=lambda n: f"12{'AB'[n % 2]}",
    )
    sample = sample_of(*documents)
    contract = parse_draft(infer(sample, "lab"))
    battery, level, temp = (contract.column(name) for name in ("battery", "level", "temp"))
    assert (battery.type, battery.attached, battery.decimal_comma) == ("float", ("V",), False)
    assert battery.unit == "V"
    assert (level.type, level.attached, level.decimal_comma) == ("float", (), True)
    assert (temp.attached, temp.decimal_comma, temp.missing) == (("°C",), True, ("", -999))
    assert contract.column("firmware").type == contract.column("room").type == "text"
    assert check(contract, sample).reasons == []
