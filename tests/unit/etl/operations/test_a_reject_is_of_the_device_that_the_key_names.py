"""The device of a reject is named where the key's column takes it from, else by the client."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.operations.device_names import DeviceNames
from telemetry.contract import Contract, parse_contract

TEXT = Path("contracts/fleet.toml").read_text(encoding="utf-8")


def contract(source: str) -> Contract:
    """The example contract whose device comes from there."""
    before, table = TEXT.split("[columns.device_id]", 1)
    own, rest = table.split("[columns.", 1)
    kept = "\n".join(line for line in own.splitlines() if not line.startswith("from"))
    text = f"{before}[columns.device_id]\nfrom = {source}\n{kept}\n[columns.{rest}"
    return parse_contract(text.encode(), "fleet.toml")


@pytest.mark.parametrize(
    ("source", "reading", "message", "named"),
    [
        ("'$topic[2]'", {}, {}, "box-1"),
        ("'$client_id'", {}, {}, "gateway"),
        ("'id'", {"id": "inner"}, {"id": "outer"}, "inner"),
        ("'$message.id'", {"id": "inner"}, {"id": "outer"}, "outer"),
        ("'$message.of.id'", {}, {"of": {"id": 17}}, "17"),
        ("['id', '$topic[2]']", {}, {}, "box-1"),
        ("'id'", {"id": {"a": 1}}, {}, "gateway"),
        ("'id'", {"id": None}, {}, "gateway"),
        ("'id'", None, {"id": "outer"}, "outer"),
    ],
)
def test_the_name_is_where_the_key_takes_it_from(
    source: str, reading: object, message: object, named: str
) -> None:
    names = DeviceNames(contract(source))
    text = None if reading is None else json.dumps(reading)
    payload = json.dumps(message).encode()
    assert names.find("telemetry/fleet/box-1", "gateway", text, payload) == named


@given(
    st.none() | st.text(),
    st.none() | st.text(),
    st.none() | st.text() | st.recursive(st.integers() | st.text(), st.lists).map(json.dumps),
    st.none() | st.binary(),
    st.sampled_from(["'$topic[2]'", "'id'", "'$message.id'", "'$client_id'"]),
)
def test_whatever_was_sent_has_a_name_or_none(
    topic: str | None, client: str | None, reading: str | None, payload: bytes | None, source: str
) -> None:
    found = DeviceNames(contract(source)).find(topic, client, reading, payload)
    assert found is None or isinstance(found, str)
