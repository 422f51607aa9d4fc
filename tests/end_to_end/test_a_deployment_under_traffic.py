"""Devices publish while a pipeline is deployed, with a long pause between every two steps of it.

On AWS a step takes a minute and functions are updated one after the other; here it takes moments.
So a deployment waits after each step, and after each function, until messages that were published
since then have been staged and their batches have ended. Nobody runs a command afterwards.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from etl.aws.cloudformation import deployed_template
from etl.aws.target import Target
from etl.deployment.current_state import read_current_state
from etl.deployment.deploy import build_deployment
from etl.deployment.executor import DeploymentExecutor
from etl.deployment.laptop import create_database, laptop_settings, local_target, start_stand_ins
from etl.deployment.listener import Listener
from etl.deployment.steps import Step, deployment_steps
from etl.operations.publishing import FleetPlan, simulate
from etl.operations.reconciliation import Reconciliation, reconcile
from infrastructure.settings import TriggerMode
from local.stack import stop
from telemetry.errors import PermanentError, names_of
from telemetry.layout import outcome_key
from tests.end_to_end.test_an_outage_of_the_database_needs_no_operator import all_batches
from tests.fixtures.local import state_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

FLEET = Path("contracts/fleet.toml").read_text(encoding="utf-8")
COLUMN = '\n[columns.co2_ppm]\nfrom = "co2"\ntype = "integer"\nunit = "ppm"\n'
NARROW = FLEET.replace('[columns.seq]\ntype = "bigint"', '[columns.seq]\ntype = "integer"')
PATIENCE_SECONDS = 900
MOST_UNDER_WAY = 3
UPDATED = ["TransformFunction", "ValidateFunction", "LoadFunction"]
"""Those that a contract changes the work of; updated one by one, all others with the rest."""


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    with state_folder() as folder:
        try:
            start_stand_ins(folder, die_with_parent=True)
            yield folder
        finally:
            stop(folder)


class Traffic:
    """Devices that publish in rounds, each with its receipt, until they are stopped.

    A round waits while several batches are under way: a busy machine must not drown.
    """

    def __init__(self, publisher: Target) -> None:
        self.publisher = publisher
        self.receiver: Target | None = None
        self.rounds = 0
        self.failure: BaseException | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._publish)

    def _publish(self) -> None:
        contract = self.publisher.contract
        try:
            while not self._stopped.wait(0.5):
                if self._under_way() > MOST_UNDER_WAY:
                    continue
                plan = FleetPlan(
                    devices=1, rate=2, duration=2, readings_per_message=3, mess=0.05,
                    seed=self.rounds, name=self.publisher.stack,
                )  # fmt: skip
                simulate(self.publisher, contract, plan)
                self.rounds += 1
        except BaseException as error:
            self.failure = error

    def _under_way(self) -> int:
        if self.receiver is None:
            return 0
        return sum(not batch.outcomes for batch in all_batches(self.receiver))

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            self._thread.join()
        assert self.failure is None

    def pass_by(self, target: Target, *, deployed: bool) -> None:
        """Wait for a whole round, and for a batch that was staged since then to have ended."""
        before, deadline = self.rounds, time.monotonic() + PATIENCE_SECONDS
        self.receiver = target if deployed else None
        known = {batch.key for batch in all_batches(target)} if deployed else set()
        while self.rounds < before + 2 or (deployed and not self._ended(target, known)):
            assert time.monotonic() < deadline, "the traffic does not pass by"
            assert self.failure is None
            time.sleep(0.3)

    @staticmethod
    def _ended(target: Target, known: set[str]) -> bool:
        return any(batch.outcomes for batch in all_batches(target) if batch.key not in known)


class SlowDeployment(DeploymentExecutor):
    """Lets traffic pass by between any two changes."""

    traffic: Traffic
    order: list[str]
    done: list[str]

    def pause(self) -> None:
        deployed = "StateMachine" in self._deployed()
        # A fresh target: this one may have looked at the stack when it had no outputs.
        self.traffic.pass_by(replace(self.target, _clients={}), deployed=deployed)

    def execute(self, step: Step) -> None:
        self.pause()
        super().execute(step)
        self.done.append(step.kind)

    def _deployed(self) -> dict[str, object]:
        if not self._in_use():
            return {}
        found: dict[str, object] = deployed_template(self._formation, self.target.stack)[
            "Resources"
        ]
        return found

    def _core(self, step: Step) -> None:
        core = self._core_build()
        new = json.loads(core.template)["Resources"]
        if "StateMachine" in self._deployed():
            for name in self.order:
                one = deployed_template(self._formation, self.target.stack)
                one["Resources"][name] = new[name]
                self._apply(replace(core, template=json.dumps(one)), name)
                self.done.append(name)
                self.pause()
        super()._core(step)


def deploy(
    state: Path,
    stack: str,
    contract: Path,
    traffic: Traffic | None = None,
    order: list[str] = UPDATED,
    trigger: TriggerMode = "queue",
) -> Target:
    target = local_target(state, stack, start_stand_ins(state))
    settings = replace(
        laptop_settings(target, contract),
        trigger_mode=trigger,
        queue_window_seconds=3,
        sweep_expression="rate(1 minute)",
        schedule_expression="rate(1 day)",
    )
    create_database(target, settings)
    now = read_current_state(target, platform=False)
    build = build_deployment(target, settings, None, now)
    steps = deployment_steps(now)
    if traffic is None:
        DeploymentExecutor(target, build).run(steps)
    else:
        slow = SlowDeployment(target, build, Listener())
        slow.traffic, slow.order, slow.done = traffic, order, []
        slow.run(steps)
        slow.pause()
        assert slow.done.index("migrate") < slow.done.index("core")
    return local_target(state, stack, start_stand_ins(state))


def settled(target: Target) -> Reconciliation:
    """The reconciliation once the sweep has loaded what failed; no command is run."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = reconcile(target, 60.0)
        if not found.problems() or time.monotonic() > deadline:
            return found
        time.sleep(1)


