"""Checks, before a deployment to AWS, what no single setting shows.

Region and authorities are compared with the settings of both stacks; nothing is sent anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from etl.aws.partition import arn_problems, partition_problems
from etl.deployment.authorities import authority_problems
from etl.deployment.settings_file import SettingsError
from infrastructure.platform.settings import PlatformSettings
from infrastructure.regions import region_problems
from infrastructure.settings import DeploySettings

__all__ = ["check_preconditions"]

DAYS_IN_A_CLASS = 30
"""Least days that an object spends in S3 Standard, and then in Standard-IA, before it may move."""


def check_preconditions(
    settings: DeploySettings, platform: PlatformSettings | None, region: str | None
) -> None:
    """Raise :class:`SettingsError` listing what would make the deployment fail.

    ``region``: ``None`` where none is entered: the profile's is then known only when AWS is called.
    """
    problems = list(_problems(settings, platform, region))
    if problems:
        raise SettingsError("The deployment would fail:\n  " + "\n  ".join(problems))


def _problems(
    settings: DeploySettings, platform: PlatformSettings | None, region: str | None
) -> Iterator[str]:
    if region:
        yield from region_problems(region, platform, fleet_provisioning=settings.fleet_provisioning)
        yield from partition_problems(region)
        boundary = settings.roles.permissions_boundary_arn
        yield from arn_problems("iam.permissions_boundary_arn", boundary, region)
    yield from _lifecycle_problems(settings)
    if settings.database.ca_file is not None:
        yield from authority_problems(
            settings.database.ca_file,
            proxy=platform is not None and platform.proxy,
            rds=platform is not None and platform.database == "new",
        )


def _lifecycle_problems(settings: DeploySettings) -> Iterator[str]:
    """Yield sentences about moves between storage classes that S3 refuses.

    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html,
    read 2026-11.)
    """
    infrequent, glacier = settings.infrequent_access_days, settings.glacier_days
    if 0 < infrequent < DAYS_IN_A_CLASS:
        yield (
            f"storage.infrequent_access_days: {infrequent} is too early for S3; write 0 or at "
            f"least {DAYS_IN_A_CLASS}"
        )
    if infrequent and 0 < glacier < infrequent + DAYS_IN_A_CLASS:
        yield (
            f"storage.glacier_days: {glacier} is too early for S3; write 0 or at least "
            f"{infrequent + DAYS_IN_A_CLASS}, {DAYS_IN_A_CLASS} more than infrequent_access_days"
        )
