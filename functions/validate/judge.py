"""The quality gate: checks a batch as a set against the contract's expectations. Pure.

Transform checks single readings. Where half of a batch was rejected, a changed firmware or a wrong
contract is more likely than a broken half of the fleet, so an operator decides before the batch
reaches the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any, Literal

from functions.validate.drift import LEAST_BATCHES, stability_index
from telemetry.contract import Checks
from telemetry.manifest import Purpose

__all__ = ["Finding", "Verdict", "judge", "overrule"]

Verdict = Literal["pass", "warn", "quarantine", "discard"]
Level = Literal["warn", "quarantine", "discard"]


@dataclass(frozen=True)
class Finding:
    """One expectation that a batch did not meet."""

    check: str
    level: Level
    measured: float
    """The batch's value: a share (0..1), rounded to six digits."""
    limit: float
    sentence: str
    """The finding in words."""

    def as_dict(self) -> dict[str, Any]:
        """The finding as in the report."""
        return asdict(self)


def judge(
    report: dict[str, Any],
    checks: Checks,
    history: Sequence[dict[str, Any]] = (),
    now: datetime | None = None,
) -> tuple[Verdict, list[Finding]]:
    """The verdict on a batch, which is that of its worst finding, and all findings.

    ``report`` is Transform's, ``history`` describes the batches before it, ``now`` is the time its
    newest reading is compared with. A batch of less than ``checks.min_readings`` readings is at
    most warned about: shares of so few say nothing.
    """
    findings = [*_rejects(report, checks), *_duplicates(report, checks)]
    findings += [*_conflicts(report, checks), *_completeness(report, checks)]
    findings += _freshness(report, checks, now or datetime.now(UTC))
    findings += [*_volume(report, checks, history), *_drift(report, checks, history)]
    if any(finding.level == "quarantine" for finding in findings):
        return "quarantine", findings
    return ("warn" if findings else "pass"), findings


def overrule(
    verdict: Verdict, findings: list[Finding], purpose: Purpose
) -> tuple[Verdict, list[Finding]]:
    """The verdict after an operator's decision, which overrules the checks; findings stay."""
    held_by = sum(finding.level == "quarantine" for finding in findings)
    if purpose == "release":
        checks = "1 check" if held_by == 1 else f"{held_by} checks"
        said = f"An operator released the batch; {checks} would have quarantined it."
        return "warn", [*findings, Finding("released", "warn", held_by, 0, said)]
    if purpose == "repair" and verdict == "quarantine":
        said = "The batch was loaded before, and a repair loads it again whatever the checks find."
        return "warn", [*findings, Finding("repaired", "warn", held_by, 0, said)]
    if purpose == "discard":
        said = "An operator discarded the batch: it stays in S3, and no row is loaded."
        return "discard", [*findings, Finding("discarded", "discard", held_by, 0, said)]
    return verdict, findings


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
            f"{_percent(share)} of {_judged(report)} readings repeat another one, more than "
            f"{_percent(limit)}: a device may be sending everything again and again.",
        )


def _conflicts(report: dict[str, Any], checks: Checks) -> Iterator[Finding]:
    conflicts = report.get("conflicts", 0)  # older reports have none
    share = _share(conflicts, _judged(report))
    if share <= min(checks.conflict_share_warn, checks.conflict_share):
        return
    level = _level(report, checks, share > checks.conflict_share)
    limit = checks.conflict_share if level == "quarantine" else checks.conflict_share_warn
    yield Finding(
        "conflict_share",
        level,
        round(share, 6),
        limit,
        f"{_percent(share)} of {_judged(report)} readings have the key of another one and other "
        f"values, more than {_percent(limit)}: the key of the contract is probably too small. "
        "They are kept: etl rejects list --reason conflict.",
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


def _freshness(report: dict[str, Any], checks: Checks, now: datetime) -> Iterator[Finding]:
    newest, limit = report.get("max_time"), checks.max_age_minutes
    if limit is None or newest is None:
        return
    age = (now - datetime.fromisoformat(newest)).total_seconds() / 60
    if age > limit:
        yield Finding(
            "freshness",
            "warn",
            round(age, 6),
            limit,
            f"The newest reading is {age:,.0f} minutes old, more than {limit:,.0f}: devices were "
            "offline, a clock is slow, or this is a replay.",
        )


def _volume(
    report: dict[str, Any], checks: Checks, history: Sequence[dict[str, Any]]
) -> Iterator[Finding]:
    if checks.volume is None or len(history) < LEAST_BATCHES:
        return
    usual = median(entry["accepted"] for entry in history)
    if not usual:
        return
    least, most = checks.volume
    times = report["accepted"] / usual
    if not least <= times <= most:
        yield Finding(
            "volume",
            "warn",
            round(times, 6),
            least if times < least else most,
            f"{report['accepted']} rows are {times:.3g} times as many as the last "
            f"{len(history)} batches had (median {usual:g}).",
        )


def _drift(
    report: dict[str, Any], checks: Checks, history: Sequence[dict[str, Any]]
) -> Iterator[Finding]:
    for name, most in checks.drift.items():
        # Not there where Transform was of another version, which Load finds.
        sketch = report["columns"].get(name, {}).get("quantiles")
        past = [e["quantiles"][name] for e in history if name in e["quantiles"]]
        index = stability_index(sketch, past) if sketch else None
        if index is not None and index > most:
            middle = sketch[len(sketch) // 2]
            usual = median(earlier[len(earlier) // 2] for earlier in past)
            yield Finding(
                f"drift.{name}",
                "warn",
                round(index, 6),
                most,
                f"The values of {name} have drifted from those of the last {len(past)} batches "
                f"(index {index:.2g}, more than {most:g}): median {middle:.6g}, "
                f"{usual:.6g} before.",
            )


def _level(report: dict[str, Any], checks: Checks, breach: bool) -> Level:
    return "quarantine" if breach and _judged(report) >= checks.min_readings else "warn"


def _judged(report: dict[str, Any]) -> int:
    """Readings that shares are computed of, without the messages that were set aside."""
    judged: int = report["read"] - report.get("set_aside", 0) - report.get("forgotten", 0)
    return judged


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _percent(share: float) -> str:
    """The share in per cent, with three digits."""
    return f"{share * 100:.3g}%"
