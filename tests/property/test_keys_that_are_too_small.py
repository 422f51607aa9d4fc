"""Contracts whose key is too small: nothing is swallowed, and the corrected key loads it all."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from functions.transform.clean import clean
from functions.transform.handler import transform
from telemetry.contract import Contract
from tests.unit.functions.transform.envelopes_for import KEY, contract_of, line

COLUMNS = """
[columns.channel]
type = "integer"
required = true
[columns.v]
type = "float"
[columns.note]
type = "text"
[columns.kind]
type = "text"
from = "kind"
"""
POLICIES = ("keep_first", "keep_last", "keep_greatest", "fill_missing")


def contract(policy: str, key: str) -> Contract:
    greatest = '\ngreatest = "v"' if policy == "keep_greatest" else ""
    table = f'key = [{key}]\non_conflict = "{policy}"{greatest}'
    return contract_of(COLUMNS, table, message="r")


TOO_SMALL = {policy: contract(policy, '"id"') for policy in POLICIES}
CORRECTED = {policy: contract(policy, '"id", "channel"') for policy in POLICIES}

READING = st.fixed_dictionaries(
    {"id": st.integers(0, 2)},
    optional={"v": st.none() | st.integers(0, 2) | st.just("bad"), "note": st.sampled_from("ab")},
)


@st.composite
def messages(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Messages of readings, each with a channel of its own, and some of them sent twice."""
    groups = draw(st.lists(st.lists(READING, max_size=4), max_size=6))
    sent, channel = [], 0
    for group in groups:
        readings = []
        for reading in group:
            channel += 1
            readings.append({**reading, "channel": channel})
        sent += [{"r": readings}] * draw(st.integers(1, 2))
    return sent


@given(st.sampled_from(POLICIES), messages())
def test_each_reading_is_a_row_a_repeat_a_reject_or_a_conflict_that_comes_back(
    policy: str, sent: list[dict[str, Any]]
) -> None:
    raw = b"\n".join(line(message, number) for number, message in enumerate(sent, 1))
    objects, report = transform(raw, TOO_SMALL[policy], KEY, "execution")
    ended = ("accepted", "duplicates", "conflicts", "rejected", "set_aside")
    assert report["read"] == sum(report[name] for name in ended) == sum(len(m["r"]) for m in sent)

    body = {stored.key: stored.body for stored in objects}[report["rejected_key"]]
    conflicts, payload = [], None
    for text in gzip.decompress(body).splitlines():
        entry = json.loads(text)
        payload = entry["payload"] if entry["payload"] is not None else payload
        message = sent[int(entry["message_id"][1:]) - 1]
        assert json.loads(base64.b64decode(payload or "")) == message
        assert json.loads(entry["reading"]) == message["r"][entry["index"]]
        if entry["reasons"] == ["conflict"]:
            conflicts.append(json.loads(entry["reading"]))
    assert len(conflicts) == report["conflicts"]

    # With the channel in the key, each distinct reading is a row.
    corrected = clean(raw, CORRECTED[policy])
    assert corrected.conflicts == []
    rows = set(corrected.rows["channel"])
    kept = set(clean(raw, TOO_SMALL[policy]).rows["channel"])
    assert rows == kept | {reading["channel"] for reading in conflicts}
    repeats = Counter(reading["channel"] for m in sent for reading in m["r"])
    assert report["duplicates"] <= sum(repeats.values()) - len(repeats)
