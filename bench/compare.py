"""Two versions of this repository side by side: real data, from the queue to rows.

Usage: ``python -m bench.compare REVISION [--rounds N]``, as :mod:`bench.real_data` is run.
``REVISION``, any that git knows, is compared with the files here. The versions take turns, each
with a stack and a database of its own, so that a slow minute of the machine affects both; both are
measured by this version's program.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measurement import Measurement, parse_results

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "bench" / "real_data.py"
ENVIRONMENTS = (".venv", ".emulator-venv")
HERE, BEFORE = "here", "before"


def check_out(revision: str, folder: Path) -> None:
    """The files of a revision, with this repository's environments and a copy of what it built."""
    folder.mkdir(parents=True)
    packed = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], check=True, input=packed.stdout)
    for name in ENVIRONMENTS:
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / ".build", folder / ".build", symlinks=True)


def run(folder: Path) -> list[Measurement]:
    """One run of the files in a folder."""
    search = os.pathsep.join(str(folder / part) for part in ("", "layers/shared"))
    done = subprocess.run(
        [sys.executable, str(PROGRAM)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        # Not the program's own folder, whose modules have the names of others.
        env={**os.environ, "PYTHONPATH": search, "PYTHONSAFEPATH": "1"},
    )
    return parse_results(done.stdout)


def compare(folders: dict[str, Path], rounds: int) -> dict[str, dict[str, Measurement]]:
    """The samples of each version, by subject; rounds begin with another version each."""
    found: dict[str, dict[str, Measurement]] = {name: {} for name in folders}
    for number in range(rounds):
        order = list(folders) if number % 2 == 0 else list(folders)[::-1]
        for name in order:
            for one in run(folders[name]):
                kept = found[name].setdefault(one.subject, Measurement(one.subject, name, one.unit))
                kept.samples += one.samples
                print(f"{name}: {one.samples[0]:,.0f} {one.unit}", file=sys.stderr, flush=True)
    return found


def lines(found: dict[str, dict[str, Measurement]]) -> list[str]:
    """A line for each subject: the median of both versions, all samples' range, the ratio."""
    text = []
    for subject, ours in found[HERE].items():
        theirs = found[BEFORE][subject]
        parts = [
            f"{name} {one.median:,.0f} {one.unit} ({one.spread[0]:,.0f} to {one.spread[1]:,.0f})"
            for name, one in ((BEFORE, theirs), (HERE, ours))
        ]
        text.append(f"{subject}: {', '.join(parts)}, {ours.median / theirs.median:.2f}x")
    return text


def main() -> None:
    """Compare, and print the lines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("revision")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with TemporaryDirectory(prefix="telemetry-compare-") as name:
        before = Path(name) / "before"
        check_out(given.revision, before)
        print("\n".join(lines(compare({BEFORE: before, HERE: ROOT}, given.rounds))))


if __name__ == "__main__":
    main()
