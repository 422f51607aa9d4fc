"""Whatever is recorded, each line keeps to CloudWatch's embedded metric format.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import contextlib
import io
import json
from collections import Counter
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from telemetry import metrics
from telemetry.metric_table import METRICS, NAMESPACE

MOST_VALUES, MOST_METRICS, MOST_DIMENSIONS = 100, 100, 30

names = st.sampled_from(sorted(METRICS))
recorded = st.lists(
    names.flatmap(
        lambda name: st.tuples(
            st.just(name),
            st.sampled_from(METRICS[name].values or (None,)),
            st.floats(0, 1e12),
        )
    ),
    max_size=150,
)
identity = st.dictionaries(st.sampled_from(["execution", "batch_id", "request_id"]), st.text())


def written(values: list[tuple[str, str | None, float]], known: dict[str, str]) -> list[Any]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        for name, of, value in values:
            metrics.record(name, value, of=of)
        metrics.flush(known)
    return [json.loads(line) for line in out.getvalue().splitlines()]


@settings(max_examples=20)
@given(recorded, identity)
def test_every_member_that_a_line_names_is_there_and_of_its_kind(values, known):
    for line in written(values, known):
        assert isinstance(line["_aws"]["Timestamp"], int)
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == NAMESPACE
        (dimensions,) = directive["Dimensions"]
        assert len(dimensions) <= MOST_DIMENSIONS
        assert all(isinstance(line[name], str) and line[name] for name in dimensions)
        assert 1 <= len(directive["Metrics"]) <= MOST_METRICS
        for metric in directive["Metrics"]:
            assert metric["Unit"] == METRICS[metric["Name"]].unit
            numbers = line[metric["Name"]]
            assert 1 <= len(numbers) <= MOST_VALUES
            assert all(isinstance(number, float) for number in numbers)


@settings(max_examples=20)
@given(recorded)
@example([("ReadingsRead", None, 1.0)] * 100)
@example([("ReadingsRead", None, 1.0)] * 101)
def test_every_value_is_in_exactly_one_line_under_its_own_dimension(values):
    found: Counter[tuple[str, str | None, float]] = Counter()
    for line in written(values, {}):
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
            name = metric["Name"]
            of = line[METRICS[name].dimension] if METRICS[name].dimension else None
            found.update((name, of, number) for number in line[name])
    assert found == Counter(values)
