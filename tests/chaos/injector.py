"""Writes plans for ``preload.py``, and reads what has fired."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.faults import Fault, Plan, Point

__all__ = ["Fired", "Injector"]

_PRELOAD = Path(__file__).with_name("preload.py")
_FOLDERS = ("plans", "plan-of", "bound", "fired", "asked", "answered")


@dataclass(frozen=True)
class Fired:
    """A fault that happened."""

    number: str
    fault: Fault
    subject: str
    """``batch <id>``, ``execution <name>`` or ``messages <hash>``."""
    time: float


class Injector:
    """The folder that the function processes look into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in _FOLDERS:
            (folder / name).mkdir(parents=True)
        self.preload = folder / "preload.py"
        shutil.copyfile(_PRELOAD, self.preload)
        self._numbers = itertools.count(1)
        self._planned: dict[str, Fault] = {}
        self._files: dict[str, Path] = {}

    def plan(self, plans: Iterable[Plan]) -> None:
        """Have these happen, each once, to whoever comes first."""
        for plan in plans:
            number = f"{next(self._numbers):05d}"
            for part, fault in zip("ab", plan.faults, strict=False):
                name = f"{number}-{part if plan.is_bound else part + 'free'}"
                where = self.folder / "plans" / fault.point.function
                file = where / fault.point.name.replace("/", "|") / f"{name}.{fault.kind}"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
                self._planned[name], self._files[name] = fault, file

    def waiting(self) -> dict[str, Fault]:
        """Planned and not fired yet."""
        return {n: fault for n, fault in self._planned.items() if self._files[n].exists()}

    def fired(self) -> list[Fired]:
        """All that has happened so far, in order."""
        found = []
        for file in (self.folder / "fired").glob("*.json"):
            told = json.loads(file.read_text())
            fault = Fault(Point(told["function"], told["point"]), told["kind"])
            assert fault == self._planned[told["id"]]
            found.append(Fired(told["id"], fault, told["subject"], told["time"]))
        return sorted(found, key=lambda one: one.time)

    def withdraw(self) -> list[Fault]:
        """Take back what has not fired; such plans count for nothing."""
        left = self.waiting()
        for name in left:
            self._files[name].unlink(missing_ok=True)
        return list(left.values())
