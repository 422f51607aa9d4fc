"""Fixtures that every suite shares; the servers behind them start on first use."""

from __future__ import annotations

pytest_plugins = [
    "tests.fixtures.local",
    "tests.fixtures.aws_fakes",
    "tests.fixtures.telemetry_database",
]
