"""Deploys the production template to this machine's stand-ins.

Only the receiver of the calls differs from an account in AWS: the deployment itself is
:func:`etl.deployment.deploy.deploy`, with layers built for this machine's Python and processor.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from etl.aws.target import DEFAULT_STACK, NoStackError, Target
from infrastructure.setting_fields import settings_of
from infrastructure.settings import DatabaseSettings, DeploySettings, TriggerMode
from layers.notify import Notify, silent
from layers.target import host_target
from local.postgres import ensure_database
from local.stack import LocalStack, read, start

__all__ = ["bring_up", "create_database", "laptop_settings", "local_target", "start_stand_ins"]

OWNER_SECRET = "telemetry-etl/owner"  # noqa: S105 - the secret's name


def local_target(state: Path, stack: str, local: LocalStack) -> Target:
    """Return the target of a stack on this machine."""
    return Target(stack, local.region, None, state, local)


def start_stand_ins(
    state: Path, *, die_with_parent: bool = False, notify: Notify = silent
) -> LocalStack:
    """Start PostgreSQL, the AWS emulator and the trace store where they don't run.

    ``die_with_parent`` ends them with this process.
    """
    if read(state) is None:
        notify("starting PostgreSQL, the AWS emulator and the trace store")
        # The emulator starts with an empty S3, the source of truth: a database with rows from
        # before could never be reconciled.
        shutil.rmtree(state / "postgres", ignore_errors=True)
    return start(state, die_with_parent=die_with_parent)


def laptop_settings(target: Target, contract: Path) -> DeploySettings:
    """Return the settings that suit this machine; everything else is as in production."""
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
        tuning={"DRAIN_SECONDS": "5", "SWEEP_GRACE_SECONDS": "20"},
        **_local_values(),
    )


def create_database(target: Target, settings: DeploySettings) -> None:
    """Create the pipeline's database on this machine where it is missing; nothing on AWS."""
    if target.local is not None:
        ensure_database(target.local.database, settings.database.name)


def bring_up(
    state: Path,
    stack: str,
    contract: Path,
    *,
    trigger: TriggerMode | None = None,
    schedule: str | None = None,
    window: int | None = None,
    sweep: str | None = None,
    die_with_parent: bool = False,
    notify: Notify = silent,
) -> Target:
    """Start what is not running and deploy the contract's pipeline. ``None``: the local default.

    ``die_with_parent`` ends the stand-ins with this process. Raises
    ``ContractError`` for a contract that can't be read, before anything is started.
    """
    from etl.deployment.deploy import deploy
    from telemetry.contract import load_contract

    load_contract(contract)
    local = start_stand_ins(state, die_with_parent=die_with_parent, notify=notify)
    target = local_target(state, stack, local)
    chosen: dict[str, Any] = {
        "trigger_mode": trigger,
        "schedule_expression": schedule,
        "sweep_expression": sweep,
        "queue_window_seconds": window,
    }
    settings = replace(
        laptop_settings(target, contract),
        **{name: value for name, value in chosen.items() if value is not None},
    )
    create_database(target, settings)
    deploy(target, settings, notify=notify)
    return target


def _running(target: Target) -> LocalStack:
    if target.local is None:
        raise NoStackError("Nothing runs on this machine. Start it with `etl up`.")
    return target.local


def _local_values() -> dict[str, Any]:
    """Values on the emulator, of the settings that have another one there."""
    return {one.path[0]: one.local for one in settings_of(DeploySettings) if one.local is not None}


def _database_name(stack: str, local: LocalStack) -> str:
    """Name the stack's database: the default pipeline has the server's, every other one its own.

    A database has one ledger: two pipelines in it would count each other's readings.
    """
    return local.database.name if stack == DEFAULT_STACK else stack.lower().replace("-", "_")


def _owner_secret(target: Target, local: LocalStack) -> str:
    """Write the database owner's login into a secret and return its ARN."""
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
