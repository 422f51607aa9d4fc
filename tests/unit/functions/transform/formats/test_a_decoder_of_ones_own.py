"""A decoder of one's own: its readings, and what it may cost."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.transform.formats import run_limits
from functions.transform.formats.answer_text import answer_document
from functions.transform.formats.own_decoder import failure, own_decoder
from telemetry.contract import Contract
from telemetry.contract.files import with_files
from telemetry.errors import ContractError
from tests.unit.functions.transform.formats.payloads import (
    COLUMNS,
    contract_in,
    read_both_ways,
    reasons,
    rejected,
)

MESSAGE = 'decoder = "decoder.py:decode"'
FRAMES = """
import struct

def decode(payload, envelope):
    count, = struct.unpack_from("<B", payload)
    return [
        {"id": id, "t": t, "s": envelope["topic"]}
        for id, t in struct.iter_unpack("<hf", payload[1:1 + 6 * count])
    ]
"""
ON_DEMAND = """
def decode(payload, envelope):
    found = eval(payload.decode())
    return found() if callable(found) else found
"""


def contract_with(source: str, message: str = MESSAGE, columns: str = COLUMNS) -> Contract:
    return with_files(contract_in(message, columns), lambda name: source.encode())


def frames(*readings: tuple[int, float]) -> bytes:
    return bytes([len(readings)]) + b"".join(struct.pack("<hf", *reading) for reading in readings)


def test_what_it_returns_are_the_readings() -> None:
    batch = read_both_ways(
        contract_with(FRAMES), frames((1, 21.5), (2, 0.25)), frames(), frames((3, 1.0))
    )
    assert batch.rows.rows() == [
        (1, 21.5, "lab/box"), (2, 0.25, "lab/box"), (3, 1.0, "lab/box")
    ]  # fmt: skip
    assert batch.empty_messages == 1


def test_an_exception_costs_its_message_alone() -> None:
    contract = contract_with(FRAMES)
    batch = read_both_ways(contract, frames((1, 1.0)), b"", b"\x02abc", frames((2, 2.0)))
    assert reasons(batch) == [(1, None, "decoder:error"), (2, None, "decoder:error")]
    assert batch.rows["id"].to_list() == [1, 2]


ANSWERS = {
    "None": (None, "decoder:not_a_list"),
    "{'id': 5}": (None, "decoder:not_a_list"),
    "[{'id': 5, 's': b'x'}]": (0, "decoder:not_json"),
    "[{5: 5}]": (0, "decoder:not_json"),
    "[{'id': 5, 's': {1}}]": (0, "decoder:not_json"),
    "[{'id': 5, 's': '\\ud800'}]": (0, "decoder:not_json"),
    "[{'id': 10 ** 5000}]": (0, "decoder:not_json"),
    "[5]": (0, "not_an_object"),
    "[[{'id': 5}]]": (0, "not_an_object"),
    "[{'id': 5, 's': 'x' * (5 << 20)}]": (None, "too_large"),
    "[{'id': 5}] * (1 << 20)": (None, "too_large"),
    "[{}] * (1 << 22)": (None, "too_large"),
    "(lambda: 1 / 0)": (None, "decoder:ZeroDivisionError"),
    "(lambda: missing())": (None, "decoder:NameError"),
    "(_ for _ in ()).throw(SystemExit)": (None, "decoder:SystemExit"),
    "(_ for _ in ()).throw(type('a b', (Exception,), {}))": (None, "decoder:Exception"),
    "bytes(1 << 40)": (None, "decoder:MemoryError"),
    "[bytes(1 << 20) for _ in range(4000)]": (None, "decoder:MemoryError"),
    "(lambda f: f(f))(lambda f: f(f))": (None, "decoder:RecursionError"),
}  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_that_can_not_be_used_costs_its_message_alone(answer: str) -> None:
    contract = contract_with(ON_DEMAND)
    batch = read_both_ways(contract, b"[{'id': 1}]", answer.encode(), b"[{'id': 2, 't': 1e400}]")
    index, why = ANSWERS[answer]
    assert reasons(batch) == [(1, index, why), (2, 0, "invalid:t")]
    assert batch.rows["id"].to_list() == [1]


def test_a_value_that_holds_itself_is_no_json() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert answer_document([{"id": 1}, loop]).faults == {1: "decoder:not_json"}
    assert answer_document([{"id": 1}] * 3).text == '[{"id":1},{"id":1},{"id":1}]'


@pytest.mark.parametrize(
    "body", ["while True: pass", "while True:\n  try: [1] * 9\n  except Exception: pass"]
)
def test_too_much_time_costs_its_message_alone(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_limits, "SECONDS", 0.05)
    lines = body.replace("\n", "\n  ")
    source = (
        f"def decode(payload, envelope):\n if payload == b'x':\n  {lines}\n return [{{'id': 1}}]\n"
    )
    batch = read_both_ways(contract_with(source), b"x", b"1")
    assert reasons(batch) == [(0, None, "decoder:timeout")]
    assert batch.rows["id"].to_list() == [1]


def test_a_reject_shows_the_reading_that_was_decoded() -> None:
    contract = contract_with(FRAMES, columns=COLUMNS.replace('"float"', '"float"\nrange = [0, 9]'))
    batch = read_both_ways(contract, frames((1, 1.0), (2, 99.0)))
    (line,) = rejected(batch, contract)
    assert (line["index"], line["reasons"]) == (1, ["out_of_range:t"])
    assert json.loads(line["reading"]) == {"id": 2, "t": 99.0, "s": "lab/box"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(answer=st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=4))
def test_an_answer_of_json_is_that_json(answer: list[dict[str, Any]]) -> None:
    document = answer_document(answer)
    assert document.faults == {}
    assert json.loads(document.text) == answer


@given(payload=st.binary(max_size=40))
def test_random_bytes_are_readings_or_one_reject(payload: bytes) -> None:
    batch = read_both_ways(contract_with(FRAMES), payload)
    assert all(why.split(":")[0] in ("decoder", "invalid", "missing") for *_, why in reasons(batch))
    assert not [why for *_, why in reasons(batch) if why.startswith("unreadable")]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("def decode(:", "decoder.py, line 1: "),
        ("x = 1\nimport nothing_of_that_name", "decoder.py, line 2: ModuleNotFoundError: "),
        ("def other(): pass", "has no function 'decode'"),
    ],
)
def test_a_file_without_the_function_is_refused(source: str, wanted: str) -> None:
    with pytest.raises(ContractError, match=wanted.replace("(", r"\(")):
        own_decoder(contract_with(source))


def test_the_line_that_raised_is_named() -> None:
    source = "def decode(payload, envelope):\n  return inner(payload)\n\ndef inner(p):\n  return p['t']\n"
    found = failure(own_decoder(contract_with(source)), b"", {})
    assert (
        found == "decoder.py, line 5: TypeError: byte indices must be integers or slices, not str"
    )


def test_the_digest_covers_the_file() -> None:
    one, two = contract_with(FRAMES), contract_with(FRAMES + "\n")
    assert len({one.digest, two.digest, contract_in(MESSAGE).digest}) == 3
    assert replace(one, files=(), digest="") == replace(two, files=(), digest="")


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ('format = "decoder"', "message.decoder: is missing"),
        ('decoder = "../decoder.py:decode"', "message.decoder: .* is not valid"),
        ('decoder = "decoder.py"', "message.decoder: .* is not valid"),
        ('decoder = "decoder.txt:decode"', "message.decoder: .* is not valid"),
        ('decoder = "d.py:decode"\nformat = "csv"', "does not go with format = 'csv'"),
        ('decoder = "d.py:decode"\nreadings = "r"', "are what it returns; leave it out"),
        ('decoder = "d.py:decode"\nshape = "rows"\nfields = ["a"]', "does not go with decoder"),
    ],
)
def test_the_contract_says_what_is_wrong(message: str, wanted: str) -> None:
    with pytest.raises(ContractError, match=wanted):
        contract_in(message)
