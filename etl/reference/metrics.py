"""``docs/metrics.md``: the tables of metrics and alarms, written between markers of the page."""

from __future__ import annotations

import re

from etl.cost.prices import price
from etl.operations.plurals import counted
from etl.reference.markdown import table
from infrastructure.alarm_settings import AlarmSettings
from infrastructure.core.alarm_spec import AlarmSpec
from infrastructure.core.alarms import ALARMS
from infrastructure.core.channels import CHANNEL_ALARMS
from infrastructure.core.levels import Counts, counts
from infrastructure.core.maintenance import MAINTENANCE_ALARM
from infrastructure.setting_fields import settings_of
from layers.folders import ROOT
from telemetry.metric_table import LEVELS, METRICS, NAMESPACE, series

__all__ = ["PAGE", "fill_in", "metrics_page"]

PAGE = ROOT / "docs" / "metrics.md"
STATISTICS = {"Sum": "sum", "Average": "average", "Maximum": "maximum", "p50": "median"}


def metrics_page() -> str:
    """The page, as Markdown: the written one with its tables as the code gives them now."""
    return fill_in(PAGE.read_text(encoding="utf-8"))


def fill_in(page: str) -> str:
    """The page with the text between its markers replaced.

    Raises ``KeyError`` for a marker of no known part.
    """
    parts = {
        "metrics": _metrics(),
        "alarms": _alarms(),
        "count": _count(),
        "levels": _levels(),
        "options": _options(),
    }
    return re.sub(
        r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)",
        lambda found: f"{found[1]}{parts[found[2]]}\n{found[3]}",
        page,
        flags=re.DOTALL,
    )


def _metrics() -> str:
    rows = [
        (
            f"`{metric.name}`",
            metric.unit,
            STATISTICS[metric.statistic],
            f"`{metric.dimension}`" if metric.dimension else "",
            ", ".join(metric.emitted_by),
            metric.level,
            metric.meaning,
        )
        for metric in METRICS.values()
    ]
    lines = [table(["metric", "unit", "statistic", "dimension", "from", "level", "meaning"], rows)]
    for metric in METRICS.values():
        if metric.dimension:
            values = ", ".join(f"`{value}`" for value in metric.values)
            lines.append(f"`{metric.dimension}` of `{metric.name}` is one of {values}.\n")
    return "\n".join(lines).rstrip()


def _alarms() -> str:
    defaults = {one.parameter: str(one.default or "off") for one in settings_of(AlarmSettings)}
    rows = []
    for spec in ALARMS:
        parameter = _parameter(spec)
        name = f"[`{spec.name}`](runbook.md#{spec.name})"
        fixed = (str(spec.threshold), "")
        limit = (defaults[parameter], f"`{parameter}`") if parameter else fixed
        rows.append((name, _metric(spec), *limit))
    return table(["alarm", "metric", "fires at", "parameter"], rows).rstrip()


def _metric(spec: AlarmSpec) -> str:
    space = "" if spec.namespace == NAMESPACE else f"{spec.namespace} "
    word = STATISTICS.get(spec.statistic, spec.statistic)
    over = "the configured minutes" if spec.is_optional else f"{spec.period // 60} min"
    of = (
        f", {spec.datapoints} of {spec.periods}"
        if spec.periods != 1 and not spec.is_optional
        else ""
    )
    return f"{space}`{spec.metric}`, {word} of {over}{of}"


def _parameter(spec: AlarmSpec) -> str:
    """The parameter that sets its threshold or its waiting time, if it has one."""
    setting = spec.periods if spec.is_optional else spec.threshold
    if isinstance(setting, int):
        return ""
    found = re.search(r"Alarm(At|After)\w+", str(setting.to_dict()))
    return found[0].removesuffix("000") if found else ""


def _count() -> str:
    always = sum(not spec.is_optional for spec in ALARMS)
    more = counted(series(channels=True) - series(), "metric")
    return (
        f"At the level `full` a pipeline has at most **{series()} metrics** of its own, and "
        f"**{always} alarms** (one more with the alarm `no-data`). [Channels](how-to-notify.md) "
        f"add {more} and {counted(len(CHANNEL_ALARMS), 'alarm')}, a table with partitions adds "
        f"[`{MAINTENANCE_ALARM.name}`](runbook.md#{MAINTENANCE_ALARM.name})."
    )


def _levels() -> str:
    rows = [
        (
            f"`{level}`",
            f"${_dollars(count):.2f}",
            str(count.metrics),
            str(count.alarms),
            "yes" if count.dashboards else "no",
            "AWS's default" if count.traces_share == 1 else f"{count.traces_share * 100:.0f} %",
            f"`{count.log_level}`",
            f"`{count.system_log_level}`",
        )
        for level in LEVELS
        for count in [counts(level)]
    ]
    heads = [
        "level", "a month", "metrics", "alarms", "dashboard", "traced", "state machine's log",
        "Lambda's own lines",
    ]  # fmt: skip
    lines = [table(heads, rows)]
    for level, has in zip(LEVELS, ("has the alarms", "adds", "adds"), strict=True):
        found = [
            f"[`{spec.name}`](runbook.md#{spec.name})"
            for spec in ALARMS
            if spec.level == level and not spec.is_optional
        ]
        lines.append(f"`{level}` {has} {', '.join(found)}.\n")
    return "\n".join(lines).rstrip()


def _dollars(count: Counts) -> float:
    """Dollars per month of what is counted, which don't depend on the number of readings."""
    return (
        count.metrics * price("metrics").each
        + count.alarms * price("alarms").each
        + count.dashboards * price("dashboards").each
    )


def _options() -> str:
    def row(title: str, *names: str) -> tuple[str, ...]:
        cells = []
        for level in LEVELS:
            count = counts(level)
            parts = [
                counted(getattr(count, name), "metric" if name.endswith("metrics") else "alarm")
                for name in names
                if getattr(count, name)
            ]
            cells.append(", ".join(parts))
        return (title, *cells)

    return table(
        ["adds", *(f"`{level}`" for level in LEVELS)],
        [
            row("each further contract", "contract_alarms"),
            row("[channels](how-to-notify.md)", "channel_metrics", "channel_alarms"),
            row("a table with partitions", "maintenance_alarms"),
        ],
    ).rstrip()
