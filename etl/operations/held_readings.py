"""Describes what the stacks of this machine hold, before it is deleted or left to wait."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etl.operations.plurals import counted
from etl.operations.reconciliation import gather

if TYPE_CHECKING:
    from etl.aws.target import Target

__all__ = ["HeldReadings", "held_readings"]


@dataclass(frozen=True)
class HeldReadings:
    """Contents of one stack."""

    stack: str
    rows: int = 0
    table: str = ""
    unsettled: tuple[str, ...] = ()
    """Messages and batches that are not rows yet, or need attention, each as a sentence."""
    unknown: str = ""
    """The reason for which the contents can't be known; empty where they are."""

    def sentences(self) -> list[str]:
        """Each thing that would go, in words."""
        if self.unknown:
            return [f"stack {self.stack}: what it holds is not known ({self.unknown})"]
        rows = f"{counted(self.rows, 'row')} in {self.table}" if self.rows else "no rows"
        return [f"stack {self.stack}: {rows}", *(f"  {one}" for one in self.unsettled)]


def held_readings(target: Target) -> Iterator[HeldReadings]:
    """Describe each pipeline in the account of this target."""
    pages = target.client("cloudformation").get_paginator("describe_stacks").paginate()
    for stack in (one for page in pages for one in page["Stacks"]):
        outputs = {one["OutputKey"] for one in stack.get("Outputs", [])}
        if {"StateMachineArn", "QueueUrl"} <= outputs:
            yield _held_by(replace(target, stack=stack["StackName"]))


def _held_by(target: Target) -> HeldReadings:
    import psycopg2
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = gather(target)
        reasons = tuple(reason.sentence for reason in found.verdict.reasons)
        tables = ", ".join(contract.table for contract in target.contracts)
        return HeldReadings(target.stack, found.rows, tables, reasons)
    except (psycopg2.Error, BotoCoreError, ClientError) as error:
        return HeldReadings(target.stack, unknown=" ".join(str(error).split()))
