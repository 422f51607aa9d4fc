"""Looks at what is there, builds what shall be, and puts the difference into a plan.

Reads only: a change set is made and deleted again, and a template too large for a request lies in
the artifact bucket for as long as that takes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etl.aws.cloudformation import (
    GONE_WRONG_AT_BIRTH,
    STEADY,
    STUCK,
    StackError,
    deployed_template,
    outputs,
    parameters,
    refusal,
    stack_status,
)
from etl.aws.target import Target
from etl.deployment.change_set import ReportedChange, preview
from etl.deployment.contract_review import ContractReview, review_contract
from etl.deployment.deploy import present_keys, stack_request
from etl.deployment.intrinsics import resolve
from etl.deployment.packaging import Packages
from etl.deployment.pipeline_settings import platform_stack
from etl.deployment.plan import DeployPlan, Upload
from etl.deployment.stack_build import DeploymentPlan, plan_deployment
from etl.deployment.stack_diff import StackReview, review_resources, state_changes
from etl.deployment.steps import Situation, deployment_steps
from etl.deployment.template_diff import PropertyChange, diff_resources
from infrastructure.core import template_json
from infrastructure.platform import build_platform_template, core_settings, given_core
from infrastructure.platform.settings import PlatformSettings
from infrastructure.settings import DeploySettings
from layers.build import BUILD_FOLDER
from telemetry.contract import load_contract

__all__ = ["Built", "BuiltPlatform", "build_core", "build_platform", "situation", "survey"]

Told = Callable[[str], None]
CORE_STACK = "CoreStack"
CONTINUES = "UPDATE_ROLLBACK_FAILED"
"""The one status of a stuck stack that a deployment leads out of."""
FROM_PLATFORM = "(of the platform stack)"
LAX = (
    "the emulator's change sets don't say reliably what AWS would replace: CloudFormation's "
    "resource schemas decide here. It checks neither permissions nor quotas."
)


@dataclass(frozen=True, kw_only=True)
class BuiltPlatform:
    """The second stack, built."""

    settings: PlatformSettings
    plan: DeploymentPlan


@dataclass(frozen=True, kw_only=True)
class Built:
    """What was built for one deployment."""

    settings: DeploySettings
    core: DeploymentPlan
    platform: BuiltPlatform | None


def situation(target: Target, platform: PlatformSettings | None) -> Situation:
    """What is there now."""
    formation = target.client("cloudformation")
    name = platform_stack(target.stack) if platform else ""
    known = parameters(formation, name) if platform else {}
    status = stack_status(formation, target.stack)
    # Of a core that is gone, or was never finished, there is nothing to tell.
    alive = status not in {None, "REVIEW_IN_PROGRESS", *GONE_WRONG_AT_BIRTH}
    return Situation(
        core=target.stack,
        core_status=status,
        platform=name,
        platform_status=stack_status(formation, name) if platform else None,
        joined=alive and known.get(CORE_STACK) == target.stack,
        proxy=platform is not None and platform.proxy,
    )


def build_core(
    target: Target, settings: DeploySettings, told: Told, folder: Path = BUILD_FOLDER
) -> DeploymentPlan:
    """The core stack, built. Raises what ``plan_deployment`` raises."""
    account = target.client("sts").get_caller_identity()["Account"]
    region = target.session.region_name
    return plan_deployment(settings, account=account, region=region, folder=folder, progress=told)


def build_platform(
    core: DeploymentPlan, settings: PlatformSettings, contract: Path
) -> BuiltPlatform:
    """The platform stack, built; a large template lies in the core's artifact bucket."""
    plan = DeploymentPlan(
        stack=settings.stack,
        template=template_json(build_platform_template(load_contract(contract), settings)),
        parameters=settings.parameters(),
        tags={**core.tags, **settings.tags},
        artifact_bucket=core.artifact_bucket,
        packages=Packages(functions={}, layers={}),
        role=core.role,
    )
    return BuiltPlatform(settings=settings, plan=plan)


def survey(
    target: Target,
    settings: DeploySettings,
    platform: PlatformSettings | None,
    told: Told = lambda _: None,
) -> tuple[DeployPlan, Built]:
    """The plan of a deployment, and what was built for it.

    Raises what building raises, ``StackError`` where CloudFormation refuses a template.
    """
    formation = target.client("cloudformation")
    now = situation(target, platform)
    _refuse_what_is_stuck(now)
    settings, platform = _told_of_each_other(formation, settings, platform, now)
    told("building functions, layers and template")
    core = build_core(target, settings, told)
    built = Built(
        settings=settings,
        core=core,
        platform=build_platform(core, platform, settings.contract) if platform else None,
    )
    told("asking CloudFormation what would change")
    present = present_keys(target.client("s3"), core.artifact_bucket)
    reviews = [_review_stack(target, core, now.core_status, present)]
    if built.platform is not None:
        platform_plan = built.platform.plan
        reviews.insert(0, _review_stack(target, platform_plan, now.platform_status, present))
    plan = DeployPlan(
        stack=target.stack,
        region=target.session.region_name,
        local=target.local is not None,
        steps=deployment_steps(now),
        stacks=reviews,
        contract=_review_contract(target, settings, now),
        uploads=[Upload(key, path.stat().st_size) for key, path in core.missing(present).items()],
        remarks=list(_neighbours(formation, settings)),
    )
    return plan, built


