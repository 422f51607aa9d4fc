"""The QuickSight dashboard's definition: three sheets of visuals, as plain data.

* *Telemetry*: least, average and greatest value of each metric over time;
* *Devices*: the latest reading of each, as a table;
* *Quality*: readings by result and by reject reason, and seconds from device to table, by day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from telemetry.contract import Contract
from telemetry.contract.analytics import metrics_of
from telemetry.ddl.analytics import levels_of

__all__ = ["definition"]

MOST_VISUALS = 30
"""Visuals of a sheet; QuickSight allows 50: https://docs.aws.amazon.com/quicksight/latest/user/
data-source-limits.html (read 2026-11)."""
MOST_COLUMNS = 200
"""Columns of a table."""
COLUMNS, ROWS = 36, 12
"""Width of the grid, and the height of a visual."""
Plain = dict[str, Any]


def definition(contract: Contract, data_sets: Mapping[str, Any]) -> Plain:
    """The definition; ``data_sets``: ARNs by the last part of the view's name."""
    sheets = [
        _sheet("telemetry", "Telemetry", list(_metrics(contract)), COLUMNS // 2),
        _sheet("devices", "Devices", list(_devices(contract)), COLUMNS),
        _sheet("quality", "Quality", list(_quality()), COLUMNS // 2),
    ]
    return {
        "DataSetIdentifierDeclarations": [
            {"Identifier": name, "DataSetArn": arn} for name, arn in data_sets.items()
        ],
        "Sheets": [sheet for sheet in sheets if sheet["Visuals"]],
    }


def _metrics(contract: Contract) -> Iterator[Plain]:
    levels = levels_of(contract)
    if not levels:
        return
    level = levels[0]
    grain = "HOUR" if level.column == "hour" else "DAY"
    for column in metrics_of(contract)[:MOST_VISUALS]:
        unit = f", {column.unit}" if column.unit else ""
        if column.type == "boolean":
            values = [(f"{column.name}_share", "AVERAGE")]
        else:
            values = [
                (f"{column.name}_min", "MIN"),
                (f"{column.name}_avg", "AVERAGE"),
                (f"{column.name}_max", "MAX"),
            ]
        title = f"{column.name}{unit}"
        yield _lines(column.name, title, level.name, (level.column, grain), values)


def _devices(contract: Contract) -> Iterator[Plain]:
    if contract.column(contract.key[-1]).type != "timestamp":
        return
    names = [c.name for c in contract.columns if c.type != "jsonb"][:MOST_COLUMNS]
    values = [{"FieldId": f"latest.{n}", "Column": _column("latest", n)} for n in names]
    wells = {"TableUnaggregatedFieldWells": {"Values": values}}
    yield _visual("TableVisual", "latest", "Latest reading", {"FieldWells": wells})


def _quality() -> Iterator[Plain]:
    day = ("day", "DAY")
    results = [
        (name, "SUM") for name in ("read", "loaded", "duplicates", "rejected", "quarantined")
    ]
    yield _lines("results", "Readings by result", "quality_daily", day, results)
    yield _bars("reasons", "Rejected readings by reason", "rejects", day, "reason", "readings")
    share = [("reject_share", "AVERAGE")]
    yield _lines("share", "Share of rejected readings", "quality_daily", day, share)
    lags = [("lag_seconds_median", "AVERAGE"), ("lag_seconds_p95", "MAX")]
    yield _lines("lag", "From the device to the table, seconds", "quality_daily", day, lags)


def _lines(
    name: str, title: str, data_set: str, time: tuple[str, str], values: Sequence[tuple[str, str]]
) -> Plain:
    wells = {
        "LineChartAggregatedFieldWells": {
            "Category": [_date(name, data_set, time)],
            "Values": [_measure(name, data_set, column, how) for column, how in values],
        }
    }
    return _visual("LineChartVisual", name, title, {"Type": "LINE", "FieldWells": wells})


def _bars(
    name: str, title: str, data_set: str, time: tuple[str, str], colour: str, value: str
) -> Plain:
    by = {"FieldId": f"{name}.{colour}", "Column": _column(data_set, colour)}
    wells = {
        "BarChartAggregatedFieldWells": {
            "Category": [_date(name, data_set, time)],
            "Colors": [{"CategoricalDimensionField": by}],
            "Values": [_measure(name, data_set, value, "SUM")],
        }
    }
    how = {"Orientation": "VERTICAL", "BarsArrangement": "STACKED", "FieldWells": wells}
    return _visual("BarChartVisual", name, title, how)


def _visual(kind: str, name: str, title: str, configuration: Plain) -> Plain:
    return {
        kind: {
            "VisualId": name,
            "Title": {"Visibility": "VISIBLE", "FormatText": {"PlainText": title}},
            "ChartConfiguration": configuration,
        }
    }


def _date(name: str, data_set: str, time: tuple[str, str]) -> Plain:
    column, grain = time
    return {
        "DateDimensionField": {
            "FieldId": f"{name}.{column}",
            "Column": _column(data_set, column),
            "DateGranularity": grain,
        }
    }


def _measure(name: str, data_set: str, column: str, how: str) -> Plain:
    return {
        "NumericalMeasureField": {
            "FieldId": f"{name}.{column}.{how.lower()}",
            "Column": _column(data_set, column),
            "AggregationFunction": {"SimpleNumericalAggregation": how},
        }
    }


def _column(data_set: str, name: str) -> Plain:
    return {"DataSetIdentifier": data_set, "ColumnName": name}


def _sheet(name: str, title: str, visuals: Sequence[Plain], width: int) -> Plain:
    """A sheet of visuals from left to right, row by row."""
    across = COLUMNS // width
    elements = []
    for place, visual in enumerate(visuals):
        (body,) = visual.values()
        elements.append(
            {
                "ElementId": body["VisualId"],
                "ElementType": "VISUAL",
                "ColumnIndex": place % across * width,
                "ColumnSpan": width,
                "RowIndex": place // across * ROWS,
                "RowSpan": ROWS,
            }
        )
    canvas = {"ScreenCanvasSizeOptions": {"ResizeOption": "RESPONSIVE"}}
    grid = {"GridLayout": {"Elements": elements, "CanvasSizeOptions": canvas}}
    return {
        "SheetId": name,
        "Name": title,
        "ContentType": "INTERACTIVE",
        "Visuals": list(visuals),
        "Layouts": [{"Configuration": grid}],
    }
