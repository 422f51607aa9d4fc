"""Runs every check and tells how it went; exit status 1 where one found something."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from audit.dependencies import (
    SHIPPED,
    check_licences,
    check_pins,
    check_vulnerabilities,
    check_withdrawn,
)
from audit.infrastructure import check_with_cfn_lint, check_with_checkov
from audit.outcome import Outcome
from audit.permissions import check_permissions
from audit.secrets import check_history, check_tree

LOCKS = [
    *sorted(Path("requirements").glob("*.txt")),
    *(Path(f"{f}/requirements.txt") for f in SHIPPED),
]


def checks(templates: Path, environment: Path) -> list[Callable[[], Outcome]]:
    """All checks, the quick ones first."""
    files = sorted(templates.glob("*.json"))
    running = [Path("requirements/run.txt"), *(Path(f"{f}/requirements.txt") for f in SHIPPED)]
    return [
        lambda: check_pins(LOCKS),
        lambda: check_with_cfn_lint(files),
        lambda: check_with_checkov(files),
        lambda: check_permissions(files),
        check_tree,
        check_history,
        lambda: check_licences(environment / "bin" / "python"),
        lambda: check_withdrawn(running),
        lambda: check_vulnerabilities(running),
    ]


def tell(outcome: Outcome) -> None:
    """One line for what passed, more for what didn't."""
    mark = "✗" if outcome.problems else ("·" if outcome.unchecked else "✓")
    print(f"{mark} {outcome.name}: {outcome.found}", flush=True)
    for problem in outcome.problems:
        print(f"    {problem}")
    if outcome.unchecked:
        print(f"    not checked: {outcome.unchecked}")


def main() -> int:
    """Command line; the exit status."""
    parser = argparse.ArgumentParser(prog="make audit", description=__doc__)
    parser.add_argument("--templates", type=Path, default=Path(".build/audit"), help="their folder")
    parser.add_argument("--environment", type=Path, default=Path(".venv"), help="the product's")
    parser.add_argument("--json", action="store_true", help="for scripts")
    given = parser.parse_args()
    outcomes = []
    for check in checks(given.templates, given.environment):
        outcomes.append(check())
        if not given.json:
            tell(outcomes[-1])
    if given.json:
        print(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
    return 1 if any(outcome.problems for outcome in outcomes) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
