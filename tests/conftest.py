"""Fixtures that every suite shares; the servers behind them start on first use."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.fixtures.local",
    "tests.fixtures.aws_fakes",
    "tests.fixtures.telemetry_database",
]

# pytest-xdist tells its workers how wide the terminal is. Tables would keep to that, whatever width
# a test asks for.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)

# On a busy machine an example takes longer than Hypothesis's 200 ms, which says nothing of the code.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")
