"""A pipeline deployed to the emulator of the session, without a database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from etl.aws.target import Target
from etl.deployment.deploy import deploy
from infrastructure.settings import DatabaseSettings, DeploySettings
from layers.target import host_target
from local.stack import LocalStack
from tests.fixtures.local import EmulatorStack

FLEET = Path("contracts/fleet.toml")


@dataclass(frozen=True)
class Account:
    """The emulated account, and how to deploy to it."""

    emulator: EmulatorStack
    settings: DeploySettings

    def client(self, service: str) -> Any:
        return self.emulator.client(service)

    def target(self, stack: str) -> Target:
        # The emulator alone, which is all that a deployment without a database asks for.
        return Target(stack, local=cast(LocalStack, self.emulator))

    def deploy(self, *, migrate: bool = False, **changes: Any) -> tuple[dict[str, str], list[str]]:
        """Deploy with changed settings; the outputs, and what was told."""
        told: list[str] = []
        settings = replace(self.settings, **changes)
        target = self.target(settings.stack)
        found = deploy(target, settings, notify=told.append, migrate=migrate)
        return found, told


@pytest.fixture(scope="session")
def account(emulator: EmulatorStack) -> Account:
    secrets = emulator.client("secretsmanager")
    secret = secrets.create_secret(Name="owner", SecretString='{"username":"o","password":"p"}')
    settings = DeploySettings(
        stack="deploying",
        contract=FLEET,
        # Nobody listens on port 9, the discard service: a refused connection, at once.
        database=DatabaseSettings(
            host="127.0.0.1", port=9, ssl_mode="require", owner_secret_arn=secret["ARN"]
        ),
        target=host_target(),
        termination_protection=False,
        stack_policy=False,
        max_concurrency=2,
        trigger_mode="both",
        queue_delivery="mapping",
        schedule_expression="rate(1 day)",
        retain_data=False,
        observability="full",
    )
    return Account(emulator, settings)


@pytest.fixture(scope="session")
def deployed(account: Account) -> dict[str, str]:
    """Outputs of a stack that tests may look at but not change."""
    found, _ = account.deploy(stack="standing")
    return found
