"""docs/authoring.md shows what the commands print; UPDATE_GOLDEN=1 writes it anew."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from etl.cli import context
from etl.cli.main import app
from tests.fixtures.wait_lines import without_wait_lines

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "authoring.md"
BLOCK = re.compile(r"(?<=```console\n)(.*?)(?=```)", re.DOTALL)


def run(command: str) -> str:
    """The output of one command, in the current folder."""
    program, *arguments = shlex.split(command)
    if program != "etl":
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
        return done.stdout
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return without_wait_lines(result.output) + (
        f"(exit status {result.exit_code})\n" if result.exit_code else ""
    )


def shown(block: str) -> str:
    """The block as it should be: each command, and what it prints."""
    lines = []
    for command in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
        lines += [f"$ {command}", *(line.rstrip() for line in run(command).splitlines())]
    return "\n".join(lines) + "\n"


def test_the_page_shows_what_the_commands_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "contracts", tmp_path / "contracts")
    monkeypatch.chdir(tmp_path)
    for console in (context.console, context.notes):
        monkeypatch.setattr(console, "_width", 96)
    page = PAGE.read_text(encoding="utf-8")
    wanted = BLOCK.sub(lambda match: shown(match[1]), page)
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(wanted, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == wanted, (
        "docs/authoring.md is not what the commands print now. Where the change is meant, run the "
        "test with UPDATE_GOLDEN=1 and review the difference."
    )
