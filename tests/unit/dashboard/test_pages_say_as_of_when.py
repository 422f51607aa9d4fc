"""A page says as of when it is true; a chart of which time range, in which step and zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dashboard.cache import Answer
from dashboard.charts.scales import number_text, scale_of
from dashboard.errors import page_error
from dashboard.pages.rejects import next_step
from dashboard.pages.time_spans import SPANS, STEPS, floor, span_covering, step_text
from dashboard.rendering import oldest
from dashboard.sources.quality import QuarantinedBatch

FAILED: Answer[int] = Answer(error=page_error(ValueError("away")), at=50)
HELD = QuarantinedBatch(
    "kiln", datetime(2026, 11, 29, tzinfo=UTC), 4, 10, 7, 3, "digest-1", ["too many"]
)


def test_a_page_is_as_old_as_its_oldest_answer_with_a_value() -> None:
    values = [Answer(value=1, at=100), Answer(value=2, at=90), FAILED, Answer(), "text"]
    assert oldest(values) == datetime.fromtimestamp(90, UTC)
    assert oldest([FAILED, "text"]) is None


def test_each_time_range_has_a_step_that_says_its_unit() -> None:
    assert list(SPANS) == list(STEPS) == ["1h", "6h", "24h", "7d", "30d"]
    assert [step_text(name) for name in SPANS] == [
        "per minute", "per 5 minutes", "per 20 minutes", "per 3 hours", "per 12 hours",
    ]  # fmt: skip
    for name, (_, length) in SPANS.items():
        assert 50 <= length / STEPS[name] <= 75


def test_the_time_range_that_covers_an_age_is_the_shortest_one() -> None:
    assert span_covering(timedelta(hours=2)) == "6h"
    assert span_covering(timedelta(days=300)) == "30d"
    assert span_covering(timedelta(days=300), longest="24h") == "24h"
    assert span_covering(None) == "24h"
    late = datetime(2026, 11, 29, 9, 13, 7, tzinfo=UTC)
    assert floor(late, STEPS["6h"]) == datetime(2026, 11, 29, 9, 10, tzinfo=UTC)


@pytest.mark.parametrize("most", [1.0, 0.1, 10.0, 3.0])
def test_ticks_are_the_values_that_they_name(most: float) -> None:
    scale = scale_of(0, most, zero=True)
    for tick in scale.ticks:
        assert float(number_text(tick, scale.step)) == pytest.approx(tick)


def test_the_main_button_of_a_batch_in_quarantine_does_something() -> None:
    assert next_step(HELD, "digest-1") == "release"
    assert next_step(HELD, None) == "release"
    assert next_step(HELD, "digest-2") == "replay"
    assert next_step(replace(HELD, accepted=0), "digest-1") == "rejects"
    assert next_step(replace(HELD, key_too_small=True), "digest-1") == "key"
    assert next_step(replace(HELD, key_too_small=True), "digest-2") == "replay"
