"""A deployment's plan: what a person reviews, a script reads, and the executor carries out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from etl.deployment.contract_review import ContractReview
from etl.deployment.stack_diff import StackReview
from etl.deployment.steps import Step

__all__ = ["CHANGES", "LOSES", "UNCHANGED", "DeployPlan", "Upload"]

UNCHANGED, CHANGES, LOSES = 0, 10, 11
"""Exit statuses of ``etl plan --detailed-exit-code``; 1 is an error, 2 a mistake in the command."""


@dataclass(frozen=True)
class Upload:
    """A zip that the artifact bucket lacks."""

    key: str
    size: int
    """Bytes."""


@dataclass(frozen=True, kw_only=True)
class DeployPlan:
    """Everything that would happen."""

    stack: str
    region: str
    local: bool
    """Whether it is about this machine's stand-ins."""
    steps: list[Step]
    stacks: list[StackReview]
    """In the order in which they are changed."""
    contract: ContractReview
    uploads: list[Upload]
    remarks: list[str] = field(default_factory=list)

    @property
    def changes(self) -> bool:
        """Whether anything would change; a migration that finds all in place doesn't count."""
        new_table = self.contract.first and not self.contract.unknown
        return bool(new_table or self.contract.changes or any(one.changes for one in self.stacks))

    @property
    def losses(self) -> list[str]:
        """Sentences about what would be lost."""
        return list(self._losses())

    def _losses(self) -> Iterator[str]:
        for review in self.stacks:
            yield from review.losses

    @property
    def exit_code(self) -> int:
        """What ``--detailed-exit-code`` ends with."""
        if not self.changes:
            return UNCHANGED
        return LOSES if self.losses else CHANGES

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return {
            **asdict(self),
            "stacks": [review.as_dict() for review in self.stacks],
            "changes": self.changes,
            "losses": self.losses,
        }
