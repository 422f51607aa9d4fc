"""What failed beside the others runs once more, alone, and its second result counts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FAILS_ONCE = """
from pathlib import Path
def test_of_a_busy_machine():
    came = Path("came")
    first = not came.exists()
    came.touch()
    assert not first
"""


def suite(folder: Path, **files: str) -> tuple[int, str]:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "tests.second_try", "-n", "2", "--dist", "loadfile", "-q", "--rootdir", "."],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_a_file_that_passes_the_second_time_passes_and_is_named(tmp_path: Path) -> None:
    code, text = suite(tmp_path, test_a=FAILS_ONCE, test_b="def test_b(): pass\n")
    assert code == 0
    assert "Once more, alone: test_a.py" in text
    assert text.endswith("to be repaired:\n      test_a.py::test_of_a_busy_machine\n")


def test_a_file_that_fails_twice_fails(tmp_path: Path) -> None:
    code, text = suite(tmp_path, test_a="def test_a(): assert 0\n", test_b="def test_b(): pass\n")
    assert code == 1
    assert text.count("1 failed") == 2
    assert "second try" not in text


def test_what_fails_in_many_files_is_not_tried_again(tmp_path: Path) -> None:
    files = {f"test_{n}": FAILS_ONCE.replace("came", f"came{n}") for n in range(4)}
    code, text = suite(tmp_path, **files)
    assert (code, "Once more" in text) == (1, False)


def test_a_suite_that_passes_runs_once(tmp_path: Path) -> None:
    code, text = suite(tmp_path, test_b="def test_b(): pass\n")
    assert (code, "Once more" in text) == (0, False)
