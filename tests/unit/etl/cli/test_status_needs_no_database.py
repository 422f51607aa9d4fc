"""``etl status`` shows queues and executions while the database is away."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest

from etl.cli import stack
from etl.operations import reconciliation


@pytest.mark.parametrize("away", [True, False])
def test_the_verdict_is_shown_if_it_is_known(monkeypatch: pytest.MonkeyPatch, away: bool) -> None:
    def gather(_target: Any) -> Any:
        if away:
            raise psycopg2.OperationalError("connection refused")
        return reconciliation.Reconciliation()

    monkeypatch.setattr(reconciliation, "gather", gather)
    target: Any = SimpleNamespace()
    expected = "not known: the database" if away else "balanced: every reading"
    assert stack._verdict(target).startswith(expected)
