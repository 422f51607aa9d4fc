"""Pages whose commands are given to a shell, one after the other, and show what that printed.

A block of ``console`` is a list of commands behind ``$`` with their output. A variable that one
sets is there for all that follow, and so is the folder that one goes to. What a page needs and doesn't show stands in a comment:
``<!-- test: COMMAND -->``.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.fixtures.wait_lines import without_wait_lines

ROOT = Path(__file__).parents[2]
STEP = re.compile(r"<!-- test: (.*?) -->|(?<=```console\n)(.*?)(?=```)", re.DOTALL)
COMMAND = re.compile(r"^\$ (.*)$", re.MULTILINE)
SECONDS = 600
WIDTH = 100

TODAY = f"(?:{datetime.now(UTC):%Y-%m-%d}|{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d})"
"""Or tomorrow, where a page is performed about midnight. Dates of the data stay as they are."""

LIKE_ON_THE_PAGE = (
    (r"/\S*telemetry state \S+/state\b", ".local"),
    (r"• building the \w+ layer for .*\n", ""),  # only where it has changed
    (r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:4566"),
    (r"\d{8}T\d{12,}-(publish|simulate)", r"20261123T063000000000-\1"),
    (r"\d{8}T\d{6}-[0-9a-f]{8}\b", "20261123T063000-5d0c3a7b"),
    (r"in \d+ raw objects? of [\d,]+ bytes", "in 1 raw object of 7,016 bytes"),
    (r"telemetry-databucket-\w+", "telemetry-databucket-4a98f08c12fea"),
    (TODAY + r"([ T])\d{2}:\d{2}:\d{2}(\.\d+)?", r"2026-11-23\g<1>06:30:00"),
    (TODAY, "2026-11-23"),
    (TODAY.replace("-", "/"), "2026/11/23"),
    (r"esm-[0-9a-f-]{8,}", "esm-5d0c3a7be1f24986"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "0b1f6c6e-3d5a-4f0e-9a51-7c19e02ab4f3"),
    (r"\b(replay|release|discard)-[0-9a-f]{16}\b", r"\1-5d0c3a7be1f24986"),
    (r"\b[0-9a-f]{64}\b", "9b2e" * 16),
    (r"(?<=\()[0-9a-f]{12}(?=\))", "7c19e02ab4f3"),
    (r"\d+(\.\d+)? MB", "67.2 MB"),
    (r"(?<= passed in )\d+\.\d+s", "2.14s"),  # pytest
    (r"\barn:aws:iot:[\w:/-]*cert/\w+", "arn:aws:iot:us-east-1:000000000000:cert/9b2e..."),
)
"""What differs from one run to the next, and what the page has in its place."""


class Shell:
    """Runs the commands of a page in a folder; a variable or a folder that one sets is kept."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.kept = folder / ".variables"
        self.environment = {
            **environment,
            "COLUMNS": str(WIDTH),
            "TERM": "dumb",
            "PAGER": "cat",
            "LC_ALL": "C.UTF-8",
        }

    def give(self, commands: list[str]) -> list[str]:
        """What each command printed, on both of its streams, and its status where it failed."""
        mark = "\x1e"
        kept = shlex.quote(str(self.kept))
        script = f'set -a; [ ! -f {kept} ] || {{ . {kept}; cd "$PWD"; }}\n' + "".join(
            f'{command}\nstatus=$?; [ $status = 0 ] || echo "(exit status $status)"; echo "{mark}"\n'
            for command in commands
        )
        script += f"export -p > {kept}\n"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        printed = done.stdout.split(f"{mark}\n")
        assert len(printed) == len(commands) + 1, done.stdout
        assert "Traceback" not in done.stdout, done.stdout
        return [normalized(text) for text in printed[:-1]]


def clone_shell(folder: Path, state: Path) -> Shell:
    """A folder like a fresh clone's, with ``etl`` and ``aws`` at hand and stand-ins of its own."""
    shutil.copytree(ROOT / "contracts", folder / "contracts")
    programs = folder / ".programs"
    programs.mkdir()
    _program(programs / "etl", "etl.cli.main")
    _program(programs / "aws", "tests.end_to_end.aws_command", str(state))
    _program(programs / "as-device", "tests.end_to_end.as_device", str(state))
    _program(programs / "as-owner", "tests.end_to_end.as_owner", str(state))
    return Shell(
        folder,
        os.environ
        | {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'layers' / 'shared'}",
            "ETL_STATE": str(state),
        },
    )


def _program(place: Path, module: str, *first: str) -> None:
    given = " ".join(f"'{each}'" for each in first)
    place.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m {module} {given} \"$@\"\n")
    place.chmod(0o755)


def of_today(command: str) -> str:
    """The command with the day of the performance in the place of the pages' day."""
    return re.sub(
        r"2026-11-2([345])",
        lambda found: f"{datetime.now(UTC) + timedelta(days=int(found[1]) - 3):%Y-%m-%d}",
        command,
    )


def normalized(text: str) -> str:
    """The output as it should stand on a page."""
    text = without_wait_lines(text)
    for pattern, instead in LIKE_ON_THE_PAGE:
        text = re.sub(pattern, instead, text)
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def performed(page: str, shell: Shell) -> str:
    """The page as it should be: every command given, and what it printed below it."""

    def act(found: re.Match[str]) -> str:
        if found[1]:
            (printed,) = shell.give([found[1]])
            assert "(exit status" not in printed, f"{found[1]}\n{printed}"
            return found[0]
        commands = COMMAND.findall(found[2])
        both = zip(commands, shell.give([of_today(each) for each in commands]), strict=True)
        return "".join(f"$ {command}\n" + (f"{text}\n" if text else "") for command, text in both)

    return STEP.sub(act, page)


def check_page(page: Path, shell: Shell) -> None:
    """Perform a page and compare what it shows; with UPDATE_GOLDEN=1, write it first."""
    shown = performed(page.read_text(encoding="utf-8"), shell)
    if os.environ.get("UPDATE_GOLDEN"):
        page.write_text(shown, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == shown, (
        f"docs/{page.name} is not what the commands print now. Where the change is meant, run the "
        "test with UPDATE_GOLDEN=1 and review the difference."
    )
