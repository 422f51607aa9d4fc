"""One deployed pipeline for each test module: real MQTT, real workflow, real PostgreSQL."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.stack import stop
from workflow.cli.data import settle
from workflow.laptop import bring_up
from workflow.reconcile import Reconciliation
from workflow.target import Target

BringUp = Callable[[Path], Target]


@pytest.fixture(scope="module")
def pipeline(request: pytest.FixtureRequest) -> Iterator[Target]:
    """A pipeline of the module's ``CONTRACT`` and ``TRIGGER``, in a path with a space."""
    state = Path(tempfile.mkdtemp(prefix="etl state ")) / ".local"
    module = request.module
    try:
        yield bring_up(
            state,
            "end-to-end",
            Path(module.CONTRACT),
            trigger=getattr(module, "TRIGGER", "queue"),
            schedule="rate(1 minute)",
            window=getattr(module, "WINDOW", 1),
            tether=True,
        )
    finally:
        stop(state)
        shutil.rmtree(state.parent, ignore_errors=True)


def account(target: Target, seconds: float = 120.0) -> Reconciliation:
    """The reconciliation once nothing is under way."""
    return settle(target, seconds)
