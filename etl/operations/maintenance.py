"""Runs the maintenance of the table's partitions, which the schedule runs once a day."""

from __future__ import annotations

from typing import Any

from etl.aws.invocation import FunctionFailedError, invoke
from etl.aws.target import Target
from infrastructure.core.maintenance import EVENT
from telemetry.errors import UserError

__all__ = ["MaintenanceError", "run_maintenance"]


class MaintenanceError(UserError):
    """Raised where the function fails; the message has its error."""


def run_maintenance(target: Target) -> dict[str, Any]:
    """Invoke the migrate function once; returns what it made, dropped and kept.

    The result is that of ``functions.migrate.retention.Maintenance.as_dict``. Loads and queries
    are not blocked. Raises :class:`MaintenanceError`.
    """
    try:
        return invoke(target.invoking_client(), target.outputs["MigrateFunctionName"], EVENT)
    except FunctionFailedError as error:
        raise MaintenanceError(str(error)) from error
