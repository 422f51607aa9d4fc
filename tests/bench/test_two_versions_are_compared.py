"""Two versions take turns, and each case has its ratio."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import compare
from bench.measurement import Measurement


def test_versions_take_turns_and_cases_have_ratios(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {"before": [100.0, 300.0], "here": [400.0, 240.0]}
    order: list[str] = []

    def run(folder: Path, subject: str) -> list[Measurement]:
        order.append(folder.name)
        return [Measurement(subject, "case", "readings/s", [rates[folder.name].pop(0)])]

    monkeypatch.setattr(compare, "run", run)
    folders = {"before": Path("before"), "here": Path("here")}
    found = compare.compare(folders, "extract", 2)
    assert order == ["before", "here", "here", "before"]
    assert compare.ratios(found["before"], found["here"]) == [
        "extract, case: from 200 (100 to 300) to 320 (240 to 400) readings/s, 1.60x"
    ]
