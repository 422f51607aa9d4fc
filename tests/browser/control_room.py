"""The control room as a person starts it: the command, in a process of its own."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.browser.chromium import Browser

REPOSITORY = Path(__file__).parents[2]
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\?key=\S+")


@dataclass
class RunningControlRoom:
    """A running one."""

    address: str
    """With its key."""
    process: subprocess.Popen[str]

    @property
    def base(self) -> str:
        return self.address.partition("/?")[0]

    def open(self, browser: Browser, path: str = "/", **options: Any) -> Any:
        """A page of it, let in by the key."""
        page = browser.open(self.address, **options)
        if path != "/":
            page.goto(self.base + path)
        return page


@contextmanager
def control_room(state: Path, stack: str, *options: str) -> Iterator[RunningControlRoom]:
    """``etl dashboard`` until the end of the block, and then Ctrl-C."""
    program = [sys.executable, "-m", "tests.browser.patient_program"]
    command = [*program, "--state", str(state), "--stack", stack]
    with _running([*command, "dashboard", "--no-open", *options], REPOSITORY) as room:
        yield room


@contextmanager
def room_without_a_stack(folder: Path, *options: str) -> Iterator[RunningControlRoom]:
    """The control room where nothing is deployed, started in this folder."""
    with _running(
        [sys.executable, "-m", "tests.browser.room_without_a_stack", *options], folder
    ) as room:
        yield room


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[RunningControlRoom]:
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    )
    said = ""
    try:
        assert process.stdout is not None
        while not (found := ADDRESS.search(said)):
            line = process.stdout.readline()
            assert line, f"it ended before it was up:\n{said}"
            said += line
        yield RunningControlRoom(found[0], process)
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=120)
        said += rest
    assert "Traceback" not in said, said
    assert process.returncode in (0, 130), f"{process.returncode}\n{said}"


def environment() -> dict[str, str]:
    """This process's, with the project's folders on the path."""
    import os

    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "layers" / "shared")])
    return os.environ | {"PYTHONPATH": path, "COLUMNS": "200"}


def violations(page: Any) -> list[str]:
    """What axe-core finds wrong with a page (WCAG 2.0 to 2.2 A and AA, and best practices)."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {json.dumps(node['target'])} "
        f"{node.get('failureSummary', '')}"
        for one in found
        for node in one["nodes"]
    ]
