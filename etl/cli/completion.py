"""Completion of names in the shell: executions, batches, alarms, functions, metrics, reasons.

The names come from the stack that the command line names so far. A shell waits for them, so each
request fails early, and a failure of any kind completes nothing and prints nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, wraps
from itertools import islice
from typing import TYPE_CHECKING

import typer

from etl.aws.target import Target

if TYPE_CHECKING:
    from botocore.config import Config

__all__ = [
    "complete_alarm",
    "complete_batch",
    "complete_contract",
    "complete_execution",
    "complete_function",
    "complete_metric",
    "complete_output",
    "complete_reason",
    "complete_status",
]

CONNECT_SECONDS, READ_SECONDS = 1, 3
MOST_NAMES = 200
DAYS = 2
"""Days back whose batches are offered."""
Complete = Callable[[typer.Context, str], list[str]]


@dataclass(frozen=True)
class QuickTarget(Target):
    """A target whose requests fail early: a shell waits for the answer."""

    @property
    def _client_config(self) -> Config:
        from botocore.config import Config

        return Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": 1},
        )


@dataclass(frozen=True)
class Stack:
    """The stack that the options before the command name."""

    context: typer.Context

    @cached_property
    def target(self) -> Target:
        """The target. Raises ``LookupError`` where nothing runs on this machine."""
        from etl.cli.context import in_project
        from local.stack import read

        root = self.context.find_root()
        given = root.params
        stack, state = in_project(root.get_parameter_source, given["stack_name"], given["state"])
        if given.get("region") or given.get("profile"):
            return QuickTarget(stack, given["region"], given["profile"], state)
        local = read(state)
        if local is None:
            raise LookupError(state)
        return QuickTarget(stack, local.region, None, state, local)


def _completes(names: Callable[[Stack], Iterable[str]]) -> Complete:
    """Make the completion of names; those that begin like the text typed so far are offered."""

    @wraps(names)
    def complete(context: typer.Context, incomplete: str) -> list[str]:
        try:
            matching = (name for name in names(Stack(context)) if name.startswith(incomplete))
            return list(islice(dict.fromkeys(matching), MOST_NAMES))
        except Exception:  # whatever it is, the person is typing
            return []

    # typer looks up the parameters by their types, and would find those of the function below.
    del complete.__wrapped__
    complete.__annotations__ = {"context": typer.Context, "incomplete": str, "return": list[str]}
    return complete


@_completes
def complete_execution(stack: Stack) -> Iterator[str]:
    """Names of the latest executions, newest first."""
    from etl.operations.executions import latest

    yield from (one.name for one in latest(stack.target, MOST_NAMES))


@_completes
def complete_batch(stack: Stack) -> Iterator[str]:
    """Ids of the batches staged in the last days, newest day first."""
    from etl.aws.s3 import listed
    from telemetry.layout import day_prefix, parse_raw_key

    target, today = stack.target, datetime.now(UTC).date()
    for back in range(DAYS):
        prefix = day_prefix(today - timedelta(days=back))
        for entry in listed(target.client("s3"), target.bucket, prefix):
            raw = parse_raw_key(entry["Key"])
            if raw is not None:
                yield raw.batch_id


@_completes
def complete_alarm(stack: Stack) -> Iterator[str]:
    """Names of the alarms."""
    from etl.operations.alarms import alarms

    yield from (one.short for one in alarms(stack.target))


@_completes
def complete_function(_stack: Stack) -> Iterator[str]:
    """Names of the functions."""
    from functions.inventory import FUNCTIONS

    yield from (spec.name for spec in FUNCTIONS)


@_completes
def complete_metric(stack: Stack) -> Iterator[str]:
    """Names of the metrics."""
    from etl.operations.metrics import all_signals

    yield from (signal.name for signal in all_signals(stack.target))


@_completes
def complete_output(stack: Stack) -> Iterator[str]:
    """Names of the stack's outputs."""
    yield from sorted(stack.target.outputs)


@_completes
def complete_reason(stack: Stack) -> Iterator[str]:
    """Reasons of rejects: each kind, and each with the columns of the contract."""
    from telemetry.contract.contract_set import NO_CONTRACT
    from telemetry.metric_table import REASONS

    yield from REASONS
    yield NO_CONTRACT
    names = (column.name for contract in stack.target.contracts for column in contract.columns)
    columns = list(dict.fromkeys(names))
    yield from (f"{kind}:{name}" for kind in REASONS for name in columns)


@_completes
def complete_contract(stack: Stack) -> Iterator[str]:
    """Names of the contracts in force."""
    from etl.aws.contract_objects import further_names

    yield stack.target.outputs["ContractName"]
    yield from further_names(stack.target.outputs)


@_completes
def complete_status(_stack: Stack) -> Iterator[str]:
    """Statuses of executions."""
    from etl.operations.execution_search import STATUSES

    yield from (status.lower() for status in STATUSES)
