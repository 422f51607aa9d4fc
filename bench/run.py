"""The whole bench: ``python -m bench.run [--quick] [SUBJECT...]``.

Each subject runs in a process of its own, so that neither memory nor thread pools of one reach the
next. Transform, load and the two together run in this interpreter (``.bench-venv``); what deploys
or packages runs in the interpreter that the variable ``TEST_PYTHON`` names (``.venv``). A full run
writes ``docs/performance.md`` and its picture; ``--quick`` only prints. Subjects that are named run
anew, and the page takes the others from their last run on this machine (``.build/bench``).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.machine import describe
from bench.measuring import Measured, read
from bench.reporting import IMAGE, page, plot

ROOT = Path(__file__).parents[1]
LAST_RUNS = ROOT / ".build" / "bench"
SUBJECTS = ("transforming", "loading", "whole", "footprint", "real_data")
OF_THE_TESTS = frozenset({"footprint", "real_data"})


def run(subject: str, *, quick: bool) -> list[Measured]:
    """One subject's results; its progress passes through to stderr."""
    tests = os.environ.get("TEST_PYTHON", str(ROOT / ".venv" / "bin" / "python"))
    python = tests if subject in OF_THE_TESTS else sys.executable
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
    return read(done.stdout)


def last_run(subject: str) -> list[Measured]:
    """What the subject's last full run measured; nothing where there was none."""
    kept = LAST_RUNS / f"{subject}.json"
    return read(kept.read_text()) if kept.exists() else []


def main(arguments: Sequence[str]) -> None:
    quick = "--quick" in arguments
    chosen = [name for name in arguments if not name.startswith("-")] or list(SUBJECTS)
    measured: list[Measured] = []
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
    print(f"Written: {folder.name}/performance.md, {folder.name}/{IMAGE}")


if __name__ == "__main__":
    main(sys.argv[1:])
