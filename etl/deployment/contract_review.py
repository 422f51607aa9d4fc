"""Compares the contracts in force with the new ones: what a deployment would do to the tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl.authoring.diff import Change, diff
from etl.aws.contract_objects import contracts_in_force, further_names
from etl.deployment.pipeline_contracts import check_first
from telemetry.contract import Contract, ContractSet
from telemetry.ddl import horizon, plan_table, qualified
from telemetry.errors import ContractError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = [
    "ContractReview",
    "ContractReviews",
    "RemovedContract",
    "retention_remarks",
    "review_contracts",
]


@dataclass(frozen=True, kw_only=True)
class ContractReview:
    """Changes of the contract, and the SQL that they need."""

    name: str
    table: str
    """Quoted and qualified, as in SQL."""
    first: bool
    """True where no contract of this name is in force yet."""
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


@dataclass(frozen=True, kw_only=True)
class RemovedContract:
    """A contract in force that the pipeline will not have any more."""

    name: str
    table: str
    """Quoted and qualified, as in SQL."""
    read_by: str = ""
    """Name of the contract that its messages are read by then, where it was the first one; empty:
    they become rejects."""

    @property
    def remark(self) -> str:
        """Sentences about its table and its messages."""
        waiting = (
            "Its messages that wait become rejects with the reason no_contract, kept verbatim: a "
            "replay of their batches loads them once the contract is listed again."
        )
        if self.read_by:
            waiting = (
                "As it was the first one, messages in the queue and keys in S3 don't name it: "
                f"messages that wait, and those of a replay, are read by {self.read_by}."
            )
        return (
            f"contract {self.name} is removed: table {self.table} and its views stay as they are, "
            f"without maintenance, and no more messages of its topics are received. {waiting}"
        )


@dataclass(frozen=True, kw_only=True)
class ContractReviews:
    """The review of each contract of a pipeline, and the contracts that it loses."""

    first: ContractReview
    further: list[ContractReview] = field(default_factory=list)
    removed: list[RemovedContract] = field(default_factory=list)


def review_contracts(
    s3: S3Client, outputs: dict[str, str], contracts: ContractSet, *, replace_first: bool = False
) -> ContractReviews:
    """Review the contracts against those in force.

    ``outputs``: those of the deployed stack, empty where there is none. Raises ``ContractError``
    where the first contract would move behind another one, or a further one would take its place
    without ``replace_first``.
    """
    running, unknown = None, ""
    try:
        running = _in_force(s3, outputs)
    except ContractError as error:
        unknown = str(error)
    if running is not None:
        check_first(running, contracts, replace_first=replace_first)
    pairs = _pairs(running, contracts)
    first, *further = (
        _with_remark(_review(old, new, unknown), _renamed(running, contracts, old, new))
        for new, old in pairs
    )
    kept = {old.name for _, old in pairs if old is not None}
    return ContractReviews(
        first=first, further=further, removed=list(_removed(running, contracts, kept))
    )


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


def _pairs(
    running: ContractSet | None, contracts: ContractSet
) -> list[tuple[Contract, Contract | None]]:
    """Each contract with the one in force that it replaces: of its name, else of its table.

    Where there is one before and after, that is the one.
    """
    old = [] if running is None else list(running)
    if len(old) == len(contracts) == 1:
        return [(contracts.first, old[0])]
    by_name = {one.name: one for one in old}
    renamed = {(one.schema, one.table): one for one in old if one.name not in contracts.names}
    return [
        (one, by_name.get(one.name) or renamed.get((one.schema, one.table))) for one in contracts
    ]


def _renamed(
    running: ContractSet | None, contracts: ContractSet, old: Contract | None, new: Contract
) -> str:
    """Sentences about a contract that gets another name and keeps its table; empty where it keeps
    its name, and for a pipeline that had one contract and has one."""
    if running is None or old is None or old.name == new.name:
        return ""
    if len(running) == len(contracts) == 1:
        return ""
    waiting = (
        f"Messages of {old.name} that wait become rejects with the reason no_contract, and its "
        "batches are not loaded again"
    )
    if old.name == running.first.name:
        waiting = f"Messages that wait, and those of a replay, are read by {contracts.first.name}"
    return (
        f"contract {old.name} becomes {new.name} and keeps the table {qualified(new)}. {waiting}. "
        f"`etl reconcile` does not balance any more: the rows that {old.name} has loaded are not "
        f"those of {new.name}. A contract that keeps its name has none of this."
    )


def _with_remark(review: ContractReview, remark: str) -> ContractReview:
    return replace(review, remarks=[remark, *review.remarks]) if remark else review


def _removed(
    running: ContractSet | None, contracts: ContractSet, kept: set[str]
) -> Iterator[RemovedContract]:
    for one in running or ():
        if one.name not in kept:
            was_first = running is not None and one.name == running.first.name
            read_by = contracts.first.name if was_first else ""
            yield RemovedContract(name=one.name, table=qualified(one), read_by=read_by)


def _review(old: Contract | None, new: Contract, unknown: str) -> ContractReview:
    review = _new(new, unknown) if old is None else _changed(old, new)
    return replace(review, remarks=retention_remarks(new, datetime.now(UTC)))


def _changed(old: Contract, new: Contract) -> ContractReview:
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


def _in_force(s3: S3Client, outputs: dict[str, str]) -> ContractSet | None:
    """Return the contracts that the last deployment put into force, ``None`` where none is."""
    from botocore.exceptions import ClientError

    if "DataBucketName" not in outputs:
        return None
    try:
        return contracts_in_force(s3, outputs["DataBucketName"], further_names(outputs))
    except ClientError as error:
        raise ContractError(
            f"The contract in force can't be read ({error.response['Error']['Code']})."
        ) from error


def _new(new: Contract, unknown: str = "") -> ContractReview:
    return ContractReview(
        name=new.name,
        table=qualified(new),
        first=True,
        statements=plan_table(new, None),
        unknown=unknown,
    )
