"""Deploys the production template to this machine's stand-ins.

Only the receiver of the calls differs from an account in AWS: the deployment itself is
:func:`etl.deployment.deploy.deploy`, with layers built for this machine's Python and processor.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.aws.contract_objects import contract_text, contracts_in_force, further_names
from etl.aws.target import DEFAULT_STACK, NoStackError, Target
from etl.deployment.kept_customization import KeptCustomization, kept_customization
from infrastructure.names import SECRET_OUTPUT
from infrastructure.setting_fields import settings_of
from infrastructure.settings import (
    DEFAULT_CONTRACT,
    DatabaseSettings,
    Delivery,
    DeploySettings,
    TriggerMode,
)
from layers.notify import Notify, silent
from layers.target import host_target
from local.database import ensure_database
from local.emulator.launcher import ensure_environment
from local.stack import LocalStack, has_data, read, start
from telemetry.errors import UserError
from telemetry.metric_table import Level

if TYPE_CHECKING:
    from telemetry.contract import ContractSet

__all__ = [
    "ContractSwitchError",
    "bring_up",
    "create_database",
    "deployed_contracts",
    "laptop_settings",
    "local_target",
    "start_stand_ins",
    "switch_question",
]


class ContractSwitchError(UserError):
    """Raised where a deployment would switch a stack to another contract, or take one away, without
    consent."""

    def __init__(self, question: str, *, several: bool) -> None:
        hint = (
            "If that is what you want, say so with --yes; to keep them all, name the file of each: "
            "`etl up --contract FILE --contract FILE`."
            if several
            else "To switch, say so with `etl up --contract FILE --yes`; to run both, name both "
            "files, that of the one that runs first: `etl up --contract FILE --contract FILE`; or "
            "give the new one a stack of its own with `etl --stack NAME up --contract FILE`."
        )
        super().__init__(f"{question} {hint}")


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
        ensure_environment(notify)
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
    further: Sequence[Path] = (),
    switch: Callable[[str], bool] = lambda _question: False,
    trigger: TriggerMode | None = None,
    schedule: str | None = None,
    window: int | None = None,
    delivery: Delivery | None = None,
    sweep: str | None = None,
    observability: Level | None = None,
    channels: bool | None = None,
    additions: KeptCustomization | None = None,
    die_with_parent: bool = False,
    notify: Notify = silent,
) -> Target:
    """Start what is not running and deploy the contract's pipeline. ``None``: the local default.

    Without a contract the stack keeps those that it runs, or gets the example fleet's; ``further``:
    contracts after the first one. Where it runs another one, ``switch`` is asked, and
    :class:`ContractSwitchError` raised unless it agrees.
    ``additions``: what adds states to the workflow; ``None``: as it runs.
    ``channels``: whether to post notifications to channels; ``None``: as it runs.
    ``die_with_parent`` ends the stand-ins with this process. Raises ``ContractError`` for a
    contract that can't be read, before anything is started, and ``CustomizationError`` where the
    file that customizes the workflow now is gone.
    """
    from etl.deployment.deploy import deploy
    from etl.deployment.pipeline_contracts import check_first, read_contracts

    wanted = read_contracts((contract, *further)) if contract is not None else None
    local = start_stand_ins(state, die_with_parent=die_with_parent, notify=notify)
    target = local_target(state, stack, local)
    now = local_target(state, stack, local)  # of its own: what it reads is old once deployed
    running = deployed_contracts(now)
    if wanted is not None and running is not None:
        check_first(running, wanted, replace_first=True)  # the question says what that means
        question = switch_question(stack, running, wanted)
        if question and not switch(question):
            raise ContractSwitchError(question, several=len(running) > 1)
    if additions is None:
        additions = KeptCustomization() if running is None else kept_customization(now)
    if contract is None:
        contract, *further = [DEFAULT_CONTRACT] if running is None else _copies(now, running)
    chosen: dict[str, Any] = {
        "observability": observability,
        "trigger_mode": trigger,
        "schedule_expression": schedule,
        "sweep_expression": sweep,
        "queue_window_seconds": window,
        "queue_delivery": delivery,
        "channels": _has_channels(now) if channels is None else channels,
        "customization": additions.customization,
        "own_functions": additions.own_functions,
    }
    settings = replace(
        laptop_settings(target, contract, *further),
        **{name: value for name, value in chosen.items() if value is not None},
    )
    create_database(target, settings)
    deploy(target, settings, notify=notify)
    return target


def deployed_contracts(target: Target) -> ContractSet | None:
    """The contracts that a stack on this machine runs; ``None`` where it is not deployed."""
    from botocore.exceptions import ClientError

    try:
        return contracts_in_force(target.client("s3"), target.bucket, further_names(target.outputs))
    except (NoStackError, KeyError):
        return None
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            return None
        raise


def switch_question(stack: str, running: ContractSet, wanted: ContractSet) -> str:
    """Say what switching a stack to these contracts means; empty where it keeps what it runs."""
    effects = list(_effects(running, wanted))
    if not effects:
        return ""
    names = " and ".join(f"'{name}'" for name in running.names)
    kind = "contract" if len(running) == 1 else "contracts"
    return f"The stack '{stack}' runs the {kind} {names}. {' '.join(effects)}"


def _effects(running: ContractSet, wanted: ContractSet) -> Iterator[str]:
    """Sentences about the messages and tables of the contracts that change or go."""
    old, new = running.first, wanted.first
    if (old.name, old.table) != (new.name, new.table):
        yield (
            f"With '{new.name}' the messages that wait, and all later ones, are read by the new "
            f"contract and go to the table {new.table}; {old.table} keeps its rows."
        )
    later = {one.name: one for one in wanted}
    for one in running.further:
        if one.name not in later:
            yield (
                f"Without '{one.name}' its messages that wait become rejects with the reason "
                f"no_contract; {one.table} keeps its rows."
            )
        elif one.table != later[one.name].table and one.name != new.name:
            yield (
                f"Messages of '{one.name}' go to the table {later[one.name].table}; {one.table} "
                "keeps its rows."
            )


def _has_channels(target: Target) -> bool:
    try:
        return SECRET_OUTPUT in target.outputs
    except NoStackError:
        return False


def _copies(target: Target, running: ContractSet) -> list[Path]:
    """Write the contracts that a stack runs to the state folder, with the files that they name."""
    folder, files = target.state / "contracts", []
    for contract in running:
        own = folder / target.stack
        if contract is not running.first:
            own = folder / f"{target.stack}.further" / contract.name
        own.mkdir(parents=True, exist_ok=True)
        for name, content in contract.files:
            (own / name).write_bytes(content)
        files.append(own / f"{target.stack}.toml")
        text = contract_text(target.client("s3"), target.bucket, running.key_name(contract))
        files[-1].write_bytes(text)
    return files


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
