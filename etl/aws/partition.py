"""The partition of a region: commercial, GovCloud or China, each with its own ARNs.

Templates ask CloudFormation (``AWS::Partition``). What is written without it, such as a policy to
print, asks here; botocore's own table of endpoints answers, without a call.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from telemetry.errors import UserError

__all__ = ["UnknownRegionError", "arn_problems", "partition_of", "partition_problems"]

PARTITIONS = ("aws", "aws-us-gov", "aws-cn")
"""Partitions that the templates are checked for."""


class UnknownRegionError(UserError):
    """Raised where no partition has a region of this name."""


@cache
def partition_of(region: str) -> str:
    """Return the partition of a region: ``aws``, ``aws-us-gov``, ``aws-cn``, ...

    Raises :class:`UnknownRegionError`.
    """
    from botocore.exceptions import UnknownRegionError as NoPartitionError
    from botocore.session import Session

    try:
        partition: str = Session().get_partition_for_region(region)
    except NoPartitionError:
        raise UnknownRegionError(
            f"AWS has no region {region!r}: give a name such as eu-central-1, us-gov-west-1 or "
            "cn-north-1."
        ) from None
    return partition


def partition_problems(region: str) -> Iterator[str]:
    """Yield a sentence where a region is of a partition that the templates aren't for."""
    try:
        partition = partition_of(region)
    except UnknownRegionError:
        return
    if partition not in PARTITIONS:
        yield (
            f"region: {region} is in the partition {partition}, whose names of services and hosts "
            f"the templates don't have; they have those of {', '.join(PARTITIONS)}"
        )


def arn_problems(key: str, arn: str, region: str) -> Iterator[str]:
    """Yield a sentence where an ARN is of another partition than the region.

    ``key``: the setting that holds the ARN, for the message. It may be empty.
    """
    try:
        partition = partition_of(region)
    except UnknownRegionError:
        return
    if arn and arn.split(":")[1] != partition:
        yield (
            f"{key}: {arn} is in the partition {arn.split(':')[1]}, but {region} is in {partition}"
        )
