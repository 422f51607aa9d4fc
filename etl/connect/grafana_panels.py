"""Panels of a Grafana dashboard as plain data, in the fields of Grafana's own schema.

https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
(read 2026-11). A test reads every dashboard with the models that Grafana generates from its schema.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from telemetry.metric_table import LEVELS, METRICS, NAMESPACE, PIPELINE, covers

__all__ = [
    "CLOUDWATCH",
    "POSTGRES",
    "SCHEMA_VERSION",
    "Panel",
    "chart",
    "grid",
    "metric",
    "recorded_at",
    "sql",
    "stat",
    "table",
]

SCHEMA_VERSION = 39
"""Version of the dashboard's JSON: that of Grafana 11; a newer Grafana converts it itself."""
POSTGRES = {"type": "grafana-postgresql-datasource", "uid": "${postgres}"}
CLOUDWATCH = {"type": "cloudwatch", "uid": "${cloudwatch}"}
COLUMNS = 24
Panel = dict[str, Any]
Target = dict[str, Any]
UNITS = {
    "°C": "celsius", "°F": "fahrenheit", "K": "kelvin", "%": "percent", "hPa": "pressurehpa",
    "mbar": "pressurembar", "Pa": "pressurepa", "kPa": "pressurekpa", "bar": "pressurebar",
    "V": "volt", "mV": "mvolt", "A": "amp", "mA": "mamp", "W": "watt", "kW": "kwatt",
    "VA": "voltamp", "Wh": "watth", "kWh": "kwatth", "Hz": "hertz", "m": "lengthm",
    "km": "lengthkm", "mm": "lengthmm", "m/s": "velocityms", "km/h": "velocitykmh", "lx": "lux",
    "ppm": "ppm", "dB": "dB", "dBm": "dBm", "s": "s", "ms": "ms", "min": "m", "h": "h", "d": "d",
    "L": "litre", "m³": "m3", "m3": "m3", "kg": "masskg", "g": "massg", "°": "degree",
    "bytes": "bytes", "B": "bytes", "lm": "lumens", "J": "joule",
}  # fmt: skip
"""Grafana's names of units; any other unit is written behind the number as it is."""


def sql(query: str, *, series: bool = False, ref: str = "A") -> Target:
    """A query of the PostgreSQL data source; ``series``: its rows are lines over time."""
    return {
        "refId": ref,
        "datasource": POSTGRES,
        "format": "time_series" if series else "table",
        "rawQuery": True,
        "editorMode": "code",
        "rawSql": query,
    }


def metric(name: str, label: str, ref: str, *, statistic: str = "", of: str = "") -> Target:
    """A query for one of the pipeline's metrics; ``of``: the value of its own dimension.

    Raises ``KeyError`` where the pipeline has no such metric.
    """
    found = METRICS[name]
    own = {found.dimension: of} if found.dimension is not None else {}
    return {
        "refId": ref,
        "id": ref.lower(),
        "datasource": CLOUDWATCH,
        "queryMode": "Metrics",
        "metricQueryType": 0,
        "metricEditorMode": 0,
        "region": "$region",
        "namespace": NAMESPACE,
        "metricName": name,
        "dimensions": {PIPELINE: "$stack", **own},
        "statistic": statistic or found.statistic,
        "matchExact": True,
        "period": "",
        "expression": "",
        "label": label,
    }


def recorded_at(name: str) -> str:
    """The levels of observability that record a metric, as a sentence; empty where all do.

    Raises ``KeyError`` where the pipeline has no such metric.
    """
    needed = METRICS[name].level
    if needed == LEVELS[0]:
        return ""
    levels = " or ".join(level for level in LEVELS if covers(level, needed))
    return f"Recorded where operation.observability is {levels}."


def stat(
    title: str,
    query: str,
    about: str,
    *,
    unit: str = "short",
    limits: Sequence[tuple[float, str]] = (),
) -> Panel:
    """One figure; ``limits``: from which values it has which colour."""
    steps: list[dict[str, Any]] = [{"color": "green" if limits else "text", "value": None}]
    steps += [{"color": color, "value": value} for value, color in limits]
    options = {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
        "wideLayout": True,
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    defaults = {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}}
    return _panel("stat", title, about, [sql(query)], defaults, options)


def chart(
    title: str,
    targets: list[Target],
    about: str = "",
    *,
    unit: str = "short",
    stacked: bool = False,
    band: bool = False,
) -> Panel:
    """Lines over time, or stacked bars; ``band``: extremes are dashed."""
    custom: dict[str, Any] = {"drawStyle": "line", "lineWidth": 1, "showPoints": "auto"}
    if stacked:
        custom = {
            "drawStyle": "bars",
            "fillOpacity": 80,
            "lineWidth": 0,
            "stacking": {"mode": "normal", "group": "A"},
        }
    defaults = {"unit": unit, "custom": custom}
    options = {
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    found = _panel("timeseries", title, about, targets, defaults, options)
    if band:
        found["fieldConfig"]["overrides"] = [_thin("least"), _thin("greatest")]
    return found


def table(title: str, query: str, about: str) -> Panel:
    """Rows with a filter on each column."""
    defaults = {"custom": {"align": "auto", "filterable": True, "inspect": False}}
    options = {"showHeader": True, "cellHeight": "sm"}
    return _panel("table", title, about, [sql(query)], defaults, options)


def grid(rows: Sequence[tuple[str, int, Sequence[Panel], int]]) -> list[Panel]:
    """The panels with ids and places.

    ``rows``: title of a row, panels beside each other, its panels, their height.
    """
    placed: list[Panel] = []
    top = 0
    for title, beside, panels, height in rows:
        if not panels:
            continue
        placed.append(_row(title, len(placed) + 1, top))
        top += 1
        width = COLUMNS // beside
        for number, panel in enumerate(panels):
            down, across = divmod(number, beside)
            place = {"h": height, "w": width, "x": across * width, "y": top + down * height}
            placed.append({"id": len(placed) + 1, "gridPos": place, **panel})
        top += height * -(-len(panels) // beside)
    return placed


def _row(title: str, number: int, top: int) -> Panel:
    place = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
    row = {"type": "row", "title": title, "collapsed": False, "panels": []}
    return {"id": number, "gridPos": place, **row}


def _panel(
    kind: str,
    title: str,
    about: str,
    targets: list[Target],
    defaults: dict[str, Any],
    options: dict[str, Any],
) -> Panel:
    return {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": targets[0]["datasource"],
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
    }


def _thin(name: str) -> dict[str, Any]:
    style = {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [4, 4]}}
    return {"matcher": {"id": "byName", "options": name}, "properties": [style]}
