"""The tables of ``docs/metrics.md``, from the code: metrics, alarms, fields of a log line.

``python -m etl.reference.metrics`` writes them anew between their markers; a test compares.
"""

from __future__ import annotations

import re
from pathlib import Path

from infrastructure.alarm_settings import AlarmSettings
from infrastructure.core.alarms import ALARMS, AlarmSpec
from infrastructure.setting_fields import settings_of
from telemetry.metric_table import METRICS, NAMESPACE, series

__all__ = ["PAGE", "filled"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
WORDS = {"Sum": "sum", "Average": "mean", "Maximum": "maximum", "p50": "median"}


def filled(page: str) -> str:
    """The page with its generated parts as the code gives them now.

    Raises ``KeyError`` for a marker that no part answers to.
    """
    parts = {"metrics": _metrics(), "alarms": _alarms(), "count": _count()}
    return re.sub(
        r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)",
        lambda found: f"{found[1]}{parts[found[2]]}\n{found[3]}",
        page,
        flags=re.DOTALL,
    )


def _metrics() -> str:
    lines = [
        "| metric | unit | look at | dimension | from | what it is |",
        "|---|---|---|---|---|---|",
    ]
    for metric in METRICS.values():
        own = f"`{metric.dimension}`" if metric.dimension else ""
        by = ", ".join(metric.emitted_by)
        lines.append(
            f"| `{metric.name}` | {metric.unit} | {WORDS[metric.statistic]} | {own} | {by} "
            f"| {metric.meaning} |"
        )
    for metric in METRICS.values():
        if metric.dimension:
            values = ", ".join(f"`{value}`" for value in metric.values)
            lines.append(f"\n`{metric.dimension}` of `{metric.name}` is one of {values}.")
    return "\n".join(lines)


def _alarms() -> str:
    defaults = {one.parameter: str(one.default or "off") for one in settings_of(AlarmSettings)}
    lines = ["| alarm | metric | fires at | parameter |", "|---" * 4 + "|"]
    for spec in ALARMS:
        parameter = _parameter(spec)
        at = defaults[parameter]
        lines.append(
            f"| [`{spec.name}`](runbook.md#{spec.name}) | {_metric(spec)} | {at} | `{parameter}` |"
        )
    return "\n".join(lines)


def _metric(spec: AlarmSpec) -> str:
    space = "" if spec.namespace == NAMESPACE else f"{spec.namespace} "
    word = WORDS.get(spec.statistic, spec.statistic)
    over = "the configured minutes" if spec.condition else f"{spec.period // 60} min"
    of = (
        f", {spec.datapoints} of {spec.periods}" if spec.periods != 1 and not spec.condition else ""
    )
    return f"{space}`{spec.metric}`, {word} of {over}{of}"


def _parameter(spec: AlarmSpec) -> str:
    """The parameter that its threshold, or how long it waits, refers to."""
    value = spec.periods if spec.condition else spec.threshold
    found = re.search(r"Alarm(At|After)\w+", str(value.to_dict()))
    return found[0].removesuffix("000") if found else ""


def _count() -> str:
    always = sum(spec.condition is None for spec in ALARMS)
    return (
        f"A pipeline has at most **{series()} metrics** of its own, and **{always} alarms** (one "
        "more with the alarm `no-data`)."
    )


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