def _refuse_what_is_stuck(now: Situation) -> None:
    """Raises ``StackError`` where a person has to act on a stack first."""
    for stack, status in ((now.core, now.core_status), (now.platform, now.platform_status)):
        if status in STUCK and status != CONTINUES:
            raise StackError(refusal(stack, status))


def _told_of_each_other(
    formation: Any, settings: DeploySettings, platform: PlatformSettings | None, now: Situation
) -> tuple[DeploySettings, PlatformSettings | None]:
    """Both settings with what the other stack already says."""
    if platform is None:
        return settings, None
    said = outputs(formation, platform.stack)
    if "DatabaseHost" in said:
        settings = core_settings(settings, said)
    else:
        database = replace(settings.database, host=FROM_PLATFORM, owner_secret_arn=FROM_PLATFORM)
        settings = replace(settings, database=database)
    if now.joined:
        platform = given_core(platform, now.core, outputs(formation, now.core))
    return settings, platform


def _review_stack(
    target: Target, plan: DeploymentPlan, status: str | None, present: set[str]
) -> StackReview:
    formation = target.client("cloudformation")
    new_template = json.loads(plan.template)
    there = status not in {None, "REVIEW_IN_PROGRESS", *GONE_WRONG_AT_BIRTH}
    old_template = deployed_template(formation, plan.stack) if there else {}
    old_values = parameters(formation, plan.stack) if there else {}
    old_tags = _tags(formation, plan.stack) if there else {}
    reported, remarks = _reported(target, plan, status, present)
    resources = review_resources(
        diff_resources(resolve(old_template, old_values), resolve(new_template, plan.parameters)),
        reported,
        trusted=target.local is None,
    )
    if target.local is not None:
        remarks.append(LAX)
    return StackReview(
        stack=plan.stack,
        status=status,
        resources=resources,
        parameters=_differences(old_values, plan.parameters) if there else [],
        tags=_differences(old_tags, plan.tags) if there else [],
        states=state_changes(resources),
        remarks=remarks,
    )


def _reported(
    target: Target, plan: DeploymentPlan, status: str | None, present: set[str]
) -> tuple[list[ReportedChange] | None, list[str]]:
    """The change set's word, or ``None`` and why there is none."""
    if FROM_PLATFORM in plan.parameters.values():
        return None, ["What the platform stack will say isn't known yet; nothing was asked of AWS."]
    if status not in {None, "REVIEW_IN_PROGRESS", *STEADY}:
        return None, [
            f"The stack is in {status}: CloudFormation takes no change set until it isn't."
        ]
    s3 = target.client("s3")
    if not plan.template_fits_request and not present:
        return None, [
            "The template is too large for a request and there is no artifact bucket yet: "
            "CloudFormation was not asked. All of it would be new."
        ]
    with _lent_template(s3, plan, present):
        return preview(target.client("cloudformation"), stack_request(s3, plan)), []


@contextmanager
def _lent_template(s3: Any, plan: DeploymentPlan, present: set[str]) -> Iterator[None]:
    """A template that a request can't hold lies in the bucket for as long as this takes."""
    lent = not plan.template_fits_request and plan.template_key not in present
    if lent:
        body = plan.template.encode()
        s3.put_object(Bucket=plan.artifact_bucket, Key=plan.template_key, Body=body)
    try:
        yield
    finally:
        if lent:
            s3.delete_object(Bucket=plan.artifact_bucket, Key=plan.template_key)


def _tags(formation: Any, stack: str) -> dict[str, str]:
    found = formation.describe_stacks(StackName=stack)["Stacks"][0].get("Tags", [])
    return {tag["Key"]: tag["Value"] for tag in found}


def _differences(old: dict[str, str], new: dict[str, str]) -> list[PropertyChange]:
    return [
        PropertyChange(name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _review_contract(target: Target, settings: DeploySettings, now: Situation) -> ContractReview:
    there = now.core_status not in {None, *GONE_WRONG_AT_BIRTH}
    said = outputs(target.client("cloudformation"), now.core) if there else {}
    return review_contract(target.client("s3"), said, settings.contract)


def _neighbours(formation: Any, settings: DeploySettings) -> Iterator[str]:
    """Other pipelines of the account that this one would meet in a database or on a topic."""
    from botocore.exceptions import ClientError

    stack, topic = settings.stack, load_contract(settings.contract).topic
    own = (settings.database.host, settings.database.name)
    try:
        pages = list(formation.get_paginator("describe_stacks").paginate())
    except ClientError:
        # Some may describe their own stacks alone.
        return
    for each in (one for page in pages for one in page["Stacks"] if one["StackName"] != stack):
        values = {p["ParameterKey"]: p.get("ParameterValue") for p in each.get("Parameters", [])}
        said = {o["OutputKey"]: o["OutputValue"] for o in each.get("Outputs", [])}
        if "TopicFilter" not in said:
            continue
        if own == (values.get("DatabaseHost"), values.get("DatabaseName")):
            yield (
                f"stack {each['StackName']} has the same database, {own[1]} at {own[0]}. The "
                "ledger in it would count for both: give each a database.name of its own."
            )
        if said["TopicFilter"] == topic:
            yield (
                f"stack {each['StackName']} takes messages of the same topic, {topic}: each "
                "reading becomes a row in both."
            )
