"""The plan of a deployment: an operator reviews it, a script reads it, and it is executed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from etl.deployment.contract_review import ContractReview, RemovedContract
from etl.deployment.stack_diff import StackReview
from etl.deployment.steps import Step

__all__ = ["CHANGES", "LOSES", "UNCHANGED", "DeployPlan", "Upload"]

UNCHANGED, CHANGES, LOSES = 0, 10, 11
"""Exit statuses of ``etl plan --detailed-exit-code``; 1 is an error, 2 a wrong option."""


@dataclass(frozen=True)
class Upload:
    """A zip that the artifact bucket lacks."""

    key: str
    size: int
    """Bytes."""


@dataclass(frozen=True, kw_only=True)
class DeployPlan:
    """Everything that a deployment would do."""

    stack: str
    region: str
    local: bool
    """True for this machine's stand-ins."""
    steps: list[Step]
    stacks: list[StackReview]
    """Reviews in the order in which the stacks are changed."""
    contract: ContractReview
    """Review of the first contract."""
    uploads: list[Upload]
    remarks: list[str] = field(default_factory=list)
    further_contracts: list[ContractReview] = field(default_factory=list)
    removed_contracts: list[RemovedContract] = field(default_factory=list)

    @property
    def contracts(self) -> list[ContractReview]:
        """Reviews of all contracts, the first one's first."""
        return [self.contract, *self.further_contracts]

    @property
    def refused(self) -> list[ContractReview]:
        """Reviews of the contracts that the migration can't apply."""
        return [review for review in self.contracts if review.refused]

    @property
    def changes(self) -> bool:
        """True where anything would change; a migration with nothing to do doesn't count."""
        contracts = any(one.changes or (one.first and not one.unknown) for one in self.contracts)
        return bool(
            contracts or self.removed_contracts or any(review.changes for review in self.stacks)
        )

    @property
    def losses(self) -> list[str]:
        """Sentences about the data that would be lost."""
        return list(self._losses())

    def _losses(self) -> Iterator[str]:
        for review in self.stacks:
            yield from review.losses

    @property
    def exit_code(self) -> int:
        """Exit status for ``--detailed-exit-code``."""
        if not self.changes:
            return UNCHANGED
        return LOSES if self.losses else CHANGES

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, for ``--json``."""
        plain = asdict(self)
        for key in ("further_contracts", "removed_contracts"):
            if not plain[key]:
                del plain[key]
        return {
            **plain,
            "stacks": [review.as_dict() for review in self.stacks],
            "changes": self.changes,
            "losses": self.losses,
        }
