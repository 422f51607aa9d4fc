"""Deploys the production template to this machine's stand-ins.

Only the receiver of the calls differs from an account in AWS: the deployment itself is
:func:`etl.deployment.deploy.deploy`, with layers built for this machine's Python and processor.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.aws.contract_objects import CONTRACT_KEY
from etl.aws.target import DEFAULT_STACK, NoStackError, Target
from infrastructure.names import SECRET_OUTPUT
from infrastructure.setting_fields import settings_of
from infrastructure.settings import (
    DEFAULT_CONTRACT,
    DatabaseSettings,
    DeploySettings,
    TriggerMode,
)
from layers.notify import Notify, silent
from layers.target import host_target
from local.database import ensure_database
from local.stack import LocalStack, has_data, read, start
from telemetry.errors import UserError

if TYPE_CHECKING:
    from telemetry.contract.model import Contract

__all__ = [
    "ContractSwitchError",
    "bring_up",
    "create_database",
    "deployed_contract",
    "laptop_settings",
    "local_target",
    "start_stand_ins",
    "switch_question",
]


class ContractSwitchError(UserError):
    """Raised where a deployment would switch a stack to another contract without consent."""

    def __init__(self, question: str) -> None:
        super().__init__(
            f"{question} To switch, say so with `etl up --contract FILE --yes`; to run both, give "
            "the new one a stack of its own with `etl --stack NAME up --contract FILE`."
        )


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
        again = ", with the data of the last time" if has_data(state) else ""
        notify(f"starting PostgreSQL, the AWS emulator and the trace store{again}")
    return start(state, die_with_parent=die_with_parent)


def laptop_settings(target: Target, contract: Path, *further: Path) -> DeploySettings:
    """Return the settings that suit this machine; everything else is as in production."""
    local = _running(target)
    return DeploySettings(
        stack=target.stack,
        contract=contract,
        further_contracts=further,
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
    contract: Path | None,
    *,
    switch: Callable[[str], bool] = lambda _question: False,
    trigger: TriggerMode | None = None,
    schedule: str | None = None,
    window: int | None = None,
    sweep: str | None = None,
    channels: bool | None = None,
    die_with_parent: bool = False,
    notify: Notify = silent,
) -> Target:
    """Start what is not running and deploy the contract's pipeline. ``None``: the local default.

    Without a contract the stack keeps the one that it runs, or gets the example fleet's. Where it
    runs another one, ``switch`` is asked, and :class:`ContractSwitchError` raised unless it agrees.
    ``channels``: whether to post notifications to channels; ``None``: as it runs.
    ``die_with_parent`` ends the stand-ins with this process. Raises ``ContractError`` for a
    contract that can't be read, before anything is started.
    """
    from etl.deployment.deploy import deploy
    from telemetry.contract import load_contract

    wanted = load_contract(contract) if contract is not None else None
    local = start_stand_ins(state, die_with_parent=die_with_parent, notify=notify)
    target = local_target(state, stack, local)
    now = local_target(state, stack, local)  # of its own: what it reads is old once deployed
    running = deployed_contract(now)
    if wanted is not None and running is not None:
        question = switch_question(stack, running, wanted)
        if question and not switch(question):
            raise ContractSwitchError(question)
    if contract is None:
        contract = DEFAULT_CONTRACT if running is None else _copy_of_contract(now)
    chosen: dict[str, Any] = {
        "trigger_mode": trigger,
        "schedule_expression": schedule,
        "sweep_expression": sweep,
        "queue_window_seconds": window,
        "channels": _has_channels(now) if channels is None else channels,
    }
    settings = replace(
        laptop_settings(target, contract),
        **{name: value for name, value in chosen.items() if value is not None},
    )
    create_database(target, settings)
    deploy(target, settings, notify=notify)
    return target


def deployed_contract(target: Target) -> Contract | None:
    """The contract that a stack on this machine runs; ``None`` where it is not deployed."""
    from botocore.exceptions import ClientError

    try:
        return target.contract
    except (NoStackError, KeyError):
        return None
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket"):
            return None
        raise


def switch_question(stack: str, running: Contract, wanted: Contract) -> str:
    """Say what switching a stack to a contract means; empty where it is the contract it runs."""
    if (running.name, running.table) == (wanted.name, wanted.table):
        return ""
    return (
        f"The stack '{stack}' runs the contract '{running.name}'. With '{wanted.name}' the "
        "messages that wait, and all later ones, are read by the new contract and go to the table "
        f"{wanted.table}; {running.table} keeps its rows."
    )


def _has_channels(target: Target) -> bool:
    try:
        return SECRET_OUTPUT in target.outputs
    except NoStackError:
        return False


def _copy_of_contract(target: Target) -> Path:
    """Write the contract that a stack runs to the state folder, with the files that it names."""
    body = target.client("s3").get_object(Bucket=target.bucket, Key=CONTRACT_KEY)["Body"].read()
    folder = target.state / "contracts" / target.stack
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in target.contract.files:
        (folder / name).write_bytes(content)
    file = folder / f"{target.stack}.toml"
    file.write_bytes(body)
    return file


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
