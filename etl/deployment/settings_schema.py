"""Every key that a settings file may hold, collected from the definitions of the settings.

Reading the file, the commented example and the reference in the docs all follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from infrastructure.platform.settings import PlatformSettings
from infrastructure.setting_fields import Setting, setting, settings_of
from infrastructure.settings import DeploySettings

__all__ = ["FREE_TABLES", "INSTEAD", "TABLES", "known_settings", "setting_of"]

TABLES: dict[str, str] = {
    "": "What is deployed, and where",
    "run": "When executions run, and how much in parallel",
    "database": "PostgreSQL; leave this out where [platform] creates one",
    "network": "The VPC of the functions that connect to PostgreSQL; [platform] may create one",
    "iam": "Rules of your organisation for the roles that the stacks create",
    "devices": "How devices are registered",
    "operation": "Who is notified, and what is kept",
    "storage": "How long objects in S3 are kept, and where; messages (raw/) never expire",
    "alarms": "Thresholds at which alarms fire",
    "runtime": "Python and processor of the functions",
    "tuning": "More environment variables for every function, as texts",
    "own_functions": "Lambda functions of your own that states of run.customization invoke: each "
    "with its name, or its ARN where it is of another account",
    "tags": "Tags of the stacks, and so of everything in them",
    "platform": "A second stack, named like the first with -platform, of what only AWS can host: "
    "network, database, proxy, budget. Leave the table out where you have them",
}
"""Title of each table, in the order in which the example shows them."""

FREE_TABLES: dict[str, tuple[str, str]] = {
    "tuning": ("DRAIN_SECONDS", "20"),
    "own_functions": ("enrich", "plant-enrich"),
    "tags": ("CostCentre", "4711"),
}
"""Tables whose names are the user's own, with an example each."""

INSTEAD: dict[str, str] = {"contract": "contracts", "contracts": "contract"}
"""The key that each of two keys stands in place of: a deployment has one of them."""


@dataclass(frozen=True, kw_only=True)
class _Account:
    """The AWS account where commands act; no setting of a stack."""

    region: str = setting(
        "",
        "AWS region. With a region or a profile, the commands that read this file act on AWS "
        "instead of this machine's emulator; --local makes them act here nevertheless.",
        key="region",
        example="eu-central-1",
    )
    profile: str = setting(
        "",
        "AWS profile, as in ~/.aws/config: keys, SSO or an assumed role.",
        key="profile",
        example="production",
    )


@cache
def known_settings() -> dict[str, Setting]:
    """Settings by key, in the order of the file within each table."""
    owners = (DeploySettings, _Account, PlatformSettings)
    return {one.key: one for owner in owners for one in settings_of(owner) if one.key}


def setting_of(key: str) -> Setting:
    """The setting of a key. Raises ``KeyError``."""
    return known_settings()[key]
