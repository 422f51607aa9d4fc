"""Checks what a deployment would apply: settings, layers, state machine and both templates."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from etl.aws.cloudformation import StackRequest
from etl.aws.s3 import owned_s3
from etl.deployment.artifact_bucket import intact_keys
from etl.deployment.change_set import preview
from etl.deployment.current_state import read_current_state, refuse_stuck
from etl.deployment.customization import deployed_definition
from etl.deployment.deploy import build_deployment
from etl.deployment.planner import make_plan
from etl.doctor.check_result import CheckResult, failed, not_checked, passed
from etl.doctor.examination import Examination, UnusableSettingsError
from etl.doctor.layer_binaries import binary_problems
from layers.folders import BUILD, INSTALLED

if TYPE_CHECKING:
    from etl.deployment.stack_build import StackBuild

__all__ = ["check_build", "check_change_set", "check_definition", "check_settings"]

SUBSTITUTION = re.compile(r"\$\{(\w+)\}")
SMALL_TEMPLATE = '{"Resources": {"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}}'
"""A template that creates nothing that costs or does anything."""


def check_settings(examination: Examination) -> Iterator[CheckResult]:
    """Load the settings, which includes the checks of `etl settings check`."""
    try:
        settings, platform = examination.settings
    except UnusableSettingsError as error:
        yield failed("settings", str(error), "fix them, then run `etl settings check`")
        return
    stacks = "two stacks" if platform else "one stack"
    noun = "contracts" if settings.further_contracts else "contract"
    files = ", ".join(str(file) for file in settings.contracts)
    yield passed("settings", f"{stacks}, {settings.stack}, {noun} {files}")


def check_build(examination: Examination) -> Iterator[CheckResult]:
    """Build zips and templates, and read for what the layers' modules were compiled."""
    settings, platform = examination.settings
    now = read_current_state(examination.target, platform=platform is not None)
    refuse_stuck(now)
    build = build_deployment(examination.target, settings, platform, now)
    target = settings.target
    label = f"Python {target.python} on {target.architecture}"
    problems = [
        f"{name}: {problem}"
        for name, layer in build.core.packages.layers.items()
        for problem in binary_problems(layer.path, target)
    ]
    if problems:
        yield failed(
            "layers",
            f"the functions run {label}, but {problems[0]}"
            + (f", and {len(problems) - 1} more" if len(problems) > 1 else ""),
            f"delete {BUILD if INSTALLED else '.build'} and run it again, so that the layers are "
            "built again",
        )
    else:
        count = len(build.core.packages.layers)
        yield passed("layers", f"{count} layers, built for {label}, as the functions need them")


def check_definition(examination: Examination) -> Iterator[CheckResult]:
    """Let AWS Step Functions validate the definition, with examples for its substitutions."""
    name = "state machine"
    if examination.local:
        yield not_checked(name, "the emulator accepts every definition")
        return
    settings = examination.settings[0]
    partition = examination.caller.split(":")[1]
    where = f"{examination.region}:{examination.account}"

    def example(found: re.Match[str]) -> str:
        if found[1].endswith("FunctionArn"):
            return f"arn:{partition}:lambda:{where}:function:{settings.stack}-doctor"
        return f"arn:{partition}:sns:{where}:doctor" if found[1] == "TopicArn" else "doctor"

    definition = deployed_definition(
        settings, account=examination.account, region=examination.region
    )
    answer = examination.target.client("stepfunctions").validate_state_machine_definition(
        definition=SUBSTITUTION.sub(example, json.dumps(definition)),
        type="STANDARD",
    )
    found = [
        f"{one['code']} {one.get('location', '')}: {one['message']}"
        for one in answer["diagnostics"]
    ]
    if answer["result"] == "OK":
        yield passed(name, "AWS Step Functions accepts the definition", "; ".join(found))
    else:
        own = "correct your customization, or report this if it also fails without it"
        hint = "report this: the definition is the product's own"
        yield failed(name, "; ".join(found), own if settings.customization else hint)


def check_change_set(examination: Examination) -> Iterator[CheckResult]:
    """Let CloudFormation make a change set of each stack, and delete it again.

    The first change set of a stack creates an empty stack (``REVIEW_IN_PROGRESS``), which is
    deleted with it.
    """
    name = "change set"
    if not examination.may_create_change_set:
        yield not_checked(name, "not agreed to", "run it without --read-only, and answer yes")
        return
    settings, platform = examination.settings
    plan, build = make_plan(examination.target, settings, platform, replace_first=True)
    present = intact_keys(owned_s3(examination.target), build.core)
    if not present and not build.core.template_fits_request:
        yield from _small_change_set(examination, build.core)
        return
    for review in plan.stacks:
        if examination.local:
            # Its remarks are about what the emulator's change sets can't show.
            yield passed(name, f"{review.stack}: the emulator made it, and it was deleted")
        elif review.remarks:
            yield not_checked(f"{name}: {review.stack}", " ".join(review.remarks))
        else:
            yield passed(
                f"{name}: {review.stack}",
                f"CloudFormation made it ({len(review.resources)} resources); it was deleted",
            )


def _small_change_set(examination: Examination, build: StackBuild) -> Iterator[CheckResult]:
    """Make one of almost nothing: a large template needs a bucket that a deployment creates first.

    It shows that you may create stacks of this name, and that CloudFormation may assume its role.
    """
    if not examination.deployed:
        request = StackRequest(
            stack=build.stack,
            template={"TemplateBody": SMALL_TEMPLATE},
            parameters={},
            tags=build.tags,
            resources=1,
            role=build.role,
        )
        preview(examination.target.client("cloudformation"), request)
        yield passed("change set", "CloudFormation made one of a small template; it was deleted")
    yield not_checked(
        "change set: template",
        "the template is too large for a request, and the artifact bucket is empty or missing",
        "run `etl doctor` again after the next `etl deploy`",
    )
