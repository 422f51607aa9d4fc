"""Counts and durations as CloudWatch metrics, in the embedded metric format (EMF).

They are gathered during an invocation and written to standard output once at its end, by
:mod:`telemetry.entry`: CloudWatch reads them from the log, no call is made.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

__all__ = ["count", "flush", "milliseconds"]

NAMESPACE = "TelemetryETL"


def count(name: str, value: float) -> None:
    """Adds to a count, such as ``MessagesStaged``."""
    _metrics().add_metric(name=name, unit="Count", value=value)


def milliseconds(name: str, value: float) -> None:
    """Adds a duration in milliseconds."""
    _metrics().add_metric(name=name, unit="Milliseconds", value=value)


def flush() -> None:
    """Writes what was gathered since the last time, if anything."""
    metrics = _metrics()
    if metrics.provider.metric_set:
        metrics.flush_metrics()


@cache
def _metrics() -> Any:
    from aws_lambda_powertools.metrics import Metrics

    metrics = Metrics(
        namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", NAMESPACE),
        service=os.environ.get("POWERTOOLS_SERVICE_NAME", "telemetry"),
    )
    if pipeline := os.environ.get("PIPELINE"):
        metrics.set_default_dimensions(pipeline=pipeline)
    return metrics
