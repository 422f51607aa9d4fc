"""Counts and durations as CloudWatch metrics, in the embedded metric format (EMF).

They are gathered during an invocation and written to standard output once at its end, by
:mod:`telemetry.entry`: CloudWatch reads them from the log, no call is made. What may be emitted is
declared in :mod:`telemetry.metric_table`.

Values that the level of observability (environment variable ``OBSERVABILITY``) leaves out go into
one more line, under :data:`BELOW`, of which CloudWatch makes no metrics; Logs Insights finds them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping

from telemetry.metric_table import (
    METRICS,
    NAMESPACE,
    OBSERVABILITY,
    PIPELINE,
    covers,
    level_of,
)

__all__ = ["BELOW", "UndeclaredMetricError", "flush", "record"]

BELOW = "figures"
"""Field of the log line with the values that the level leaves out of the metrics."""

Own = tuple[str, str] | None
"""A metric's own dimension and its value."""

_gathered: dict[Own, list[tuple[str, float]]] = {}
"""Values by dimension: each entry becomes a line of EMF."""


class UndeclaredMetricError(Exception):
    """Raised for a metric, or a value of its dimension, that the table of metrics doesn't have."""


def record(name: str, value: float, of: str | None = None) -> None:
    """Adds a value, such as ``record("MessagesStaged", 120)``.

    ``of`` is the value of the metric's own dimension, where it has one: ``record("StageSeconds",
    0.4, of="load")``. Raises :class:`UndeclaredMetricError`.
    """
    metric = METRICS.get(name)
    if metric is None:
        raise UndeclaredMetricError(f"{name} is not in telemetry.metric_table: declare it there.")
    if of not in (metric.values or (None,)):
        raise UndeclaredMetricError(
            f"{name} is declared for {', '.join(metric.values) or 'no dimension of its own'}, "
            f"not for {of!r}: see telemetry.metric_table."
        )
    own = (metric.dimension, of) if metric.dimension is not None and of is not None else None
    _gathered.setdefault(own, []).append((name, float(value)))


def flush(identity: Mapping[str, str] | None = None) -> None:
    """Writes what was gathered since the last time, if anything.

    ``identity`` (execution, batch, request and trace ids) goes into each line as fields beside the
    metrics: searchable, and not billed as dimensions are.
    """
    try:
        level = level_of(os.environ.get(OBSERVABILITY))
        below: dict[str, list[float]] = {}
        for own, values in _gathered.items():
            metrics = [one for one in values if covers(level, METRICS[one[0]].level)]
            if metrics:
                _write(own, metrics, identity or {})
            for name, value in values:
                if not covers(level, METRICS[name].level):
                    # Under the names that `etl metrics` has for them, such as StageSeconds/load.
                    below.setdefault(f"{name}/{own[1]}" if own else name, []).append(value)
        if below:
            sys.stdout.write(json.dumps({BELOW: below, **(identity or {})}) + "\n")
    finally:
        _gathered.clear()


def _write(own: Own, values: list[tuple[str, float]], identity: Mapping[str, str]) -> None:
    """One object of EMF, as Powertools makes it: a line, or several of more than 100 values."""
    from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import (
        AmazonCloudWatchEMFProvider,
    )

    emf = AmazonCloudWatchEMFProvider(
        namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", NAMESPACE)
    )
    emf.service = ""  # Powertools would make a dimension of it: a metric for each function
    if pipeline := os.environ.get("PIPELINE"):
        emf.add_dimension(PIPELINE, pipeline)
    if own is not None:
        emf.add_dimension(*own)
    for key, text in identity.items():
        emf.add_metadata(key, text)
    for name, value in values:  # writes a full line at once: all else is in it by now
        emf.add_metric(name, METRICS[name].unit, value)
    if emf.metric_set:
        sys.stdout.write(json.dumps(emf.serialize_metric_set()) + "\n")
