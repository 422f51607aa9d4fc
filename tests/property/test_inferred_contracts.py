"""Whatever well-formed messages look like, infer writes a sound contract that takes them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from etl.authoring.diff import diff, table_of
from etl.authoring.infer import infer, parse_draft
from etl.authoring.proof import prove
from etl.authoring.samples import Message, Sample

NAMES = st.one_of(
    st.sampled_from(["temp", "humidity_pct", "P1", "seq", "a.b", "$x", "battery V", "ctid", "1st"]),
    st.text(max_size=8),
)
MARKERS: st.SearchStrategy[Any] = st.sampled_from([None, "", "n/a", "NaN", -999, -127])
PLAIN: st.SearchStrategy[Any] = st.one_of(
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(max_size=12),
    st.decimals(-50, 50, places=2).map(str),
    MARKERS,
)
MEASURED: st.SearchStrategy[Any] = st.one_of(
    PLAIN,
    st.dictionaries(st.text(min_size=1, max_size=3), st.integers(), max_size=2),
    st.lists(st.integers(), max_size=2),
)
SECONDS = st.integers(1_500_000_000, 1_900_000_000)
ISO = st.datetimes().filter(lambda at: at.year >= 1000).map(lambda at: at.isoformat())
DEVICES = st.one_of(st.sampled_from(["box-1", "box-2", "0017"]), st.integers(1, 3))


def shaped(shape: str, readings: list[dict[str, Any]], names: list[str]) -> Any:
    """Readings as a device of that habit sends them."""
    if shape == "rows":
        return {"names": names, "data": [[r.get(name) for name in names] for r in readings]}
    if shape == "bare rows":
        return {"data": [[r.get(name) for name in names] for r in readings]}
    if shape == "pairs":
        return {"data": [[[name, value] for name, value in r.items()] for r in readings]}
    if shape == "keyed":
        return {"data": {str(1_700_000_000 + n): r for n, r in enumerate(readings)}}
    if shape == "payload":
        return readings
    # The name is in the key, which no text with U+0000 can be.
    named = [pair for r in readings for pair in r.items() if "\x00" not in pair[0]]
    values = [{"n": name, "v": value} for name, value in named]
    return [{"bn": "box:", "bt": 1_700_000_000}, *values]


@st.composite
def shaped_samples(draw: st.DrawFn) -> list[Any]:
    """Messages of one of the other shapes."""
    shape = draw(st.sampled_from(["rows", "bare rows", "pairs", "keyed", "payload", "senml"]))
    names = draw(st.lists(NAMES, unique=True, min_size=2, max_size=5))
    return [
        shaped(
            shape,
            [
                {name: draw(PLAIN) for name in names if draw(st.integers(0, 9))}
                for _ in range(draw(st.integers(1, 4)))
            ],
            names,
        )
        for _ in range(draw(st.integers(1, 8)))
    ]


@st.composite
def samples(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Messages of one shape: the same members with values of their own, some of them absent."""
    members = draw(st.lists(NAMES, unique=True, max_size=5))
    device = draw(st.sampled_from([None, "device_id", "sensor"]))
    time = draw(st.sampled_from([None, "ts", "timestamp"]))
    array = draw(st.sampled_from([None, "readings", "data"]))
    epoch = draw(st.booleans())
    messages = []
    for _ in range(draw(st.integers(1, 12))):
        readings = []
        for _ in range(1 if array is None else draw(st.integers(1, 4))):
            reading = {name: draw(MEASURED) for name in members if draw(st.integers(0, 9))}
            if time is not None:
                reading[time] = draw(SECONDS if epoch else ISO)
            if device is not None:
                reading[device] = draw(DEVICES)
            readings.append(reading)
        messages.append(readings[0] if array is None else {array: readings, "firmware": "1.0"})
    return messages


@given(samples() | shaped_samples())
@example([{"data": [{"temp": 9_007_199_254_740_993}, {"temp": 1e38}, {"temp": False}]}])
@example(
    [
        {
            "data": [{"temp": "12"}, {"temp": 9_007_199_254_740_993}, {"temp": 1e38}] * 7
            + [{"temp": "x"}]
        }
    ]
)
def test_an_inferred_contract_is_valid_and_takes_its_own_sample(
    documents: list[Any],
) -> None:
    messages = tuple(Message(json.dumps(document).encode()) for document in documents)
    sample = Sample(messages, len(messages))
    draft = infer(sample, "random")
    contract = parse_draft(draft)
    proof = prove(draft, contract, sample)
    checked = proof.report
    if not proof.losses:
        lost = [r for r in checked.reasons if (r.values or r.readings) and r.kept_in is None]
        assert checked.conflicts == 0
        assert {reason.reason for reason in lost} <= {"not_an_object", "not_an_array"}
    ended = checked.accepted + checked.duplicates + checked.conflicts + checked.rejected
    assert checked.read == ended
    assert checked.rejected <= 0.05 * checked.read, checked.reasons
    assert diff(contract, contract).changes == []
    assert diff(contract, contract).statements == []
    assert len(table_of(contract).columns) == len(contract.columns)
