"""Objects for analysts beside the table: views, exact rollups, and a role that only reads.

::

    load ──▶ rows, and marks: "this device, this hour"        one transaction
                  │
    refresh ──────┴──▶ kept figures of the marked spans, marks deleted       another, later
                  │
    reader ◀──────┴─── kept figures where there is no mark, else those of the rows themselves

A span without a mark has its figures in the kept table; one with a mark is computed from its rows
when it is asked for. So a view equals the aggregate of the table at any moment and in any snapshot,
whether or not anything has been refreshed. Marks are only ever added by loads, each its own, so no
load waits for another or for a refresh.

A writer that doesn't set ``telemetry.marks``, as Load does, leaves a mark without a span, which
stands for all of them: until the next refresh rollups are slow to read, and still right.
"""

from __future__ import annotations

from telemetry.ddl.analytics.figures import Shown, average, scaled_sum, shown_of
from telemetry.ddl.analytics.levels import levels_of, service_name
from telemetry.ddl.analytics.objects import (
    AnalyticsPlan,
    ExistingAnalytics,
    keeper_names,
    plan_analytics,
    view_names,
)
from telemetry.ddl.analytics.refreshing import SETTING, mark_columns
from telemetry.ddl.analytics.role import (
    ANALYST_CONNECTIONS,
    LONGEST_READ_SECONDS,
    plan_analyst_grants,
    plan_marker_grants,
)
from telemetry.ddl.analytics.spans import kept_name, marks_name
from telemetry.ddl.analytics.views import AHEAD

__all__ = [
    "AHEAD",
    "ANALYST_CONNECTIONS",
    "LONGEST_READ_SECONDS",
    "SETTING",
    "AnalyticsPlan",
    "ExistingAnalytics",
    "Shown",
    "average",
    "keeper_names",
    "kept_name",
    "levels_of",
    "mark_columns",
    "marks_name",
    "plan_analyst_grants",
    "plan_analytics",
    "plan_marker_grants",
    "scaled_sum",
    "service_name",
    "shown_of",
    "view_names",
]
