"""Ctrl-C while the command's modules are still being imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

INTERRUPTED_AT = """
import signal
import sys
from importlib.abc import MetaPathFinder


class Interrupt(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)
        return None


sys.meta_path.insert(0, Interrupt())
from etl.cli.entry import run

sys.argv = ["etl", "--version"]
run()
"""


@pytest.mark.parametrize("module", ["etl.cli.main", "typer", "etl.cli.stack"])
def test_it_ends_without_a_traceback(module: str) -> None:
    program = INTERRUPTED_AT.format(module=module)
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_without_ctrl_c_the_command_runs() -> None:
    program = INTERRUPTED_AT.format(module="never.imported")
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.startswith("telemetry-etl")
