"""Hostile payloads: nothing raises, nothing grows without bound, everything is accounted for."""

from __future__ import annotations

import json
import os
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.transform.careful import CarefulReader, element_texts
from functions.transform.clean import clean
from functions.transform.extraction_plan import make_plan
from functions.transform.handler import transform
from tests.fixtures.peak_memory import peak_memory
from tests.property.mess import CONTRACTS
from tests.unit.functions.transform.envelopes_for import KEY, line

NAMES = sorted(CONTRACTS)
SURROGATE = "\\" + "ud800"

jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["id", "at", "n", "v", "t", "items", "data", "x"]), inner)
    ),
    max_leaves=20,
)


def settled(name: str, *payloads: bytes) -> dict[str, Any]:
    """The report of a batch of these payloads, each beside a plain neighbour."""
    raw = b"\n".join(line(p, n, topic="lab/a") for n, p in enumerate((*payloads, b"{}"), 1))
    objects, report = transform(raw, CONTRACTS[name], KEY, "execution")
    assert objects
    ended = ("accepted", "duplicates", "conflicts", "rejected", "set_aside")
    assert report["read"] == sum(report[part] for part in ended)
    assert report["read"] + report["empty_messages"] >= report["messages"]
    return report


@given(st.sampled_from(NAMES), st.lists(st.binary(max_size=200), max_size=5))
def test_any_bytes_are_accounted_for(name: str, payloads: list[bytes]) -> None:
    settled(name, *payloads)


@given(st.sampled_from(NAMES), st.lists(jsons.map(json.dumps), max_size=6))
def test_any_json_is_accounted_for(name: str, texts: list[str]) -> None:
    settled(name, *(text.encode() for text in texts))


@given(st.sampled_from(NAMES), st.lists(jsons.map(json.dumps), max_size=4), st.data())
def test_any_torn_json_is_accounted_for(name: str, texts: list[str], data: Any) -> None:
    torn = [text[: data.draw(st.integers(0, len(text)))] for text in texts]
    settled(name, *(text.encode() for text in torn))


@given(st.lists(jsons, max_size=5), st.sampled_from([None, 0, 2]))
def test_the_texts_of_elements_are_those_of_the_array(items: list[Any], indent: int | None) -> None:
    text = json.dumps({"x": {"x": 1}, "data": {"é": items}}, indent=indent)
    found = element_texts(text, ("data", "é"))
    assert [json.dumps(json.loads(one)) for one in found] == [json.dumps(item) for item in items]


@pytest.mark.parametrize("name", NAMES)
def test_depth_is_no_matter(name: str) -> None:
    settled(name, *(text for depth in (100, 1023, 1024, 20_000) for text in nested(depth)))


def nested(depth: int) -> list[bytes]:
    brackets = b"[" * depth + b"]" * depth
    objects = b'{"a":' * depth + b"1" + b"}" * depth
    inside = [b'{"items":' + deep + b"}" for deep in (brackets, objects)]
    return [brackets, objects, b"[" * depth, b'{"a":' * depth, *inside]


NUMBERS = [
    "1" * 5000, "-" + "9" * 400, "0." + "0" * 5000, "1e999999999999999999999", "1e-99999999999",
    "123456789012345678901234567890.5e-12", "1E400", "-1E400", "5e-324", "18446744073709551616",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_numbers_of_any_size_are_taken(name: str) -> None:
    settled(name, *(text.encode() for number in NUMBERS for text in holding(number)))


def holding(number: str) -> list[str]:
    members = ",".join(f'"{n}":{number}' for n in ("id", "at", "n", "v", "t", "bt", "bv", "room"))
    one = f"{{{members}}}"
    rows = f"[{number},{number},{number}]"
    placed = [f'{{"items":[{one}],"kind":true}}', f'{{"log":{one}}}']
    return [one, f"[{one},{one}]", *placed, f'{{"kind":2,"data":{{"rows":[{rows}]}}}}']


@pytest.mark.parametrize("name", NAMES)
def test_half_surrogates_are_taken_anywhere(name: str) -> None:
    text = f'"{SURROGATE}"'
    one = f'{{{text}:{text},"id":{text},"n":{text},"at":{text},"{SURROGATE}x":1}}'
    pairs = f"[[[{text},{text}]]]"
    payloads = (text, one, f"[{one}]", f'{{"log":{one}}}', f'{{"items":[{one}]}}', pairs)
    settled(name, *(payload.encode() for payload in payloads))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["everything", "keyed", "pairs", "senml"])
def test_a_text_of_ten_megabytes_is_taken(name: str) -> None:
    long = "x" * 10_000_000
    for text in (long, "[" * 9_999_999, '{"id":"' + long + '"}', '[{"id":"' + long + '"}]'):
        settled(name, text.encode())


MILLION = 1_000_000
ARRAYS = {
    "everything": (b'{"data":{"items":[', b"{}", b"]}}"),
    "top": (b"[", b"5", b"]"),
    "rows": (b'{"kind":2,"data":{"rows":[', b"[1,2]", b"]}}"),
    "pairs": (b"[", b'[["n",1]]', b"]"),
    "senml": (b"[", b'{"n":"a","v":1}', b"]"),
    "keyed": (b'{"log":{', b'"%d":{}', b"}}"),
    "narrow": (b'{"kind":true,"items":[', b'{"h":1}', b"]}"),
}
"""By contract: what stands before the elements, one of them, and what stands behind them."""
SHAPES_IN_A_RUN = 3
"""Each takes half a minute; the seed of the run says which they are."""
SEED = int(os.environ.get("SEED") or 0)


def array(name: str) -> bytes:
    before, element, behind = ARRAYS[name]
    elements = [element] * MILLION
    if b"%d" in element:  # the names of an object's members differ
        elements = [element % number for number in range(MILLION)]
    return before + b",".join(elements) + behind


@pytest.mark.slow
@pytest.mark.parametrize("name", Random(SEED).sample(sorted(ARRAYS), SHAPES_IN_A_RUN))
def test_an_array_of_a_million_elements_is_taken(name: str) -> None:
    raw = line(array(name), topic="lab/a")
    with peak_memory() as held:
        assert clean(raw, CONTRACTS[name]).read == MILLION
    assert held.mib < 1400  # the function has 2,048


def test_the_careful_reader_raises_nothing_for_any_of_these() -> None:
    for contract in CONTRACTS.values():
        reader = CarefulReader(make_plan(contract))
        for text in (
            "",
            "[",
            "{",
            '"',
            "\x00",
            "[" * 200_000,
            "1" * 100_000,
            "-",
            "tru",
            "\ufeff{}",
        ):
            assert reader.read(text) == "not_json" or text == "1" * 100_000
