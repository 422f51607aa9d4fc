"""Turns entered values into the settings of the stacks: where, what, and with which platform."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etl.aws.target import DEFAULT_STACK
from etl.deployment.settings_file import EnteredSettings, SettingsError
from infrastructure.platform.settings import PlatformSettings
from infrastructure.role_settings import RoleSettings
from infrastructure.setting_fields import settings_of
from infrastructure.settings import CA_BUNDLE, DEFAULT_CONTRACT, DatabaseSettings, DeploySettings
from telemetry.manifest import MOST_DRAINS

__all__ = [
    "PLATFORM_PART",
    "PipelineSettings",
    "aws_settings",
    "platform_settings",
    "platform_stack",
]

PLATFORM_PART = "platform"
NOT_LOCAL = ("database.", "iam.", "network.", "runtime.", "platform")
"""Beginnings of keys that the emulator of this machine ignores, as it brings its own."""
LAST_BATCHES_SECONDS = 660
"""Time of a drain loop's execution beside its interval: a start that comes early waits a minute,
and the batches of the last drain take a while."""
STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,31}")
STACK_NAME_RULE = (
    "a stack's name begins with a letter and has letters, digits and hyphens, 32 at most, because "
    "everything in the stack is named after it, and CloudFormation cuts names that grow too long"
)


@dataclass(frozen=True)
class PipelineSettings:
    """Settings as entered, and what follows from them."""

    entered: EnteredSettings

    @property
    def values(self) -> Mapping[str, Any]:
        """Values by key."""
        return self.entered.values

    @property
    def stack(self) -> str:
        """Name of the core stack. Raises :class:`SettingsError` where CloudFormation refuses it."""
        name: str = self.values.get("stack", DEFAULT_STACK)
        if not STACK_NAME.fullmatch(name):
            raise SettingsError(f"stack: {name!r} can't be used: {STACK_NAME_RULE}.")
        return name

    @property
    def contracts(self) -> tuple[Path, ...]:
        """Files of the contracts, the first one's first."""
        several: tuple[Path, ...] = self.values.get("contracts", ())
        return several or (self.values.get("contract", DEFAULT_CONTRACT),)

    @property
    def roles(self) -> RoleSettings:
        """Boundary and path of the stacks' roles."""
        found = RoleSettings()
        for setting in settings_of(RoleSettings):
            if setting.key in self.values:
                found = _with(found, setting.path, self.values[setting.key])
        return found

    @property
    def own_functions(self) -> dict[str, str]:
        """Functions of the user's own, by name."""
        return self._free("own_functions")

    @property
    def has_platform(self) -> bool:
        """True where the settings ask for a platform stack."""
        return any(
            key == PLATFORM_PART or key.startswith(f"{PLATFORM_PART}.") for key in self.values
        )

    def applied_to(self, base: DeploySettings, *, local: bool = False) -> DeploySettings:
        """The base with every entered value; ``local``: without those that the emulator ignores."""
        changed = base
        for setting in settings_of(DeploySettings):
            if setting.key in self.values and not (local and _is_ignored(setting.key)):
                changed = _with(changed, setting.path, self.values[setting.key])
        first, *further = self.contracts
        return replace(
            changed,
            contract=first,
            further_contracts=tuple(further),
            tuning={**base.tuning, **self._free("tuning")},
            own_functions={**base.own_functions, **self.own_functions},
            tags={**base.tags, **self._free("tags")},
        )

    def ignored_locally(self) -> list[str]:
        """Entered keys that the emulator of this machine ignores."""
        return [key for key in self.values if _is_ignored(key)]

    def _free(self, table: str) -> dict[str, str]:
        start = f"{table}."
        return {k.removeprefix(start): v for k, v in self.values.items() if k.startswith(start)}


def _is_ignored(key: str) -> bool:
    return key.startswith(NOT_LOCAL) and key != "database.loader_connections"


def platform_stack(stack: str) -> str:
    """Name of the platform stack beside a core stack."""
    return f"{stack}-platform"


def aws_settings(pipeline: PipelineSettings) -> DeploySettings:
    """Settings of the core stack in an AWS account, without the platform's outputs yet.

    Raises :class:`SettingsError` listing what is missing or contradictory.
    """
    base = DeploySettings(
        stack=pipeline.stack, contract=pipeline.contracts[0], database=DatabaseSettings(host="")
    )
    settings = pipeline.applied_to(base)
    problems = [*_missing(pipeline, settings), *_contradictions(settings)]
    if problems:
        where = pipeline.entered.source
        raise SettingsError(f"{where}:\n  " + "\n  ".join(problems))
    return settings


