"""The result of one check: what was found, and what to do about it. Pure data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["CheckResult", "Status", "any_failed", "failed", "not_checked", "passed"]

Status = Literal["pass", "fail", "not checked"]


@dataclass(frozen=True)
class CheckResult:
    """One line of the doctor's report."""

    name: str
    """The subject of the check in a few words, such as ``database certificate``."""
    status: Status
    finding: str
    """A sentence without a full stop."""
    remedy: str = ""
    """The next step, where there is one; never empty for ``fail``."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)


def passed(name: str, finding: str, remedy: str = "") -> CheckResult:
    """Return the result of a check that found what it should."""
    return CheckResult(name, "pass", finding, remedy)


def failed(name: str, finding: str, remedy: str) -> CheckResult:
    """Return the result of a check that found something to fix."""
    return CheckResult(name, "fail", finding, remedy)


def not_checked(name: str, finding: str, remedy: str = "") -> CheckResult:
    """Return the result of a check that could not be made, with the reason."""
    return CheckResult(name, "not checked", finding, remedy)


def any_failed(results: Iterable[CheckResult]) -> bool:
    """Return true where a check failed; one that could not be made did not fail."""
    return any(result.status == "fail" for result in results)
