"""The plan of a deployment: an operator reviews it, a script reads it, and it is executed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from etl.deployment.contract_review import ContractReview
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
    uploads: list[Upload]
    remarks: list[str] = field(default_factory=list)

    @property
    def changes(self) -> bool:
        """True where anything would change; a migration with nothing to do doesn't count."""
        new_table = self.contract.first and not self.contract.unknown
        return bool(
            new_table or self.contract.changes or any(review.changes for review in self.stacks)
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
        return {
            **asdict(self),
            "stacks": [review.as_dict() for review in self.stacks],
            "changes": self.changes,
            "losses": self.losses,
        }