def contract_file(folder: Path, stack: str, text: str) -> Path:
    path = folder / f"{stack}-{len(text)}.toml"
    path.write_text(text.replace("telemetry/fleet/+", f"telemetry/{stack}/+"), encoding="utf-8")
    return path


def test_a_first_deployment_with_devices_that_publish_already(state: Path, tmp_path: Path) -> None:
    """The devices are a neighbour's, whose topic the new pipeline takes, too."""
    contract = contract_file(tmp_path, "common", FLEET)
    # Its own messages stay in its queue.
    neighbour = deploy(state, "neighbour", contract, trigger="schedule")
    traffic = Traffic(neighbour)
    with traffic.running():
        target = deploy(state, "late", contract, traffic)
        traffic.pass_by(target, deployed=True)
    found = settled(target)
    assert found.problems() == []
    assert found.staged_messages == found.ledger.messages > 0
    assert {batch.status for batch in all_batches(target)} == {"loaded"}


@pytest.mark.parametrize(
    ("stack", "before", "after", "order"),
    [
        ("adds", FLEET, FLEET + COLUMN, UPDATED),
        ("adds-reversed", FLEET, FLEET + COLUMN, UPDATED[::-1]),
        ("widens", NARROW, FLEET, UPDATED),
        ("removes", FLEET + COLUMN, FLEET, UPDATED),
    ],
)
def test_a_change_of_the_contract_balances_without_a_command(
    state: Path, tmp_path: Path, stack: str, before: str, after: str, order: list[str]
) -> None:
    assert before != after
    traffic = Traffic(deploy(state, stack, contract_file(tmp_path, stack, before)))
    with traffic.running():
        target = deploy(state, stack, contract_file(tmp_path, stack, after), traffic, order)
    found = settled(target)
    assert found.problems() == []
    assert found.published_messages == found.staged_messages - found.messages.repeated > 0
    assert found.rows > 0
    # A busy machine may let a state time out; the table was never behind.
    assert errors(target).isdisjoint({"SchemaBehindError", *names_of(PermanentError)})


def errors(target: Target) -> set[str]:
    """Names of the errors of all batches that failed, even where the sweep has loaded them since."""
    s3, found = target.client("s3"), set()
    for batch in all_batches(target):
        for failure in batch.failures:
            key = outcome_key(batch.key, failure.execution, failure.status)
            body = s3.get_object(Bucket=target.bucket, Key=key)["Body"].read()
            found.add(str(json.loads(body)["error"]))
    return found
