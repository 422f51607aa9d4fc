"""checkov and cfn-lint on the templates.

checkov is run without its suppressions, and what it finds is compared with them: so each finding
has a reason beside its resource, and each reason still has its finding.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from audit.outcome import Outcome

__all__ = ["check_with_cfn_lint", "check_with_checkov"]

LEAST_REASON = 20
"""Characters of a reason that says something."""
Finding = tuple[str, str]
"""Resource and check."""


def check_with_checkov(templates: list[Path]) -> Outcome:
    """Every finding accepted with a reason, every acceptance needed."""
    problems, passed, accepted = [], 0, 0
    for file in templates:
        template = json.loads(file.read_text(encoding="utf-8"))
        reasons = taken_out(template)
        found, passing = findings(file.name, template)
        passed, accepted = passed + passing, accepted + len(reasons)
        for resource, check in sorted(set(found) - set(reasons)):
            problems.append(
                f"{file.stem}: {resource} fails {check} ({found[resource, check]}). Mend it, or "
                "accept it beside the resource with infrastructure.core.findings.accepted()."
            )
        for resource, check in sorted(set(reasons) - set(found)):
            problems.append(f"{file.stem}: {resource} passes {check}: take its acceptance away.")
        for (resource, check), reason in sorted(reasons.items()):
            if len(reason) < LEAST_REASON:
                problems.append(f"{file.stem}: say why {resource} need not pass {check}.")
    told = f"{passed} checks passed in {names(templates)}, {accepted} findings accepted"
    return Outcome("checkov", told, problems)


def taken_out(template: dict[str, Any]) -> dict[Finding, str]:
    """The acceptances of a template, which loses them."""
    reasons = {}
    for name, resource in template["Resources"].items():
        for skip in resource.get("Metadata", {}).pop("checkov", {}).get("skip", []):
            reasons[f"{resource['Type']}.{name}", skip["id"]] = skip.get("comment", "")
    return reasons


def findings(name: str, template: dict[str, Any]) -> tuple[dict[Finding, str], int]:
    """What checkov finds, with what it says, and how many checks passed."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_text(json.dumps(template, indent=1), encoding="utf-8")
        # Without the download it asks no server for guidelines or policies.
        options = ["--framework", "cloudformation", "--skip-download", "--compact", "-o", "json"]
        done = run("checkov.main", "-f", str(file), *options)
    try:
        report = json.loads(done.stdout)
        results = report["results"]
    except (ValueError, KeyError, TypeError):
        raise RuntimeError(f"checkov gave no report on {name}:\n{done.stderr[-2000:]}") from None
    if results["parsing_errors"]:
        raise RuntimeError(f"checkov can't read {name}")
    found = {
        (one["resource"], one["check_id"]): one["check_name"] for one in results["failed_checks"]
    }
    return found, int(report["summary"]["passed"])


def check_with_cfn_lint(templates: list[Path]) -> Outcome:
    """Nothing found, not even what is only informational."""
    program = "import sys; from cfnlint.runner import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "--include-checks", "I", "-t", *map(str, templates)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    problems = (done.stdout + done.stderr).splitlines() if done.returncode else []
    if done.returncode and not problems:
        raise RuntimeError(f"cfn-lint ended with {done.returncode} and no word")
    return Outcome("cfn-lint", names(templates), problems)


def names(templates: list[Path]) -> str:
    """Which templates, for a person."""
    return " and ".join(file.stem for file in templates)


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A tool of this environment, as a module: the path of a script may hold spaces."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
