"""The production template on this machine: start the stand-ins, deploy to them.

What differs from an account in AWS is who answers the calls: the deployment itself is
``workflow.deploy``, with layers built for this machine's interpreter and processor.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from local.stack import LocalStack, read, start
from workflow.settings import (
    DatabaseSettings,
    DeploySettings,
    TriggerMode,
    host_target,
)
from workflow.target import CONTRACT_KEY, DATABASE_CA_KEY, Target

__all__ = ["bring_up", "local_target"]

LAPTOP_CONCURRENCY = 2
OWNER_SECRET = "telemetry-etl/owner"  # noqa: S105 - the secret's name


def local_target(state: Path, stack: str, local: LocalStack) -> Target:
    """The target of a stack on this machine."""
    return Target(stack, local.region, None, state, local)


def bring_up(
    state: Path,
    stack: str,
    contract: Path,
    *,
    trigger: TriggerMode = "both",
    schedule: str = "rate(1 minute)",
    window: int = 5,
    sweep: str = "rate(1 minute)",
    tether: bool = False,
    told: Callable[[str], None] = lambda _: None,
) -> Target:
    """Start what is not running and deploy the contract's pipeline.

    ``tether`` ends the stand-ins with this process. ``told`` gets a line per phase. Raises
    ``ContractError`` for a contract that can't be read, before anything is started.
    """
    from telemetry.contract import load_contract
    from workflow.deploy import deploy

    load_contract(contract)
    if read(state) is None:
        told("starting PostgreSQL, the AWS emulator and the trace store")
        # The emulated account, S3 in it, begins anew, and S3 is the source of truth: a database
        # that remembers more than S3 could never be reconciled.
        shutil.rmtree(state / "postgres", ignore_errors=True)
    local = start(state, tether=tether)
    target = local_target(state, stack, local)
    settings = DeploySettings(
        stack=stack,
        contract=contract,
        database=DatabaseSettings(
            host=local.database.host,
            port=local.database.tls_port,
            name=local.database.name,
            ssl_mode="verify-full",
            ca_file=local.database.ca_file,
            owner_secret_arn=_owner_secret(target, local),
        ),
        target=host_target(),
        # The emulator starts a process for each function call in flight.
        max_concurrency=LAPTOP_CONCURRENCY,
        trigger_mode=trigger,
        schedule_expression=schedule,
        sweep_expression=sweep,
        queue_window_seconds=window,
        # Short, so that one sees the messages of a killed function come back.
        visibility_timeout_seconds=30,
        tuning={"DRAIN_SECONDS": "5", "SWEEP_GRACE_SECONDS": "20"},
        retain_data=False,
    )
    deploy(target.session, settings, told, endpoint_url=local.endpoint_url)
    target.client("s3").put_object(
        Bucket=target.bucket, Key=CONTRACT_KEY, Body=contract.read_bytes()
    )
    if settings.database.ca_file is not None:
        target.client("s3").put_object(
            Bucket=target.bucket, Key=DATABASE_CA_KEY, Body=settings.database.ca_file.read_bytes()
        )
    return target


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
