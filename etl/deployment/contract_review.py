"""Compares the contract in force with the new one: what a deployment would do to the table."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from etl.authoring.diff import Change, diff
from etl.aws.contract_objects import deployed_contract
from telemetry.contract import Contract, load_contract
from telemetry.ddl import horizon, plan_table, qualified
from telemetry.errors import ContractError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = ["ContractReview", "retention_remarks", "review_contract"]


@dataclass(frozen=True, kw_only=True)
class ContractReview:
    """Changes of the contract, and the SQL that they need."""

    name: str
    table: str
    """Quoted and qualified, as in SQL."""
    first: bool
    """True where no contract is in force yet."""
    changes: list[Change] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    """SQL that the migration will run on the table."""
    refused: str = ""
    """Reason for which the migration will stop, and the statements that an operator must run; empty
    where the migration runs everything."""
    remarks: list[str] = field(default_factory=list)
    """Sentences about the rows that the maintenance will drop."""
    unknown: str = ""
    """Reason for which the contract in force could not be read; empty where it could."""


def review_contract(s3: S3Client, outputs: dict[str, str], contract: Path) -> ContractReview:
    """Review a contract against the one in force.

    ``outputs``: those of the deployed stack, empty where there is none. Raises ``ContractError``.
    """
    new = load_contract(contract)
    return replace(_review(s3, outputs, new), remarks=retention_remarks(new, datetime.now(UTC)))


def retention_remarks(contract: Contract, now: datetime) -> list[str]:
    """Say which rows the maintenance after the deployment drops, and when the next ones go."""
    limit = horizon(contract, now)
    if limit is None or contract.retention_days is None:
        return []
    unit = "day" if contract.partition == "day" else "month"
    days = contract.retention_days
    return [
        f"table {qualified(contract)}: rows stay for {days} days. Once a day the maintenance drops "
        f"each {unit} that is over for as long: the first time all rows before {limit:%Y-%m-%d} "
        "(UTC), also late ones, unless S3 lacks one of their batches. `etl table show` lists them."
    ]


def _review(s3: S3Client, outputs: dict[str, str], new: Contract) -> ContractReview:
    if "DataBucketName" not in outputs:
        return _first(new)
    try:
        old = _in_force(s3, outputs["DataBucketName"])
    except ContractError as error:
        return _first(new, unknown=str(error))
    if old is None:
        return _first(new)
    if old.digest == new.digest:
        return ContractReview(name=new.name, table=qualified(new), first=False)
    difference = diff(old, new)
    return ContractReview(
        name=new.name,
        table=qualified(new),
        first=False,
        changes=difference.changes,
        statements=difference.statements,
        refused=difference.refused,
    )


def _in_force(s3: S3Client, bucket: str) -> Contract | None:
    """Return the contract that the last deployment put into force, ``None`` where none is."""
    from botocore.exceptions import ClientError

    try:
        return deployed_contract(s3, bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise ContractError(
            f"The contract in force can't be read ({error.response['Error']['Code']})."
        ) from error


def _first(new: Contract, unknown: str = "") -> ContractReview:
    return ContractReview(
        name=new.name,
        table=qualified(new),
        first=True,
        statements=plan_table(new, None),
        unknown=unknown,
    )
