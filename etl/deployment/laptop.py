"""The production template on this machine: start the stand-ins, deploy to them.

What differs from an account in AWS is who answers the calls: the deployment itself is
``etl.deployment.deploy``, with layers built for this machine's interpreter and processor.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from etl.aws.target import DEFAULT_STACK, NoStackError, Target
from infrastructure.settings import DatabaseSettings, DeploySettings, TriggerMode
from layers.target import host_target
from local.postgres import ensure_database
from local.stack import LocalStack, read, start

__all__ = ["bring_up", "deploy_here", "laptop_settings", "local_target", "start_stand_ins"]

LAPTOP_CONCURRENCY = 2
LAPTOP_WINDOW_SECONDS = 5
OWNER_SECRET = "telemetry-etl/owner"  # noqa: S105 - the secret's name


def local_target(state: Path, stack: str, local: LocalStack) -> Target:
    """The target of a stack on this machine."""
    return Target(stack, local.region, None, state, local)


def start_stand_ins(
    state: Path, *, tether: bool = False, told: Callable[[str], None] = lambda _: None
) -> LocalStack:
    """PostgreSQL, the emulated account and the trace store, started where they don't run.

    ``tether`` ends them with this process.
    """
    if read(state) is None:
        told("starting PostgreSQL, the AWS emulator and the trace store")
        # The emulated account, S3 in it, begins anew, and S3 is the source of truth: a database
        # that remembers more than S3 could never be reconciled.
        shutil.rmtree(state / "postgres", ignore_errors=True)
    return start(state, die_with_parent=tether)


def laptop_settings(target: Target, contract: Path) -> DeploySettings:
    """Settings by which a pipeline suits this machine; everything else is as in production."""
    local = _running(target)
    return DeploySettings(
        stack=target.stack,
        contract=contract,
        database=DatabaseSettings(
            host=local.database.host,
            port=local.database.tls_port,
            name=_database_name(target.stack, local),
            ssl_mode="verify-full",
            ca_file=local.database.ca_file,
            owner_secret_arn=_owner_secret(target, local),
        ),
        target=host_target(),
        # The emulator starts a process for each function call in flight.
        max_concurrency=LAPTOP_CONCURRENCY,
        sweep_expression="rate(1 minute)",
        queue_window_seconds=LAPTOP_WINDOW_SECONDS,
        # Short, so that one sees the messages of a killed function come back.
        visibility_timeout_seconds=30,
        tuning={"DRAIN_SECONDS": "5", "SWEEP_GRACE_SECONDS": "20"},
        retain_data=False,
    )


def deploy_here(
    target: Target, settings: DeploySettings, told: Callable[[str], None] = lambda _: None
) -> None:
    """Deploy to the stand-ins, with a database of the pipeline's own."""
    from etl.deployment.deploy import deploy

    local = _running(target)
    ensure_database(local.database, settings.database.name)
    deploy(target.session, settings, told, endpoint_url=local.endpoint_url)


def bring_up(
    state: Path,
    stack: str,
    contract: Path,
    *,
    trigger: TriggerMode = "both",
    schedule: str = "rate(1 minute)",
    window: int = LAPTOP_WINDOW_SECONDS,
    sweep: str = "rate(1 minute)",
    tether: bool = False,
    told: Callable[[str], None] = lambda _: None,
) -> Target:
    """Start what is not running and deploy the contract's pipeline.

    ``tether`` ends the stand-ins with this process. ``told`` gets a line per phase. Raises
    ``ContractError`` for a contract that can't be read, before anything is started.
    """
    from telemetry.contract import load_contract

    load_contract(contract)
    local = start_stand_ins(state, tether=tether, told=told)
    target = local_target(state, stack, local)
    settings = replace(
        laptop_settings(target, contract),
        trigger_mode=trigger,
        schedule_expression=schedule,
        sweep_expression=sweep,
        queue_window_seconds=window,
    )
    deploy_here(target, settings, told)
    return target


def _running(target: Target) -> LocalStack:
    if target.local is None:
        raise NoStackError("Nothing runs on this machine. Start it with `etl up`.")
    return target.local


def _database_name(stack: str, local: LocalStack) -> str:
    """The stack's database: the usual pipeline has the server's, others one of their own.

    The ledger is a database's: two pipelines in one would count each other's readings.
    """
    return local.database.name if stack == DEFAULT_STACK else stack.lower().replace("-", "_")


def _owner_secret(target: Target, local: LocalStack) -> str:
    """ARN of the secret with the database owner's login, written when it is not there."""
    client = target.client("secretsmanager")
    login = json.dumps(
        {
            "username": local.database.owner,
            "password": Path(local.database.owner_password_file).read_text().strip(),
        }
    )
    try:
        return str(client.create_secret(Name=OWNER_SECRET, SecretString=login)["ARN"])
    except client.exceptions.ResourceExistsException:
        return str(client.put_secret_value(SecretId=OWNER_SECRET, SecretString=login)["ARN"])
