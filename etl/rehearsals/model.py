"""The parts of a rehearsal: what is broken, what shows it, what repairs it, what undoes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from etl.rehearsals.scene import Scene

__all__ = ["Expected", "Rehearsal", "RehearsalError", "Step"]


class RehearsalError(UserError):
    """Raised when a rehearsal can't be made here, shows no symptom, or ends with a wrong count."""


@dataclass(frozen=True)
class Step:
    """One command for the operator, and the same as a function, for ``--repair``."""

    command: str
    """The command as it is typed in a shell."""
    act: Callable[[], object]


@dataclass(frozen=True)
class Expected:
    """Readings of a rehearsal, by what they must be once it is repaired."""

    rows: int
    rejected: int = 0

    @property
    def readings(self) -> int:
        """Number of readings published."""
        return self.rows + self.rejected


class Rehearsal:
    """One failure. An object serves one run; :meth:`restore` and :meth:`undo` may be called twice,
    and for a run that was killed."""

    name: str
    """The argument of ``etl game-day run``."""
    sentence: str
    """The failure, as a sentence."""
    advice: str
    """One or two sentences: how the operator tells this failure from others, and what helps."""

    def unavailable(self) -> str:
        """Say why this machine can't rehearse it; empty where it can."""
        return ""

    def provoke(self, scene: Scene) -> Expected:
        """Break something and publish readings; return what must become of them."""
        raise NotImplementedError

    def await_symptom(self, scene: Scene) -> None:
        """Return once the failure shows. Raises :class:`RehearsalError` where it never does."""
        raise NotImplementedError

    def looks(self, scene: Scene) -> Sequence[Step]:
        """Commands that show the failure."""
        raise NotImplementedError

    def repairs(self, scene: Scene) -> Sequence[Step]:
        """Commands that repair it, in their order."""
        raise NotImplementedError

    def restore(self, state: Path) -> None:
        """Put files back that the servers need to start. Called while none may run."""

    def undo(self, scene: Scene) -> None:
        """Undo the fault where the repair has not, so that the next rehearsal starts afresh."""
