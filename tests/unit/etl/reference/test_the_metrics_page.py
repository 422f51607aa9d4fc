"""docs/metrics.md lists every metric and alarm."""

from __future__ import annotations

import pytest

from etl.reference.metrics import PAGE, fill_in
from infrastructure.core.alarms import ALARMS
from telemetry.metric_table import METRICS, NAMESPACE


def test_every_metric_and_alarm_is_on_it():
    text = PAGE.read_text(encoding="utf-8")
    assert f"`{NAMESPACE}`" in text
    for name in METRICS:
        assert f"| `{name}` |" in text
    for spec in ALARMS:
        assert f"[`{spec.name}`](runbook.md#{spec.name})" in text


FIXED = {
    "messages-unreadable",  # one is a bug
    "rollup-refresh",  # so is a refresh that always fails
    "rule-error-action",  # each of these is a lost message
    "rule-throttled",
    "rule-not-found",
    "publishes-throttled",
}
"""Alarms that fire at one event, whatever the settings."""


def test_every_other_alarm_has_a_parameter_and_a_default():
    rows = [line.split(" | ") for line in PAGE.read_text().splitlines() if "runbook.md#" in line]
    rows = [row for row in rows if len(row) == 4]
    assert len(rows) == len(ALARMS)
    for row in rows:
        assert row[2].isdigit() or row[2] == "off", row
        fixed = any(f"#{name})" in row[0] for name in FIXED)
        assert row[3] == " |" if fixed else row[3].startswith("`Alarm"), row


def test_an_unknown_marker_is_an_error():
    with pytest.raises(KeyError):
        fill_in("<!-- begin nonsense -->\n<!-- end nonsense -->")
