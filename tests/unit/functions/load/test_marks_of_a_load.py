"""Which spans a load marks, from its groups, and how it spells them for PostgreSQL."""

from __future__ import annotations

from functions.load.batch import Group
from functions.load.rollup_invalidation import array_of, spans_of


def group(device: str, first: str, last: str) -> Group:
    return Group((device,), (0, 1), 2, f"{first}.000000+00:00", f"{last}.000000+00:00")


def test_groups_within_one_hour_are_marked_together() -> None:
    groups = [
        group("a", "2026-11-23T06:00:00", "2026-11-23T06:59:59"),
        group("b", "2026-11-23T06:10:00", "2026-11-23T06:10:00"),
        group("a", "2026-11-23T06:59:59", "2026-11-23T06:59:59"),
        group("a", "2026-11-23T07:00:00", "2026-11-23T07:00:00"),
    ]
    spans, others = spans_of(groups, 13)
    assert {span: list(series) for span, series in spans.items()} == {
        "2026-11-23T06": [("a",), ("b",)],
        "2026-11-23T07": [("a",)],
    }
    assert others == []


def test_groups_of_several_spans_and_years_of_five_digits_are_left_to_the_database() -> None:
    several = group("a", "2026-11-23T06:00:00", "2026-11-23T07:00:00")
    far = group("a", "12026-11-23T06:00:00", "12026-11-23T06:00:00")
    assert spans_of([several, far], 13) == ({}, [several, far])
    spans, others = spans_of([several], 10)
    assert list(spans) == ["2026-11-23"]
    assert others == []


def test_any_text_is_one_element_of_an_array() -> None:
    assert array_of(["a", "", 'b"c', "d\\e", "{f,g}", "NULL"]) == (
        '{"a","","b\\"c","d\\\\e","{f,g}","NULL"}'
    )
