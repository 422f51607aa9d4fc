"""From given values to the settings of the stacks: where, what, and with which platform."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from etl.aws.target import DEFAULT_STACK
from etl.deployment.settings_file import Given, SettingsError
from etl.deployment.settings_keys import known_entries
from infrastructure.platform.settings import PlatformSettings, settings_problems
from infrastructure.settings import DatabaseSettings, DeploySettings

__all__ = [
    "PLATFORM_PART",
    "PipelineSettings",
    "aws_settings",
    "platform_settings",
    "platform_stack",
]

DEFAULT_CONTRACT = Path("contracts/fleet.toml")
PLATFORM_PART = "platform"
NOT_HERE = ("database.", "network.", "runtime.", "platform")
"""Keys (by their beginning) about what the stand-ins of this machine have already."""
STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,39}")
STACK_NAME_RULE = (
    "a stack's name begins with a letter and has letters, digits and hyphens, 40 at most: what is "
    "in the stack is named after it"
)
CA_BUNDLE = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"


@dataclass(frozen=True)
class PipelineSettings:
    """What was given, and the questions that everything else asks of it."""

    given: Given

    @property
    def values(self) -> Mapping[str, Any]:
        """Key to value."""
        return self.given.values

    @property
    def stack(self) -> str:
        """The core stack. Raises :class:`SettingsError` for a name that CloudFormation refuses."""
        name: str = self.values.get("stack", DEFAULT_STACK)
        if not STACK_NAME.fullmatch(name):
            raise SettingsError(f"stack: {name!r} can't be used: {STACK_NAME_RULE}.")
        return name

    @property
    def contract(self) -> Path:
        """The contract's file."""
        found: Path = self.values.get("contract", DEFAULT_CONTRACT)
        return found

    @property
    def has_platform(self) -> bool:
        """Whether a platform stack is asked for."""
        return any(
            key == PLATFORM_PART or key.startswith(f"{PLATFORM_PART}.") for key in self.values
        )

    def applied_to(self, base: DeploySettings, *, here: bool = False) -> DeploySettings:
        """The base with everything that was given; ``here`` leaves aside what stand-ins decide."""
        found = base
        for key, value in self.values.items():
            entry = known_entries().get(key)
            if entry is None or (here and key.startswith(NOT_HERE)):
                continue
            found = _with(found, entry.owner, entry.attribute, value)
        return replace(
            found,
            tuning={**base.tuning, **self._free("tuning")},
            tags={**base.tags, **self._free("tags")},
        )

    def set_aside_here(self) -> list[str]:
        """Keys that say nothing to the stand-ins of this machine."""
        kept = "database.loader_connections"
        return [key for key in self.values if key.startswith(NOT_HERE) and key != kept]

    def _free(self, table: str) -> dict[str, str]:
        start = f"{table}."
        return {k.removeprefix(start): v for k, v in self.values.items() if k.startswith(start)}


def platform_stack(stack: str) -> str:
    """Name of the platform stack beside a core stack."""
    return f"{stack}-platform"


def aws_settings(pipeline: PipelineSettings) -> DeploySettings:
    """Settings of the core stack in an AWS account; the platform's outputs are not in them yet.

    Raises :class:`SettingsError` listing what is missing or contradictory.
    """
    base = DeploySettings(
        stack=pipeline.stack, contract=pipeline.contract, database=DatabaseSettings(host="")
    )
    settings = pipeline.applied_to(base)
    problems = [*_missing(pipeline, settings), *_contradictions(settings)]
    if problems:
        where = pipeline.given.source
        raise SettingsError(f"{where}:\n  " + "\n  ".join(problems))
    return settings


