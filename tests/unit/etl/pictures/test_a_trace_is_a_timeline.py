from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from etl.operations.traces import flatten
from etl.pictures.gantt import gantt_svg
from etl.pictures.text import duration

SVG = "{http://www.w3.org/2000/svg}"


def segment(identity: str, name: str, start: float, end: float, **fields: Any) -> dict[str, Any]:
    return {"id": identity, "name": name, "start_time": start, "end_time": end, **fields}


def names(svg: str) -> list[str]:
    rows = ElementTree.fromstring(svg).findall(f"{SVG}g")
    return [str(row.findtext(f"{SVG}text")) for row in rows]


def drawn(documents: list[dict[str, Any]]) -> str:
    return gantt_svg({"trace_id": "1-2-3", "spans": flatten(documents)})


def iterations(number: int, failing: int) -> list[dict[str, Any]]:
    root = segment("r", "Load batches", 0, 10)
    items = [
        segment(f"i{n}", f"Iteration #{n}", n * 0.1, n * 0.2 + 0.1, parent_id="r")
        for n in range(number)
    ]
    items[failing]["fault"] = True
    items[failing]["cause"] = {"exceptions": [{"type": "BatchCorruptError", "message": "no gzip"}]}
    return [root, *items]


def test_each_span_is_a_row_below_its_parent() -> None:
    documents = [
        segment("b", "load", 2, 3, parent_id="a", origin="AWS::Lambda::Function"),
        segment("a", "machine", 0, 4),
        segment("c", "insert rows", 2.1, 2.9, parent_id="b"),
    ]
    svg = drawn(documents)
    assert names(svg) == ["machine", "load · code", "insert rows"]
    assert "trace 1-2-3" in svg


def test_bars_stand_where_and_as_long_as_the_spans_were() -> None:
    svg = drawn([segment("a", "machine", 100, 104), segment("b", "load", 101, 103, parent_id="a")])
    (x1, w1), (x2, w2) = (
        (float(bar.get("x", 0)), float(bar.get("width", 0)))
        for row in ElementTree.fromstring(svg).findall(f"{SVG}g")
        for bar in row.findall(f"{SVG}rect")
    )
    assert w2 == pytest.approx(w1 / 2, abs=0.2)
    assert x2 - x1 == pytest.approx(w1 / 4, abs=0.2)


def test_of_many_items_those_that_failed_and_the_slowest_are_shown() -> None:
    svg = drawn(iterations(40, failing=2))
    shown = names(svg)
    assert len(shown) == 5
    assert {"Iteration #2", "Iteration #39", "Iteration #38"} < set(shown)
    assert shown[-1].startswith("37 more, 100 ms to ")


def test_an_error_is_named_where_it_arose() -> None:
    svg = drawn(iterations(3, failing=1))
    assert "BatchCorruptError" in names_and_more(svg)
    assert "failed: BatchCorruptError: no gzip" in svg


def names_and_more(svg: str) -> list[str]:
    return re.findall(r">([^<]+)</text>", svg)


def test_a_trace_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="1-2-3"):
        gantt_svg({"trace_id": "1-2-3", "spans": []})


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.0001, "under 1 ms"),
        (0.0853, "85 ms"),
        (1.829, "1.83 s"),
        (42.04, "42.0 s"),
        (125.2, "2 min 5 s"),
        (11_040, "3 h 4 min"),
    ],
)
def test_durations_are_reported_as_a_person_would(seconds: float, told: str) -> None:
    assert duration(seconds) == told
