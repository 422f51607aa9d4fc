"""Compares what is deployed with what would be, and makes a plan of the difference.

Only reads: a change set is created and deleted again, and a template too large for a request is in
the artifact bucket for as long as that takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.aws.cloudformation import STEADY, deployed_template, outputs, parameters, stack_tags
from etl.aws.s3 import owned_s3
from etl.aws.target import Target
from etl.deployment.artifact_bucket import intact_keys, put_template, stack_request
from etl.deployment.change_set import ReportedChange, preview
from etl.deployment.contract_review import ContractReviews, review_contracts
from etl.deployment.current_state import (
    CurrentState,
    is_in_use,
    read_current_state,
    refuse_stuck,
)
from etl.deployment.deploy import FROM_PLATFORM, build_deployment
from etl.deployment.intrinsics import resolve_template
from etl.deployment.pipeline_contracts import read_contracts
from etl.deployment.plan import DeployPlan, Upload
from etl.deployment.protection import Protection, protection_remarks
from etl.deployment.stack_build import DeploymentBuild, StackBuild
from etl.deployment.stack_diff import StackReview, review_resources, state_changes
from etl.deployment.steps import deployment_steps
from etl.deployment.template_diff import PropertyChange, diff_resources
from infrastructure.names import has_clean_zone
from infrastructure.platform.settings import PlatformSettings
from infrastructure.settings import DeploySettings
from layers.notify import Notify, silent

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_s3 import S3Client

__all__ = ["make_plan"]

EMULATOR_LIMITS = (
    "the emulator's change sets don't report reliably what AWS would replace: CloudFormation's "
    "resource schemas decide here. It checks neither permissions nor quotas."
)


def make_plan(
    target: Target,
    settings: DeploySettings,
    platform: PlatformSettings | None,
    notify: Notify = silent,
    *,
    replace_first: bool = False,
) -> tuple[DeployPlan, DeploymentBuild]:
    """Make the plan of a deployment, and build what it would apply.

    ``replace_first``: whether a further contract may take the place of the first one; without it,
    ``ContractError`` is raised there. Raises what ``build_deployment`` raises, and ``StackError``
    where CloudFormation rejects a template or a stack has to be repaired first.
    """
    now = read_current_state(target, platform=platform is not None)
    refuse_stuck(now)
    build = build_deployment(target, settings, platform, now, notify)
    notify("asking CloudFormation what would change")
    present = intact_keys(owned_s3(target), build.core)
    reviews = [_review_stack(target, build.core, now.core_status, present)]
    if build.platform is not None:
        second = _review_stack(target, build.platform.stack, now.platform_status, present)
        reviews.insert(0, second)
    missing = build.core.missing(present)
    formation = target.client("cloudformation")
    stacks = [one.stack for one in reviews if is_in_use(one.status)]
    protection = Protection.of(build.settings)
    contracts = _review_contracts(target, build.settings, now, replace_first=replace_first)
    plan = DeployPlan(
        stack=target.stack,
        region=target.session.region_name,
        local=target.local is not None,
        steps=deployment_steps(
            now, proxy=platform is not None and platform.proxy, relink=build.must_relink
        ),
        stacks=reviews,
        contract=contracts.first,
        further_contracts=contracts.further,
        removed_contracts=contracts.removed,
        uploads=[Upload(key, path.stat().st_size) for key, path in missing.items()],
        remarks=[
            *protection_remarks(formation, stacks, protection),
            *(one.remark for one in contracts.removed),
            *_clean_zone(target, build.settings, now),
            *_shared_with_others(formation, build.settings),
        ],
    )
    return plan, build


def _review_stack(
    target: Target, build: StackBuild, status: str | None, present: set[str]
) -> StackReview:
    formation = target.client("cloudformation")
    new_template = json.loads(build.template)
    exists = is_in_use(status)
    old_template = deployed_template(formation, build.stack) if exists else {}
    old_values = parameters(formation, build.stack) if exists else {}
    old_tags = stack_tags(formation, build.stack) if exists else {}
    reported, remarks = _reported(target, build, status, present)
    resources = review_resources(
        diff_resources(
            resolve_template(old_template, old_values),
            resolve_template(new_template, build.parameters),
        ),
        reported,
        trusted=target.local is None,
    )
    if target.local is not None:
        remarks.append(EMULATOR_LIMITS)
    return StackReview(
        stack=build.stack,
        status=status,
        resources=resources,
        parameters=_differences(old_values, build.parameters) if exists else [],
        tags=_differences(old_tags, build.tags) if exists else [],
        states=state_changes(resources),
        remarks=remarks,
    )


def _reported(
    target: Target, build: StackBuild, status: str | None, present: set[str]
) -> tuple[list[ReportedChange] | None, list[str]]:
    """Return the changes that a change set reports, or ``None`` and why there are none."""
    if FROM_PLATFORM in build.parameters.values():
        return None, [
            "The platform stack's outputs aren't known yet: CloudFormation was not asked."
        ]
    if status not in {None, "REVIEW_IN_PROGRESS", *STEADY}:
        return None, [
            f"The stack is in {status}: CloudFormation accepts no change set in this status."
        ]
    s3 = owned_s3(target)
    if not build.template_fits_request and not present:
        return None, [
            "The template is too large for a request and there is no artifact bucket yet: "
            "CloudFormation was not asked. Every resource would be new."
        ]
    with _temporary_template(s3, build, present):
        return preview(target.client("cloudformation"), stack_request(s3, build)), []


@contextmanager
def _temporary_template(s3: S3Client, build: StackBuild, present: set[str]) -> Iterator[None]:
    """Keep a template that is too large for a request in the bucket for as long as this takes."""
    temporary = not build.template_fits_request and build.template_key not in present
    if temporary:
        put_template(s3, build)
    try:
        yield
    finally:
        if temporary:
            s3.delete_object(Bucket=build.artifact_bucket, Key=build.template_key)


def _differences(old: dict[str, str], new: dict[str, str]) -> list[PropertyChange]:
    return [
        PropertyChange(name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _review_contracts(
    target: Target, settings: DeploySettings, now: CurrentState, *, replace_first: bool
) -> ContractReviews:
    names: dict[str, str] = {}
    if is_in_use(now.core_status):
        names = outputs(target.client("cloudformation"), now.core)
    contracts = read_contracts(settings.contracts)
    return review_contracts(owned_s3(target), names, contracts, replace_first=replace_first)


def _clean_zone(target: Target, settings: DeploySettings, now: CurrentState) -> Iterator[str]:
    """Describe what becomes of the Parquet zone, where the plan changes that."""
    values: dict[str, str] = {}
    if is_in_use(now.core_status):
        values = outputs(target.client("cloudformation"), now.core)
    had = has_clean_zone(values)
    if had and not settings.clean:
        yield (
            "storage.clean = false: batches get no object in the Parquet zone any more (clean/). "
            "Athena and notebooks don't see them, and `etl reconcile --deep` skips them. "
            "Objects that are there stay, and a replay of their batch brings them up to date."
        )
    elif not had and settings.clean:
        yield (
            "storage.clean = true: batches get an object in the Parquet zone (clean/) from now on; "
            "earlier ones get theirs by `etl replay --repair`."
        )


def _shared_with_others(formation: CloudFormationClient, settings: DeploySettings) -> Iterator[str]:
    """Describe other pipelines of the account with the same database or the same topic."""
    from botocore.exceptions import ClientError

    stack = settings.stack
    topics = {one.topic_filter.mqtt for one in read_contracts(settings.contracts)}
    own = (settings.database.host, settings.database.name)
    try:
        pages = list(formation.get_paginator("describe_stacks").paginate())
    except ClientError:
        # The caller may be allowed to describe only stacks of its own.
        return
    for each in (one for page in pages for one in page["Stacks"] if one["StackName"] != stack):
        values = {p["ParameterKey"]: p.get("ParameterValue") for p in each.get("Parameters", [])}
        names = {o["OutputKey"]: o["OutputValue"] for o in each.get("Outputs", [])}
        theirs = {value for name, value in names.items() if name.startswith("TopicFilter")}
        if not theirs:
            continue
        if own == (values.get("DatabaseHost"), values.get("DatabaseName")):
            yield (
                f"stack {each['StackName']} has the same database, {own[1]} at {own[0]}. Its "
                "ledger would count the readings of both: give each a database.name of its own."
            )
        for topic in sorted(theirs & topics):
            yield (
                f"stack {each['StackName']} receives messages of the same topic, {topic}: each "
                "reading becomes a row in both."
            )
