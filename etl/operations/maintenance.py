"""Runs the maintenance of the table's partitions, which the schedule runs once a day."""

from __future__ import annotations

from typing import Any

from etl.aws.invocation import FunctionFailedError, invoke
from etl.aws.target import Target
from etl.operations.contract_choice import named_event
from infrastructure.core.maintenance import EVENT
from telemetry.errors import UserError

__all__ = ["MaintenanceError", "run_maintenance"]


class MaintenanceError(UserError):
    """Raised where the function fails; the message has its error."""


def run_maintenance(target: Target, contract: str | None = None) -> dict[str, Any]:
    """Invoke the migrate function once; returns what it made, dropped and kept.

    ``contract``: the name of the only one whose table is maintained; without it, all are.
    The result is that of ``functions.migrate.retention.Maintenance.as_dict``. Loads and queries
    are not blocked. Raises :class:`MaintenanceError` and ``ContractError``.
    """
    event = EVENT if contract is None else {**EVENT, **named_event(target, contract)}
    try:
        return invoke(target.invoking_client(), target.outputs["MigrateFunctionName"], event)
    except FunctionFailedError as error:
        raise MaintenanceError(str(error)) from error
