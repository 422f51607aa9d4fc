"""Settings of one stack that come from the outputs of the other.

The stacks need one another: the core its database and network, the platform's proxy and alarms the
core's secret, role, topic and queue. So the order of a first deployment is

1. platform (network, database),
2. core (its migration creates the loader's role),
3. platform again, with :func:`given_core` (proxy, alarms, trace group),
4. core again where there is a proxy, with :func:`core_settings` of the new outputs: Load now
   connects through it.

Later deployments have the same order, and each step changes only differences, mostly none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from infrastructure.platform.limits import TRACE_GROUP_NAME
from infrastructure.platform.settings import PlatformSettings
from infrastructure.settings import DeploySettings
from telemetry.metric_table import LEVELS, OBSERVABILITY, Level, level_of

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client
    from types_boto3_ec2.type_defs import FilterTypeDef

__all__ = [
    "close_default_group",
    "core_settings",
    "given_core",
    "s3_prefix_list",
    "with_lower_level",
]


def given_core(
    settings: PlatformSettings, stack: str, outputs: Mapping[str, str]
) -> PlatformSettings:
    """The platform's settings once the core stack exists; ``outputs``: the core's."""
    return replace(
        settings,
        core_stack=stack,
        trace_group_name=stack[: TRACE_GROUP_NAME.most] if settings.trace_group else "",
        alert_topic_arn=outputs["TopicArn"],
        queue_name=outputs["QueueArn"].rsplit(":", 1)[-1],
        loader_secret_arn=outputs["LoaderSecretArn"],
        core_key_arn=outputs["KeyArn"],
        analyst_secret_arn=outputs["AnalystSecretArn"],
        # A core of an earlier version has no such output, and everything.
        observability=cast("Level", outputs.get(OBSERVABILITY.title(), "full")),
    )


def with_lower_level(settings: PlatformSettings, level: Level) -> PlatformSettings:
    """The settings with the lower of their level of observability and the new one of the core.

    While both stacks change, the composite alarms name what the core has before and after.
    """
    return replace(
        settings, observability=min(level_of(settings.observability), level, key=LEVELS.index)
    )


def core_settings(settings: DeploySettings, outputs: Mapping[str, str]) -> DeploySettings:
    """The core's settings with what the platform created; ``outputs``: the platform's."""
    database = replace(
        settings.database,
        host=outputs["DatabaseHost"],
        port=int(outputs["DatabasePort"]),
        name=outputs["DatabaseName"],
        owner_host=outputs["OwnerDatabaseHost"],
        owner_secret_arn=outputs["OwnerSecretArn"],
        owner_key_arn=outputs.get("OwnerKeyArn", settings.database.owner_key_arn),
    )
    if "SubnetIds" not in outputs:
        return replace(settings, database=database)
    return replace(
        settings,
        database=database,
        subnet_ids=tuple(outputs["SubnetIds"].split(",")),
        security_group_ids=tuple(outputs["SecurityGroupIds"].split(",")),
    )


def s3_prefix_list(ec2: EC2Client) -> str:
    """Id of the list of S3's addresses in the client's region.

    A gateway endpoint is not a member of a security group, so the functions' group names this list;
    CloudFormation can't look it up. Raises :class:`LookupError` where there is none.
    """
    name = f"com.amazonaws.{ec2.meta.region_name}.s3"
    filters: list[FilterTypeDef] = [{"Name": "prefix-list-name", "Values": [name]}]
    found = ec2.describe_prefix_lists(Filters=filters)["PrefixLists"]
    if not found:
        raise LookupError(
            f"EC2 knows no prefix list {name}: check the region, and that "
            "ec2:DescribePrefixLists is allowed."
        )
    return found[0]["PrefixListId"]


def close_default_group(ec2: EC2Client, group: str) -> int:
    """Remove every rule from a VPC's default security group; returns how many there were.

    ``group``: the platform's output ``DefaultSecurityGroupId``. CloudFormation can't do it, and
    a machine that is started without a group gets this one. Safe to repeat.
    """
    filters: list[FilterTypeDef] = [{"Name": "group-id", "Values": [group]}]
    pages = ec2.get_paginator("describe_security_group_rules").paginate(Filters=filters)
    rules = [rule for page in pages for rule in page["SecurityGroupRules"]]
    for out, revoke in (
        (True, ec2.revoke_security_group_egress),
        (False, ec2.revoke_security_group_ingress),
    ):
        found = [rule["SecurityGroupRuleId"] for rule in rules if rule["IsEgress"] is out]
        if found:
            revoke(GroupId=group, SecurityGroupRuleIds=found)
    return len(rules)
