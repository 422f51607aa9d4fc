"""The stack of the game day, and what rehearsals do with it: publish, deploy, wait, count."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from etl.aws.target import DEFAULT_STACK, Target
from etl.deployment.laptop import bring_up, deployed_contracts, local_target
from etl.operations.batches import Batch, batches_between
from etl.operations.publishing import publish_file
from etl.operations.receipts import Receipt
from etl.rehearsals.model import RehearsalError, Step
from infrastructure.settings import DEFAULT_CONTRACT
from layers.notify import Notify, silent
from local.stack import read
from telemetry.contract import load_contract

__all__ = ["BASE_CONTRACT", "PATIENCE_SECONDS", "Scene", "measurements"]

PATIENCE_SECONDS = 300.0
"""Longest wait for a symptom. A failure shows in seconds on a quiet machine."""
POLL_SECONDS = 0.5
WINDOW_SECONDS = 2
_TIME_COLUMN = '[columns.ts]\ntype = "timestamp"\n'
_numbers = count()


def _base_contract() -> str:
    """The example fleet's contract, with limits for the clocks of devices."""
    text = DEFAULT_CONTRACT.read_text(encoding="utf-8")
    limits = 'max_age = "30d"\nmax_future = "1h"\n'
    return text.replace(_TIME_COLUMN, _TIME_COLUMN + limits)


BASE_CONTRACT = _base_contract()


def measurements(number: int, **members: Any) -> list[dict[str, Any]]:
    """Readings with times of their own, of now; a further member may be a function of the place."""
    now = datetime.now(UTC) - timedelta(minutes=1)
    return [
        {
            "ts": (now + timedelta(milliseconds=next(_numbers) * 5)).isoformat(),
            "seq": place,
            "temperature_c": 20.5,
            **{name: value(place) if callable(value) else value for name, value in members.items()},
        }
        for place in range(number)
    ]


class Scene:
    """One stack in a state folder of its own."""

    def __init__(self, state: Path, notify: Notify = silent) -> None:
        self.state = state.absolute()
        self.notify = notify
        self._target: Target | None = None

    def start(self, *, die_with_parent: bool = False) -> None:
        """Start the stack, and deploy it where it isn't as the rehearsals need it."""
        local = read(self.state)
        if local is not None:
            self._target = local_target(self.state, DEFAULT_STACK, local)
            if self._is_as_needed():
                return
        self._target = bring_up(
            self.state,
            DEFAULT_STACK,
            self.contract("game-day", BASE_CONTRACT),
            switch=lambda _question: True,
            window=WINDOW_SECONDS,
            die_with_parent=die_with_parent,
            notify=self.notify,
        )

    @property
    def target(self) -> Target:
        """The deployed pipeline. Valid once started."""
        assert self._target is not None, "the stack of the game day is not started"  # noqa: S101
        return self._target

    def contract(self, name: str, text: str) -> Path:
        """Write a contract into the state folder and return its path."""
        return self.write(f"{name}.toml", text)

    def write(self, name: str, text: str) -> Path:
        """Write a file of the rehearsals into the state folder and return its path."""
        folder = self.state / "rehearsals"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = folder / name
        file.write_text(text, encoding="utf-8")
        return file

    def write_messages(
        self, name: str, device: str, messages: Iterable[list[dict[str, Any]]]
    ) -> Path:
        """Write messages of a device, each a list of readings, as a file to publish."""
        lines = [json.dumps({"device_id": device, "readings": one}) for one in messages]
        return self.write(f"{name}.ndjson", "\n".join(lines) + "\n")

    def send(self, name: str, device: str, messages: Iterable[list[dict[str, Any]]]) -> Receipt:
        """Write messages of a device as a file of that name, and publish it."""
        return self.publish(self.write_messages(name, device, messages), device)

    def publish(self, file: Path, device: str) -> Receipt:
        """Publish a file as one device does: over MQTT, with its certificate."""
        # By the contract that is deployed now; the target remembers the one of before.
        fresh = self.fresh_target()
        receipt = publish_file(fresh, fresh.contract, file, device=device)
        self.notify(f"published {receipt.messages:,} messages, {receipt.readings:,} readings")
        return receipt

    def fresh_target(self) -> Target:
        """The pipeline without what was remembered of an earlier deployment."""
        old = self.target
        return Target(old.stack, old.region, old.profile, old.state, old.local)

    def batches(self) -> Iterator[Batch]:
        """The batches of today and yesterday."""
        today = datetime.now(UTC).date()
        yield from batches_between(self.target, today - timedelta(days=1), today)

    def await_status(self, status: str, what: str) -> None:
        """Wait until a batch has this status."""
        self.wait(what, lambda: any(one.status == status for one in self.batches()))

    def wait(self, what: str, met: Callable[[], bool]) -> None:
        """Poll until a condition holds. Raises :class:`RehearsalError` after five minutes."""
        if met():
            return
        self.notify(f"waiting until {what}")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not met():
            if time.monotonic() > deadline:
                raise RehearsalError(f"Waited {PATIENCE_SECONDS:.0f} s in vain until {what}.")
            time.sleep(POLL_SECONDS)

    def etl(self, *arguments: str) -> Step:
        """A step that is a command of ours, on this stack."""
        return Step(shlex.join(("etl", *arguments)), lambda: self.run_etl(*arguments))

    def run_etl(self, *arguments: str) -> int:
        """Run a command of ours on this stack; return its exit status."""
        command = [sys.executable, "-m", "etl.cli.main", "--state", str(self.state)]
        sys.stdout.flush()
        chosen = {"ETL_STACK", "ETL_REGION", "ETL_PROFILE", "ETL_STATE"}
        environment = {name: value for name, value in os.environ.items() if name not in chosen}
        return subprocess.run([*command, *arguments], env=environment, check=False).returncode

    def redeploy(self) -> None:
        """Deploy the contract and the triggers of the game day again, where they are others."""
        self.start()

    def _is_as_needed(self) -> bool:
        target = self.fresh_target()
        running = deployed_contracts(target)
        base = load_contract(self.contract("game-day", BASE_CONTRACT))
        return (
            running is not None
            and [one.digest for one in running] == [base.digest]
            and target.parameters["TriggerMode"] == "both"
        )
