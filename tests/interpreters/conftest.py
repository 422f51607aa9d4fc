"""One deployed pipeline for the session, and the interpreters that use it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from local.emulator.launcher import ACCOUNT
from tests.fixtures.local import state_folder
from tests.interpreters.interpreters import EmulatorInterpreter, Interpreter, ProgramInterpreter
from tests.interpreters.pipeline import Pipeline

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "programs"
PACKAGES = REPOSITORY / ".interpreters-node"
MOTO_PYTHON = REPOSITORY / ".interpreters-venv" / "bin" / "python"


@pytest.fixture(scope="session")
def pipeline() -> Iterator[Pipeline]:
    with state_folder() as state:
        found = Pipeline(state, seed=3)
        try:
            found.start()
            yield found
        finally:
            left = found.stop()
        assert left == [], "processes of functions outlived the emulator"


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js, with the packages that ``make`` installs; without Node.js the tests skip."""
    program = shutil.which("node")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI=true, but there is no Node.js")
        pytest.skip("there is no Node.js on this machine")
    assert (PACKAGES / "node_modules").exists(), "`make slow` installs them"
    return program


@pytest.fixture(scope="session")
def interpreter(
    pipeline: Pipeline, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], Interpreter]]:
    """Start an interpreter by its name, once a session."""
    started: dict[str, Interpreter] = {"emulator": EmulatorInterpreter(pipeline)}
    with ExitStack() as stack:

        def find(name: str) -> Interpreter:
            if name not in started:
                command = _command(name, request)
                program = ProgramInterpreter(
                    name, command, pipeline, pipeline.state / f"{name}.log"
                )
                stack.callback(program.stop)
                started[name] = program
            return started[name]

        yield find


def _command(name: str, request: pytest.FixtureRequest) -> list[str]:
    if name == "node":
        node = request.getfixturevalue("node")
        return [node, str(PROGRAMS / "node_program.mjs"), str(PACKAGES)]
    return [str(MOTO_PYTHON), "-I", str(PROGRAMS / "moto_program.py"), ACCOUNT]
