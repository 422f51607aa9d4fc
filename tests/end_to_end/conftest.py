"""One deployed pipeline for each test module: real MQTT, real workflow, real PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from etl.aws.target import Target
from etl.deployment.laptop import bring_up
from etl.operations.reconciliation import Reconciliation, reconcile
from local.stack import stop
from tests.fixtures.local import state_folder


@pytest.fixture(scope="module")
def pipeline(request: pytest.FixtureRequest) -> Iterator[Target]:
    """A pipeline of the module's ``CONTRACT`` and ``TRIGGER``, in a path with a space."""
    module = request.module
    with state_folder() as state:
        try:
            yield bring_up(
                state,
                "end-to-end",
                Path(module.CONTRACT),
                trigger=getattr(module, "TRIGGER", "queue"),
                schedule="rate(1 day)",
                window=getattr(module, "WINDOW", 1),
                # Rarely, so that nothing else repairs what a test looks at.
                sweep=getattr(module, "SWEEP", "rate(1 day)"),
                die_with_parent=True,
            )
        finally:
            stop(state)


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    """A folder for the laptop of one file of tests, whose servers are stopped at its end."""
    with state_folder() as folder:
        try:
            yield folder
        finally:
            stop(folder)


def pipeline_by_queue(state: Path, stack: str, contract: Path) -> Target:
    """The stack with this contract, in place of the one before; only the queue starts executions."""
    return bring_up(
        state,
        stack,
        contract,
        switch=lambda _question: True,
        trigger="queue",
        schedule="rate(1 day)",
        sweep="rate(1 day)",
        window=1,
        die_with_parent=True,
    )


def account(target: Target, seconds: float = 240.0) -> Reconciliation:
    """The reconciliation once nothing is under way."""
    return reconcile(target, seconds)


@contextmanager
def killing_one(target: Target, function: str) -> Iterator[list[int]]:
    """Kill (SIGKILL) one process of a function while it works; yields the list of the killed."""
    assert target.local is not None
    emulator = target.local.processes["emulator"].find()
    assert emulator is not None
    killed: list[int] = []
    enough = threading.Event()

    def hunt() -> None:
        used: dict[int, float] = {}
        while not enough.is_set() and not killed:
            for process in emulator.children(recursive=True):
                # A process that burns time between two looks is in the middle of a call.
                if _serves(process, function) and _has_worked(process, used):
                    with suppress(psutil.NoSuchProcess):  # it has ended by itself meanwhile
                        process.kill()
                        killed.append(process.pid)
                        return
            time.sleep(0.002)

    hunter = threading.Thread(target=hunt)
    hunter.start()
    try:
        yield killed
    finally:
        enough.set()
        hunter.join()


def _serves(process: psutil.Process, function: str) -> bool:
    try:
        return process.environ().get("AWS_LAMBDA_FUNCTION_NAME", "").endswith(f"-{function}")
    except psutil.Error:
        return False


def _has_worked(process: psutil.Process, used: dict[int, float]) -> bool:
    try:
        now = sum(process.cpu_times()[:2])
    except psutil.Error:
        return False
    return now > used.setdefault(process.pid, now)


def shorten_grace(target: Target) -> None:
    """Make the sweep treat a batch as left over at once."""
    client, name = target.client("lambda"), target.outputs["SweepFunctionName"]
    variables = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    client.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**variables, "SWEEP_GRACE_SECONDS": "0"}}
    )
