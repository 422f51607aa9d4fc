"""`make run` is `etl demo`: it balances, and however it ends it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from local.stack import read
from tests.fixtures.local import state_folder

pytestmark = pytest.mark.timeout(900)


def demo(state: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "etl.cli.main", "--state", str(state), "demo", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def processes_of(state: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline", "pid"]):
        if str(state) in " ".join(process.info["cmdline"] or []):
            found.append(" ".join(process.info["cmdline"]))
    return found


def wait_until(condition: object, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def test_a_short_demo_balances_and_stops_what_it_started() -> None:
    with state_folder() as state:
        process = demo(state, "--duration", "3", "--devices", "3", "--mess", "0.1")
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output
        assert "balanced: every reading is accounted for" in output
        assert "started by the queue" in output
        assert processes_of(state) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_demo_that_is_stopped_leaves_no_process_and_no_files_behind(how: signal.Signals) -> None:
    with state_folder() as state:
        process = demo(state, "--duration", "600")
        wait_until(lambda: read(state / "demo") is not None)
        time.sleep(4)  # wherever it is by then: it must end cleanly at any moment
        os.kill(process.pid, how)
        output, _ = process.communicate(timeout=120)
        wait_until(lambda: processes_of(state) == [])
        assert process.returncode != 0
        assert "Traceback" not in output
        size = sum(f.stat().st_size for f in state.rglob("*") if f.is_file())
        assert size < 200e6