def platform_settings(
    pipeline: PipelineSettings, core: DeploySettings, s3_prefix_list: str
) -> PlatformSettings:
    """Settings of the platform stack, without the core stack's outputs yet.

    ``s3_prefix_list``: id of the region's list, used where none was entered. Raises
    :class:`SettingsError`.
    """

    start = f"{PLATFORM_PART}."
    own = {k.removeprefix(start): v for k, v in pipeline.values.items() if k.startswith(start)}
    settings = PlatformSettings(
        stack=platform_stack(pipeline.stack),
        tags=core.tags,
        roles=core.roles,
        database_name=core.database.name,
        database_port=core.database.port,
        log_retention_days=core.log_retention_days,
        **{"s3_prefix_list_id": s3_prefix_list, **own},
    )
    from infrastructure.platform.rules import settings_problems  # takes the template's library

    problems = list(settings_problems(settings))
    if problems:
        raise SettingsError(
            f"{pipeline.entered.source}, [{PLATFORM_PART}]:\n  " + "\n  ".join(problems)
        )
    return settings


def _with(base: Any, path: tuple[str, ...], value: Any) -> Any:
    """The dataclass with one field changed, of it or of a dataclass in it."""
    name, *inner = path
    if inner:
        value = _with(getattr(base, name), tuple(inner), value)
    return replace(base, **{name: value})


def _missing(pipeline: PipelineSettings, settings: DeploySettings) -> Iterator[str]:
    for contract in settings.contracts:
        if not contract.is_file():
            yield f"contract: there is no file {contract}; `etl contract infer` writes one"
    if settings.database.ssl_mode.startswith("verify") and settings.database.ca_file is None:
        yield (
            "database.ca_file is missing: the certificate authorities that the database's "
            f"certificate is verified with. For RDS download {CA_BUNDLE}"
        )
    if pipeline.has_platform:
        for key in ("database.host", "database.owner_secret_arn", "network.subnet_ids"):
            if key in pipeline.values:
                yield (
                    f"{key} and [platform] are both set: the platform decides where the database "
                    'is (platform.database = "given" uses an existing one)'
                )
        return
    if not settings.database.host:
        yield "database.host is missing: name a PostgreSQL, or add [platform] to create one"
    if not settings.database.owner_secret_arn:
        yield (
            "database.owner_secret_arn is missing: a secret in Secrets Manager with "
            '{"username": ..., "password": ...} of the role that may create schemas and roles'
        )


def _contradictions(settings: DeploySettings) -> Iterator[str]:
    if bool(settings.subnet_ids) != bool(settings.security_group_ids):
        yield "network.subnet_ids and network.security_group_ids must be set together"
    if settings.trigger_mode != "schedule" and settings.queue_delivery == "drain":
        yield from _loop_problems(settings)
        return
    least = 180 + settings.queue_window_seconds
    if settings.trigger_mode != "schedule" and settings.visibility_timeout_seconds < least:
        yield (
            f"run.visibility_timeout_seconds is {settings.visibility_timeout_seconds}, but Lambda "
            f"needs at least {least}: six times the stage function's 30 s, plus the window of "
            f"{settings.queue_window_seconds} s"
        )


def _loop_problems(settings: DeploySettings) -> Iterator[str]:
    """Problems of the drain loop: its execution has a limited history, and has to end."""
    seconds = 60 * settings.drain_minutes
    least = math.ceil(seconds / MOST_DRAINS)
    if settings.queue_window_seconds < least:
        yield (
            f"run.queue_window_seconds is {settings.queue_window_seconds}, but a drain loop of "
            f"{settings.drain_minutes} minutes needs at least {least}, as one execution drains "
            f"{MOST_DRAINS} times at most: choose a shorter run.drain_minutes, or "
            'run.queue_delivery = "mapping", which has the lower delay'
        )
    needed = seconds + LAST_BATCHES_SECONDS
    if settings.definition.execution_timeout_seconds < needed:
        yield (
            f"run.execution_timeout_seconds is {settings.definition.execution_timeout_seconds}, "
            f"but a drain loop needs at least {needed}: its {settings.drain_minutes} minutes, a "
            "minute until they begin, and time for the last batches"
        )
