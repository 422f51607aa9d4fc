"""Two versions of this repository side by side, in one of the benchmarks.

Usage: ``python -m bench.compare [--subject real_data] [--rounds N] REVISION``, in the environment
of ``make test``. ``REVISION``, any that git knows, is compared with the files here. The versions
take turns, each in a process of its own, so that a slow minute of the machine affects both; both
are measured by this version's programs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measurement import Measurement, parse_results

__all__ = ["compare", "ratios"]

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = (".venv", ".emulator-venv")
HERE, BEFORE = "here", "before"

Found = dict[tuple[str, str], Measurement]
"""Samples by subject and case."""


def check_out(revision: str, folder: Path) -> None:
    """The files of a revision with this version's benchmarks, environments and built layers."""
    folder.mkdir(parents=True)
    packed = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], check=True, input=packed.stdout)
    shutil.copytree(ROOT / "bench", folder / "bench", dirs_exist_ok=True)
    for name in ENVIRONMENTS:
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / ".build", folder / ".build", symlinks=True)


def run(folder: Path, subject: str) -> list[Measurement]:
    """One run of the files in a folder."""
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{subject}"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{folder / 'layers' / 'shared'}"},
    )
    return parse_results(done.stdout)


def compare(folders: Mapping[str, Path], subject: str, rounds: int) -> dict[str, Found]:
    """The samples of each version; every other round begins with the other version."""
    found: dict[str, Found] = {name: {} for name in folders}
    for number in range(rounds):
        for version in list(folders)[:: 1 if number % 2 == 0 else -1]:
            for one in run(folders[version], subject):
                empty = Measurement(one.subject, one.name, one.unit)
                found[version].setdefault((one.subject, one.name), empty).samples += one.samples
                samples = ", ".join(f"{sample:,.0f}" for sample in one.samples)
                print(f"{version}: {one.subject}, {one.name}: {samples}", file=sys.stderr)
    return found


def ratios(before: Found, here: Found) -> list[str]:
    """One line for each case: the medians with their ranges, and the ratio."""
    lines = []
    for (subject, case), ours in here.items():
        theirs = before[subject, case]
        both = " to ".join(
            f"{one.median:,.0f} ({one.spread[0]:,.0f} to {one.spread[1]:,.0f})"
            for one in (theirs, ours)
        )
        ratio = ours.median / theirs.median
        lines.append(f"{subject}, {case}: from {both} {ours.unit}, {ratio:.2f}x")
    return lines


def main() -> None:
    """Compare, and print the lines."""
    parser = argparse.ArgumentParser(description="Compare a revision with the files here.")
    parser.add_argument("revision")
    parser.add_argument("--subject", default="real_data")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with TemporaryDirectory(prefix="telemetry-compare-") as name:
        folders = {BEFORE: Path(name) / "before", HERE: ROOT}
        check_out(given.revision, folders[BEFORE])
        found = compare(folders, given.subject, given.rounds)
    print("\n".join(ratios(found[BEFORE], found[HERE])))


if __name__ == "__main__":
    main()
