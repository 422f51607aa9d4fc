"""All benchmarks: ``python -m bench.run [--quick] [SUBJECT...]``.

Each subject runs in its own process, so that they do not share memory or thread pools. Transform,
load and the two together run in this interpreter (``.bench-venv``); subjects that deploy or package
run in the interpreter that the variable ``TEST_PYTHON`` names (``.venv``). A full run writes
``docs/performance.md`` and its chart; ``--quick`` only prints. If subjects are named, only these
run, and the page takes the others from their last run on this machine (``.build/bench``).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.machine import describe
from bench.measurement import Measurement, parse_results
from bench.report import IMAGE, page, plot

ROOT = Path(__file__).parents[1]
LAST_RUNS = ROOT / ".build" / "bench"
SUBJECTS = ("transform", "load", "end_to_end", "raw_to_rows", "extract", "footprint", "real_data")
IN_TEST_ENVIRONMENT = frozenset({"extract", "footprint", "real_data"})


def run(subject: str, *, quick: bool) -> list[Measurement]:
    """Runs one subject; returns its results. Its progress goes to stderr."""
    tests = os.environ.get("TEST_PYTHON", str(ROOT / ".venv" / "bin" / "python"))
    python = tests if subject in IN_TEST_ENVIRONMENT else sys.executable
    command = [python, "-m", f"bench.{subject}", *(["--quick"] if quick else [])]
    search = os.pathsep.join(str(ROOT / part) for part in ("", "layers/shared"))
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": search},
    )
    if not quick:
        LAST_RUNS.mkdir(parents=True, exist_ok=True)
        (LAST_RUNS / f"{subject}.json").write_text(done.stdout.splitlines()[-1])
    return parse_results(done.stdout)


def last_run(subject: str) -> list[Measurement]:
    """The results of the subject's last full run; empty if there was none."""
    kept = LAST_RUNS / f"{subject}.json"
    return parse_results(kept.read_text()) if kept.exists() else []


def main(arguments: Sequence[str]) -> None:
    """Run the subjects, and write or print the page."""
    quick = "--quick" in arguments
    chosen = [name for name in arguments if not name.startswith("-")] or list(SUBJECTS)
    measured: list[Measurement] = []
    for subject in SUBJECTS:
        started = time.monotonic()
        if subject not in chosen:
            measured += [] if quick else last_run(subject)
            continue
        measured += run(subject, quick=quick)
        print(f"{subject}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    text = page(measured, describe())
    if quick:
        print(text)
        return
    folder = ROOT / "docs"
    plot(measured, folder / IMAGE)
    (folder / "performance.md").write_text(text, encoding="utf-8")
    print(f"wrote {folder.name}/performance.md and {folder.name}/{IMAGE}")


if __name__ == "__main__":
    main(sys.argv[1:])
