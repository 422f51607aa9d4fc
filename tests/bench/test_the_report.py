"""What was measured becomes a page: aims with their ratios, and everything else."""

from __future__ import annotations

from bench.aims import figures
from bench.measuring import Measured, Way, by_turns
from bench.reporting import page

NESTED = "transform, 20 readings a message"
OURS = Measured(NESTED, "telemetry-etl", "readings/s", [200.0, 300.0, 400.0])
LOOP = Measured(NESTED, "json loop", "readings/s", [40.0, 50.0, 60.0])


def test_a_ratio_is_that_of_the_medians() -> None:
    (figure,) = figures([OURS, LOOP])
    assert figure.value == 6.0
    assert figure.reached == "reach"


def test_of_memory_and_imports_less_is_better() -> None:
    small = Measured("cold import", "load", "s", [0.4])
    large = Measured("cold import", "transform", "s", [1.2])
    assert [figure.reached for figure in figures([small, large])] == ["aim", "below"]


def test_the_page_tells_ratio_spread_and_machine() -> None:
    text = page([OURS, LOOP], {"cores": "2"})
    assert "| 300 readings/s (200 to 400) | 50 readings/s (40 to 60) | **6.00x** |" in text
    assert "| cores | 2 |" in text


def test_every_round_begins_with_another_way() -> None:
    order: list[str] = []

    def ran(name: str) -> float:
        order.append(name)
        return 0.5

    ways = [Way("a", lambda: ran("a"), 10), Way("b", lambda: ran("b"), 10)]
    found = by_turns("subject", "rows/s", ways, 2)
    assert order == ["a", "b", "b", "a"]
    assert [one.median for one in found] == [20.0, 20.0]