def platform_settings(
    pipeline: PipelineSettings, core: DeploySettings, s3_prefix_list: str
) -> PlatformSettings:
    """Settings of the platform stack, before it knows of the core.

    ``s3_prefix_list``: the region's, where none was given. Raises :class:`SettingsError`.
    """
    start = f"{PLATFORM_PART}."
    own = {k.removeprefix(start): v for k, v in pipeline.values.items() if k.startswith(start)}
    settings = PlatformSettings(
        stack=platform_stack(pipeline.stack),
        tags=core.tags,
        database_name=core.database.name,
        database_port=core.database.port,
        log_retention_days=core.log_retention_days,
        **{"s3_prefix_list_id": s3_prefix_list, **own},
    )
    problems = list(settings_problems(settings))
    if problems:
        raise SettingsError(
            f"{pipeline.given.source}, [{PLATFORM_PART}]:\n  " + "\n  ".join(problems)
        )
    return settings


def _with(base: DeploySettings, owner: type | None, name: str, value: Any) -> DeploySettings:
    """The base with one field changed, of it or of the part of it that is such a dataclass."""
    if owner is DeploySettings:
        return replace(base, **{name: value})
    for one in fields(base):
        part: Any = getattr(base, one.name)
        if owner is not None and type(part) is owner:
            return replace(base, **{one.name: _changed(part, name, value)})
    return base


def _changed(part: Any, name: str, value: Any) -> Any:
    return replace(part, **{name: value})


def _missing(pipeline: PipelineSettings, settings: DeploySettings) -> Iterator[str]:
    if not settings.contract.is_file():
        yield f"contract: there is no file {settings.contract}; `etl contract infer` writes one"
    if settings.database.ssl_mode.startswith("verify") and settings.database.ca_file is None:
        yield (
            "database.ca_file is missing: the authorities that the database's certificate is "
            f"verified with. For RDS download {CA_BUNDLE}"
        )
    if pipeline.has_platform:
        for key in ("database.host", "database.owner_secret_arn", "network.subnet_ids"):
            if key in pipeline.values:
                yield (
                    f"{key} and [platform] both are given: the platform says where the database is "
                    '(platform.database = "given" takes one that is there)'
                )
        return
    if not settings.database.host:
        yield "database.host is missing: name a PostgreSQL, or add [platform] to have one made"
    if not settings.database.owner_secret_arn:
        yield (
            "database.owner_secret_arn is missing: a secret in Secrets Manager with "
            '{"username": ..., "password": ...} of the role that may create schemas and roles'
        )


def _contradictions(settings: DeploySettings) -> Iterator[str]:
    if bool(settings.subnet_ids) != bool(settings.security_group_ids):
        yield "network.subnet_ids and network.security_group_ids need each other"
    least = 180 + settings.queue_window_seconds
    if settings.trigger_mode != "schedule" and settings.visibility_timeout_seconds < least:
        yield (
            f"run.visibility_timeout_seconds is {settings.visibility_timeout_seconds}, at least "
            f"{least} is needed: six times the stage function's 30 s, and the window of "
            f"{settings.queue_window_seconds} s; Lambda refuses less"
        )
    yield from _refused_by_the_template(settings)


def _refused_by_the_template(settings: DeploySettings) -> Iterator[str]:
    """What CloudFormation would refuse by the rules of the template's parameters."""
    from troposphere import Template

    from infrastructure.core.parameters import add_parameters

    template = Template()
    add_parameters(template)
    declared = template.to_dict()["Parameters"]
    values = settings.parameters("bucket")
    for key, entry in known_entries().items():
        rules = declared.get(entry.parameter)
        if rules is None or not values[entry.parameter]:
            continue
        why = _broken(rules, values[entry.parameter])
        if why:
            yield f"{key}: {values[entry.parameter]!r} {why}"


def _broken(rules: Mapping[str, Any], value: str) -> str:
    allowed = [str(one) for one in rules.get("AllowedValues", [])]
    if allowed and value not in allowed:
        return f"is none of {', '.join(allowed)}"
    if "AllowedPattern" in rules and not re.fullmatch(rules["AllowedPattern"], value):
        return f"is not of the form {rules['AllowedPattern']}"
    if rules["Type"] == "Number" and not (
        int(rules.get("MinValue", value)) <= int(value) <= int(rules.get("MaxValue", value))
    ):
        return f"is not within {rules['MinValue']} to {rules['MaxValue']}"
    return ""
