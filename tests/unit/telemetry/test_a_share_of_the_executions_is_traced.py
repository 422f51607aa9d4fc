"""Who starts an execution decides about its trace, the same for the same name."""

from __future__ import annotations

import re

import pytest

from telemetry.metric_table import LEVELS
from telemetry.tracing import TRACE_SHARES, start_options


def test_at_full_aws_decides(monkeypatch):
    monkeypatch.delenv("OBSERVABILITY", raising=False)
    assert start_options("esm-1") == {}
    monkeypatch.setenv("OBSERVABILITY", "full")
    assert start_options("esm-1") == {}


@pytest.mark.parametrize("level", [level for level in LEVELS if level != "full"])
def test_below_full_a_share_is_sampled(monkeypatch, level):
    monkeypatch.setenv("OBSERVABILITY", level)
    headers = [start_options(f"esm-{number}")["traceHeader"] for number in range(20_000)]
    assert all(re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Sampled=[01]", h) for h in headers)
    share = sum(header.endswith("1") for header in headers) / len(headers)
    assert share == pytest.approx(TRACE_SHARES[level], rel=0.1)


def test_a_repeated_start_decides_the_same(monkeypatch):
    monkeypatch.setenv("OBSERVABILITY", "lean")
    for number in range(100):
        decided = {start_options(f"esm-{number}")["traceHeader"][-1] for _ in range(3)}
        assert len(decided) == 1
