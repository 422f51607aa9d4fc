"""What a deployment would do to the table: the contract in force against the one to come."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etl.authoring.diff import Change, diff
from etl.aws.target import CONTRACT_KEY
from telemetry.contract import Contract, load_contract, parse_contract
from telemetry.ddl import plan_table, qualified
from telemetry.errors import ContractError

__all__ = ["ContractReview", "review_contract"]


@dataclass(frozen=True, kw_only=True)
class ContractReview:
    """Changes of the contract, and the SQL that they come to."""

    name: str
    table: str
    """Quoted and qualified, as SQL has it."""
    first: bool
    """Whether no contract is in force yet."""
    changes: list[Change] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    """What the migration will run on the table."""
    refused: str = ""
    """Why the migration will refuse, and what a person must run; empty where it runs it all."""
    unknown: str = ""
    """Why the contract in force could not be read; empty where it could."""


def review_contract(s3: Any, outputs: dict[str, str], contract: Path) -> ContractReview:
    """``outputs``: of the stack that is there, empty where none is. Raises ``ContractError``."""
    new = load_contract(contract)
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
    found = diff(old, new)
    return ContractReview(
        name=new.name,
        table=qualified(new),
        first=False,
        changes=found.changes,
        statements=found.statements,
        refused=found.refused,
    )


def _in_force(s3: Any, bucket: str) -> Contract | None:
    """The contract that the last deployment left, after its migration."""
    from botocore.exceptions import ClientError

    try:
        body = s3.get_object(Bucket=bucket, Key=CONTRACT_KEY)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise ContractError(
            f"The contract in force can't be read ({error.response['Error']['Code']})."
        ) from error
    return parse_contract(body, f"s3://{bucket}/{CONTRACT_KEY}")


def _first(new: Contract, unknown: str = "") -> ContractReview:
    return ContractReview(
        name=new.name,
        table=qualified(new),
        first=True,
        statements=plan_table(new, None),
        unknown=unknown,
    )
