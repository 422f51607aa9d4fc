"""docs/internals/finding-things.md: each grep finds the file that the page names."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/internals/finding-things.md").read_text(encoding="utf-8")
QUESTIONS, _, OTHERS = PAGE.partition("## Other things")
ROWS = re.findall(
    r"^\| (.+?) \| `(.+?)`.*? \| `(grep .+?)` \| `(.+?)` \|$", QUESTIONS, re.MULTILINE
)


@pytest.mark.parametrize(("question", "folder", "command", "file"), ROWS)
def test_the_grep_finds_the_named_file(question: str, folder: str, command: str, file: str) -> None:
    done = subprocess.run(
        shlex.split(command), cwd=ROOT, capture_output=True, text=True, check=False
    )
    found = {line.partition(":")[0] for line in re.split(r"\n", done.stdout)}
    assert file in {re.sub(r"-\d+-.*", "", name) for name in found}, question
    assert file.startswith(folder)


def test_every_question_of_the_page_is_tried() -> None:
    lines = [line for line in QUESTIONS.splitlines() if line.startswith("| ")]
    assert len(ROWS) == len(lines) - 1
    assert len(ROWS) >= 10


def test_every_place_that_is_named_exists() -> None:
    for name in re.findall(r"`([a-z]+/[\w/.]*)`", OTHERS):
        assert (ROOT / name).exists(), name
