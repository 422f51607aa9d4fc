"""The checks in their order: before a deployment, and after it."""

from __future__ import annotations

from collections.abc import Iterator

from etl.doctor.account import check_credentials, check_quotas, check_region
from etl.doctor.alarm_route import check_alarm_route
from etl.doctor.check_result import CheckResult, not_checked
from etl.doctor.database import check_certificate, check_login
from etl.doctor.deployed_functions import check_deployed_functions
from etl.doctor.deployment import (
    check_build,
    check_change_set,
    check_definition,
    check_settings,
)
from etl.doctor.examination import Examination, Section, run_sections
from etl.doctor.function_roles import check_roles
from etl.doctor.permissions import check_permissions
from etl.doctor.pipeline import check_canary
from layers.notify import Notify, silent

__all__ = ["AFTER", "BEFORE", "examine"]

FIRST = Section("credentials", check_credentials)
"""Where this fails, nothing else can be asked."""
BEFORE = (
    Section("settings", check_settings),
    Section("region", check_region),
    Section("quotas", check_quotas),
    Section("permissions", check_permissions),
    Section("layers", check_build),
    Section("state machine", check_definition),
    Section("change set", check_change_set),
    Section("database certificate", check_certificate),
)
AFTER = (
    Section("deployed functions", check_deployed_functions),
    Section("functions' roles", check_roles),
    Section("database login", check_login),
    Section("canary", check_canary),
    Section("alarms", check_alarm_route),
)


def examine(examination: Examination, notify: Notify = silent) -> Iterator[CheckResult]:
    """Yield the result of every check; those of a deployed pipeline only where there is one.

    ``notify`` receives the name of each section as it begins.
    """
    known = False
    for result in run_sections(examination, (FIRST,), notify):
        known = "caller" in vars(examination)
        yield result
    if not known:
        return
    yield from run_sections(examination, BEFORE, notify)
    after = Section("pipeline", lambda given: _after(given, notify))
    yield from run_sections(examination, (after,), notify)


def _after(examination: Examination, notify: Notify) -> Iterator[CheckResult]:
    if examination.deployed:
        yield from run_sections(examination, AFTER, notify)
    else:
        yield not_checked(
            "pipeline",
            f"there is no stack {examination.target.stack} yet",
            "run `etl doctor` again after `etl deploy`",
        )
