from __future__ import annotations

from typing import Any

from functions.validate.judge import judge
from telemetry.contract import Checks


def report(
    accepted: int = 100, duplicates: int = 0, rejected: int = 0, nulls: int = 0
) -> dict[str, Any]:
    return {
        "read": accepted + duplicates + rejected,
        "accepted": accepted,
        "duplicates": duplicates,
        "rejected": rejected,
        "rejected_by": {"invalid:v": rejected} if rejected else {},
        "columns": {"v": {"nulls": nulls}},
    }


CHECKS = Checks(
    max_reject_share=0.5, warn_reject_share=0.1, max_duplicate_share=0.8, completeness={"v": 0.9}
)


def test_a_good_batch_passes_without_findings() -> None:
    assert judge(report(), CHECKS) == ("pass", [])


def test_a_share_at_the_limit_is_within_it() -> None:
    assert judge(report(accepted=90, rejected=10), CHECKS)[0] == "pass"
    assert judge(report(accepted=50, rejected=50), CHECKS)[0] == "warn"
    assert judge(report(accepted=20, duplicates=80), CHECKS)[0] == "pass"
    assert judge(report(nulls=10), CHECKS)[0] == "pass"


def test_many_rejects_warn_and_too_many_quarantine() -> None:
    verdict, (finding,) = judge(report(accepted=80, rejected=20), CHECKS)
    assert (verdict, finding.level, finding.check) == ("warn", "warn", "reject_share")
    assert (finding.measured, finding.limit) == (0.2, 0.1)
    verdict, (finding,) = judge(report(accepted=40, rejected=60), CHECKS)
    assert (verdict, finding.level) == ("quarantine", "quarantine")
    assert (finding.measured, finding.limit) == (0.6, 0.5)


def test_a_finding_says_what_and_how_much() -> None:
    _, (finding,) = judge(report(accepted=40, rejected=60), CHECKS)
    assert finding.sentence == (
        "60% of 100 readings were rejected, more than 50%; most often: invalid:v 60."
    )


def test_too_many_duplicates_quarantine() -> None:
    verdict, (finding,) = judge(report(accepted=10, duplicates=90), CHECKS)
    assert (verdict, finding.check, finding.measured) == ("quarantine", "duplicate_share", 0.9)


def test_an_incomplete_column_warns() -> None:
    verdict, (finding,) = judge(report(nulls=11), CHECKS)
    assert (verdict, finding.check, finding.measured) == ("warn", "completeness.v", 0.89)
    assert "v" in finding.sentence


def test_a_small_batch_is_never_quarantined() -> None:
    verdict, findings = judge(report(accepted=0, rejected=19), CHECKS)
    assert (verdict, [finding.level for finding in findings]) == ("warn", ["warn"])
    assert judge(report(accepted=0, rejected=20), CHECKS)[0] == "quarantine"


def test_a_batch_of_nothing_passes() -> None:
    assert judge(report(accepted=0), CHECKS) == ("pass", [])


def test_a_batch_without_rows_is_not_judged_by_completeness() -> None:
    assert [f.check for f in judge(report(accepted=0, rejected=100), CHECKS)[1]] == ["reject_share"]


def test_the_worst_finding_makes_the_verdict() -> None:
    verdict, findings = judge(report(accepted=40, rejected=60, nulls=40), CHECKS)
    assert verdict == "quarantine"
    assert [finding.level for finding in findings] == ["quarantine", "warn"]


def test_a_limit_for_quarantine_below_that_for_warning_still_quarantines() -> None:
    checks = Checks(max_reject_share=0.05, warn_reject_share=0.5)
    assert judge(report(accepted=80, rejected=20), checks)[0] == "quarantine"


def with_conflicts(accepted: int, conflicts: int) -> dict[str, Any]:
    return {**report(accepted), "read": accepted + conflicts, "conflicts": conflicts}


def test_conflicts_warn_and_too_many_quarantine() -> None:
    assert judge(with_conflicts(99, 1), CHECKS) == ("pass", [])
    verdict, (finding,) = judge(with_conflicts(98, 2), CHECKS)
    assert (verdict, finding.check) == ("warn", "conflict_share")
    assert (finding.measured, finding.limit) == (0.02, 0.01)
    assert judge(with_conflicts(90, 10), CHECKS)[0] == "warn"
    verdict, (finding,) = judge(with_conflicts(89, 11), CHECKS)
    assert (verdict, finding.measured, finding.limit) == ("quarantine", 0.11, 0.1)
    assert finding.sentence.startswith("11% of 100 readings have the key of another one and other")


def test_few_readings_in_conflict_only_warn() -> None:
    assert judge(with_conflicts(5, 5), CHECKS)[0] == "warn"
