"""A deployed pipeline has the alarms of its level, and changes with the setting."""

from __future__ import annotations

import pytest

from etl.operations.alarms import alarm, alarms
from etl.operations.batch_selection import NotFoundError
from etl.operations.metrics import all_signals
from etl.operations.observability import deployed_level
from infrastructure.core.alarms import ALARMS
from infrastructure.core.levels import counts
from telemetry.metric_table import Level, covers
from tests.integration.etl.deployment.conftest import Account

STACK = "observed"


def names(level: Level) -> set[str]:
    return {s.name for s in ALARMS if covers(level, s.level) and not s.is_optional}


def test_a_pipeline_goes_from_level_to_level(account: Account) -> None:
    cloudwatch = account.client("cloudwatch")
    for level in ("lean", "full", "standard"):
        account.deploy(stack=STACK, trigger_mode="schedule", observability=level)
        target = account.target(STACK)
        assert deployed_level(target) == level
        assert {one.short for one in alarms(target)} == names(level)
        dashboards = cloudwatch.list_dashboards(DashboardNamePrefix=STACK)["DashboardEntries"]
        assert len(dashboards) == counts(level).dashboards
        for function in ("stage", "load"):
            found = account.client("lambda").get_function_configuration(
                FunctionName=f"{STACK}-{function}"
            )
            assert found["Environment"]["Variables"]["OBSERVABILITY"] == level
        assert len({signal.name for signal in all_signals(target)}) > counts("full").metrics
    with pytest.raises(NotFoundError, match=r"operation\.observability = full"):
        alarm(target, "load-slow")
