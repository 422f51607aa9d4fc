"""Checks of the templates with checkov and cfn-lint.

checkov runs without its suppressions, and its findings are compared with them. So each accepted
finding has a reason beside its resource, and no suppression is left without a finding.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from audit.check_result import CheckResult

__all__ = ["check_with_cfn_lint", "check_with_checkov"]

MIN_REASON = 20
"""Characters of the shortest acceptable reason."""
Finding = tuple[str, str]
"""A resource and the id of a check."""


def check_with_checkov(templates: list[Path]) -> CheckResult:
    """Checks that each finding of checkov is accepted with a reason, and each acceptance needed."""
    problems, passed, accepted = [], 0, 0
    for file in templates:
        template = json.loads(file.read_text(encoding="utf-8"))
        reasons = remove_acceptances(template)
        found, passing = findings(file.name, template)
        passed, accepted = passed + passing, accepted + len(reasons)
        for resource, check in sorted(set(found) - set(reasons)):
            problems.append(
                f"{file.stem}: {resource} fails {check} ({found[resource, check]}). Fix it, or "
                "accept it beside the resource with infrastructure.core.findings.accepted()."
            )
        for resource, check in sorted(set(reasons) - set(found)):
            problems.append(f"{file.stem}: {resource} passes {check}: remove its acceptance.")
        for (resource, check), reason in sorted(reasons.items()):
            if len(reason) < MIN_REASON:
                problems.append(f"{file.stem}: explain why {resource} need not pass {check}.")
    checked = f"{passed} checks passed in {names(templates)}, {accepted} findings accepted"
    return CheckResult("checkov", checked, problems)


def remove_acceptances(template: dict[str, Any]) -> dict[Finding, str]:
    """Removes the acceptances from a template; returns them with their reasons."""
    reasons = {}
    for name, resource in template["Resources"].items():
        for skip in resource.get("Metadata", {}).pop("checkov", {}).get("skip", []):
            reasons[f"{resource['Type']}.{name}", skip["id"]] = skip.get("comment", "")
    return reasons


def findings(name: str, template: dict[str, Any]) -> tuple[dict[Finding, str], int]:
    """The failed checks of checkov with their names, and the number of passed ones."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_text(json.dumps(template, indent=1), encoding="utf-8")
        # Without the download it contacts no server for guidelines or policies.
        options = ["--framework", "cloudformation", "--skip-download", "--compact", "-o", "json"]
        done = run("checkov.main", "-f", str(file), *options)
    try:
        report = json.loads(done.stdout)
        results = report["results"]
    except (ValueError, KeyError, TypeError):
        raise RuntimeError(
            f"checkov printed no report for {name}:\n{done.stderr[-2000:]}"
        ) from None
    if results["parsing_errors"]:
        raise RuntimeError(f"checkov can't read {name}")
    found = {
        (one["resource"], one["check_id"]): one["check_name"] for one in results["failed_checks"]
    }
    return found, int(report["summary"]["passed"])


def check_with_cfn_lint(templates: list[Path]) -> CheckResult:
    """Checks that cfn-lint finds nothing, including informational rules."""
    program = "import sys; from cfnlint.runner import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "--include-checks", "I", "-t", *map(str, templates)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    problems = (done.stdout + done.stderr).splitlines() if done.returncode else []
    if done.returncode and not problems:
        raise RuntimeError(f"cfn-lint failed with exit status {done.returncode} and no output")
    return CheckResult("cfn-lint", names(templates), problems)


def names(templates: list[Path]) -> str:
    """The names of the templates, as text."""
    return " and ".join(file.stem for file in templates)


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a tool of this environment as a module: the path of its script may have spaces."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
