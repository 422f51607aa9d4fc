"""The page has the targets with their ratios, and all measurements."""

from __future__ import annotations

from bench.measurement import Case, Measurement, interleaved
from bench.report import page
from bench.targets import figures

NESTED = "transform, 20 readings per message"
OURS = Measurement(NESTED, "telemetry-etl", "readings/s", [200.0, 300.0, 400.0])
LOOP = Measurement(NESTED, "json loop", "readings/s", [40.0, 50.0, 60.0])


def test_a_ratio_is_that_of_the_medians() -> None:
    (figure,) = figures([OURS, LOOP])
    assert figure.value == 6.0
    assert figure.reached == "minimum"


def test_of_memory_and_imports_less_is_better() -> None:
    small = Measurement("cold import", "load", "s", [0.4])
    large = Measurement("cold import", "transform", "s", [1.2])
    assert [figure.reached for figure in figures([small, large])] == ["target", "below"]


def test_the_page_has_ratio_spread_and_machine() -> None:
    text = page([OURS, LOOP], {"cores": "2"})
    assert "| 300 readings/s (200 to 400) | 50 readings/s (40 to 60) | **6.00x** |" in text
    assert "| cores | 2 |" in text


def test_every_round_begins_with_another_case() -> None:
    order: list[str] = []

    def ran(name: str) -> float:
        order.append(name)
        return 0.5

    cases = [Case("a", lambda: ran("a"), 10), Case("b", lambda: ran("b"), 10)]
    found = interleaved("subject", "rows/s", cases, 2)
    assert order == ["a", "b", "b", "a"]
    assert [one.median for one in found] == [20.0, 20.0]
