"""Runs all checks and prints their results; the exit status is 1 if one found a problem."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from audit.check_result import CheckResult
from audit.conditions import check_conditions
from audit.dependencies import (
    SHIPPED,
    check_licences,
    check_pins,
    check_vulnerabilities,
    check_yanked,
)
from audit.infrastructure import check_with_cfn_lint, check_with_checkov
from audit.permissions import check_permissions
from audit.policy_lint import check_with_parliament
from audit.secrets import check_history, check_tree

LOCKS = [
    *sorted(Path("requirements").glob("*.txt")),
    *(Path(f"{f}/requirements.txt") for f in SHIPPED),
]


def checks(templates: Path, environment: Path) -> list[Callable[[], CheckResult]]:
    """All checks, fast ones first."""
    files = sorted(templates.glob("*.json"))
    policies = sorted((templates / "policies").glob("*.json"))
    # The others are those of the templates, which the check of conditions reads by itself.
    printed = [one for one in policies if one.stem.split("-")[0] not in {f.stem for f in files}]
    running = [Path("requirements/run.txt"), *(Path(f"{f}/requirements.txt") for f in SHIPPED)]
    return [
        lambda: check_pins(LOCKS),
        lambda: check_with_cfn_lint(files),
        lambda: check_with_checkov(files),
        lambda: check_permissions(files),
        lambda: check_conditions(files, printed),
        lambda: check_with_parliament(policies),
        check_tree,
        check_history,
        lambda: check_licences(environment / "bin" / "python"),
        lambda: check_yanked(running),
        lambda: check_vulnerabilities(running),
    ]


def print_result(result: CheckResult) -> None:
    """Prints one line for a check, and one for each of its problems."""
    mark = "✗" if result.problems else ("·" if result.unchecked else "✓")
    print(f"{mark} {result.name}: {result.checked}", flush=True)
    for problem in result.problems:
        print(f"    {problem}")
    if result.unchecked:
        print(f"    not checked: {result.unchecked}")


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="make audit", description=__doc__)
    parser.add_argument(
        "--templates", type=Path, default=Path(".build/audit"), help="folder of the templates"
    )
    parser.add_argument(
        "--environment", type=Path, default=Path(".venv"), help="the product's virtual environment"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    results = []
    for check in checks(arguments.templates, arguments.environment):
        results.append(check())
        if not arguments.json:
            print_result(results[-1])
    if arguments.json:
        print(json.dumps([asdict(result) for result in results], indent=1))
    return 1 if any(result.problems for result in results) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
