"""docs/metrics.md says what the code declares."""

from __future__ import annotations

import os

import pytest

from etl.reference.metrics import PAGE, filled
from infrastructure.core.alarms import ALARMS
from telemetry.metric_table import METRICS, NAMESPACE


def test_the_page_is_what_the_code_declares_now():
    text = PAGE.read_text(encoding="utf-8")
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(filled(text), encoding="utf-8")
    assert filled(PAGE.read_text(encoding="utf-8")) == PAGE.read_text(encoding="utf-8"), (
        "docs/metrics.md is not what the code declares. Write it with "
        "`python -m etl.reference.metrics`."
    )


def test_every_metric_and_alarm_is_on_it():
    text = PAGE.read_text(encoding="utf-8")
    assert f"`{NAMESPACE}`" in text
    for name in METRICS:
        assert f"| `{name}` |" in text
    for spec in ALARMS:
        assert f"[`{spec.name}`](runbook.md#{spec.name})" in text


def test_every_alarm_has_a_parameter_and_a_default_on_it():
    rows = [line.split(" | ") for line in PAGE.read_text().splitlines() if "runbook.md#" in line]
    rows = [row for row in rows if len(row) == 4]
    assert len(rows) == len(ALARMS)
    for row in rows:
        assert row[2].isdigit() or row[2] == "off", row
        assert row[3].startswith("`Alarm"), row


def test_a_marker_that_nobody_knows_is_noticed():
    with pytest.raises(KeyError):
        filled("<!-- begin nonsense -->\n<!-- end nonsense -->")
