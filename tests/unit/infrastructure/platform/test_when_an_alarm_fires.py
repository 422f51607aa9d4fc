"""Expressions of alarms, worked out for one period as CloudWatch does for each."""

from __future__ import annotations

import re
from typing import Any

import pytest

from infrastructure.platform.alarms import MATH_ALARMS, MathAlarm

GIB = 1 << 30
PARAMETERS = {"StorageGb": "50", "MostConnections": 300}
ALARMS = {spec.name: spec for spec in MATH_ALARMS}


def fires(spec: MathAlarm, **metrics: float | None) -> bool:
    """True where the expression is above the threshold; ``None``: no data in the period."""
    text = spec.expression if isinstance(spec.expression, str) else spec.expression.data["Fn::Sub"]
    text = re.sub(r"\$\{(\w+)\}", lambda found: PARAMETERS[found[1]], text)
    known: dict[str, Any] = {
        "IF": lambda when, yes, no: yes if when else no,
        "FILL": lambda value, other: other if value is None else value,
        "PERIOD": lambda _: 300,
        **metrics,
    }
    threshold = spec.threshold
    if not isinstance(threshold, int):
        threshold = PARAMETERS[threshold.data["Ref"]]
    return bool(eval(text, {"__builtins__": {}}, known) > threshold)


@pytest.mark.parametrize(
    ("name", "metrics", "expected"),
    [
        ("failure-share", {"started": 5, "failed": 2, "late": None}, True),
        ("failure-share", {"started": 5, "failed": 0, "late": 2}, True),
        ("failure-share", {"started": 100, "failed": 3, "late": 2}, False),
        ("failure-share", {"started": 5, "failed": None, "late": None}, False),
        ("backlog", {"waiting": 10_000, "staged": 1_000}, True),
        ("backlog", {"waiting": 10_000, "staged": 10_000}, False),
        ("backlog", {"waiting": 1, "staged": None}, True),
        ("backlog", {"waiting": 0, "staged": None}, False),
        ("backlog", {"waiting": 0, "staged": 0}, False),
        ("falling-behind", {"sent": 30_000, "staged": 20_000}, True),
        ("falling-behind", {"sent": 30_000, "staged": 29_000}, False),
        ("falling-behind", {"sent": 30_000, "staged": None}, True),
        ("falling-behind", {"sent": 500, "staged": None}, False),
        ("database-cpu", {"seen": 95}, True),
        ("database-cpu", {"seen": 60}, False),
        ("database-storage", {"seen": 3 * GIB}, True),
        ("database-storage", {"seen": 6 * GIB}, False),
        ("database-storage", {"seen": 90 * GIB}, False),
        ("database-connections", {"seen": 301}, True),
        ("database-connections", {"seen": 300}, False),
        ("database-memory", {"seen": 100 << 20}, True),
        ("database-memory", {"seen": 1 << 30}, False),
        ("database-vacuum", {"seen": 1_100_000_000}, True),
        ("database-vacuum", {"seen": 200_000_000}, False),
        ("proxy-waiting", {"seen": 6_000_000}, True),
        ("proxy-waiting", {"seen": 20_000}, False),
        ("proxy-target", {"seen": 0}, True),
        ("proxy-target", {"seen": 100}, False),
    ],
)
def test_an_alarm_fires_when_it_should(name, metrics, expected):
    assert fires(ALARMS[name], **metrics) is expected


def test_every_alarm_was_heard_and_was_silent_above():
    (mark,) = test_an_alarm_fires_when_it_should.pytestmark
    told = {(name, expected) for name, _, expected in mark.args[1]}
    assert told == {(name, expected) for name in ALARMS for expected in (True, False)}


@pytest.mark.parametrize("phase", range(0, 600, 60))
@pytest.mark.parametrize(("failing", "expected"), [(range(12, 100), True), ({12}, False)])
def test_the_share_of_failures_is_seen_where_loops_end_long_after_their_start(
    failing, expected, phase
):
    """Loops start every ten minutes, and end eleven minutes later."""
    spec = ALARMS["failure-share"]
    begins = [phase + 600 * number for number in range(40)]
    fails = [begin + 660 for number, begin in enumerate(begins) if number in failing]

    def counted(moments: list[int], period: int) -> int | None:
        return sum(moment // spec.period == period for moment in moments) or None

    above = [
        fires(spec, started=counted(begins, n), failed=counted(fails, n), late=None)
        for n in range(24_000 // spec.period)
    ]
    told = any(all(above[n : n + spec.periods]) for n in range(len(above) - spec.periods + 1))
    assert told is expected
