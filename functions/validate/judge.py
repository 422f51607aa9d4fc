"""The quality gate: is a batch as a whole what the contract expects? Pure.

Single readings were judged by Transform. Here it is about the set: a batch of which half was
rejected is more likely a changed firmware or a wrong contract than half a fleet gone bad, and is
better looked at by a person before it reaches the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from telemetry.contract import Checks

__all__ = ["Finding", "Verdict", "judge"]

Verdict = Literal["pass", "warn", "quarantine"]
Level = Literal["warn", "quarantine"]


@dataclass(frozen=True)
class Finding:
    """One expectation that a batch did not meet."""

    check: str
    level: Level
    measured: float
    """What the batch has: a share (0..1), rounded to six digits."""
    limit: float
    sentence: str
    """The same, for a person."""

    def as_dict(self) -> dict[str, Any]:
        """As it stands in the report."""
        return asdict(self)


def judge(report: dict[str, Any], checks: Checks) -> tuple[Verdict, list[Finding]]:
    """The verdict on a batch, which is that of its worst finding, and all findings.

    ``report`` is Transform's. A batch of less than ``checks.min_readings`` readings is at most
    warned about: shares of so few say nothing.
    """
    findings = [*_rejects(report, checks), *_duplicates(report, checks)]
    findings += _completeness(report, checks)
    if any(finding.level == "quarantine" for finding in findings):
        return "quarantine", findings
    return ("warn" if findings else "pass"), findings


def _rejects(report: dict[str, Any], checks: Checks) -> Iterator[Finding]:
    share = _share(report["rejected"], _judged(report))
    level = _level(report, checks, share > checks.max_reject_share)
    limit = checks.max_reject_share if level == "quarantine" else checks.warn_reject_share
    if share <= min(checks.warn_reject_share, checks.max_reject_share):
        return
    reasons = sorted(report["rejected_by"].items(), key=lambda item: (-item[1], item[0]))
    most = ", ".join(f"{reason} {count}" for reason, count in reasons[:3])
    yield Finding(
        "reject_share",
        level,
        round(share, 6),
        limit,
        f"{_percent(share)} of {_judged(report)} readings were rejected, more than "
        f"{_percent(limit)}; most often: {most}.",
    )


def _duplicates(report: dict[str, Any], checks: Checks) -> Iterator[Finding]:
    share = _share(report["duplicates"], _judged(report))
    limit = checks.max_duplicate_share
    if share > limit:
        yield Finding(
            "duplicate_share",
            _level(report, checks, breach=True),
            round(share, 6),
            limit,
            f"{_percent(share)} of {_judged(report)} readings have the key of another one, more "
            f"than {_percent(limit)}: devices may share a name, or their clocks stand still.",
        )


def _completeness(report: dict[str, Any], checks: Checks) -> Iterator[Finding]:
    accepted = report["accepted"]
    if not accepted:
        return
    for name, least in checks.completeness.items():
        share = 1 - _share(report["columns"][name]["nulls"], accepted)
        if share < least:
            yield Finding(
                f"completeness.{name}",
                "warn",
                round(share, 6),
                least,
                f"Only {_percent(share)} of {accepted} rows have a value in {name}, "
                f"{_percent(least)} are expected.",
            )


def _level(report: dict[str, Any], checks: Checks, breach: bool) -> Level:
    return "quarantine" if breach and _judged(report) >= checks.min_readings else "warn"


def _judged(report: dict[str, Any]) -> int:
    """Readings that shares are of: messages of another kind, set aside, say nothing of them."""
    judged: int = report["read"] - report.get("set_aside", 0)
    return judged


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _percent(share: float) -> str:
    """Three digits: enough to tell 99.5% from all."""
    return f"{share * 100:.3g}%"
