"""Does what the steps say, one after the other. Thin: what to do was decided before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from etl.aws.cloudformation import (
    StackRequest,
    apply_stack,
    continue_rollback,
    delete_stack,
    outputs,
    parameters,
    wait_for_stack,
)
from etl.aws.stack_events import StackEvent, event_ids
from etl.aws.target import Target
from etl.deployment.deploy import (
    ensure_artifact_bucket,
    leave_contract,
    run_migration,
    stack_request,
    upload,
)
from etl.deployment.planner import Built, BuiltPlatform, build_platform
from etl.deployment.stack_build import DeploymentPlan
from etl.deployment.steps import Step
from infrastructure.platform import PlatformSettings, core_settings, given_core
from infrastructure.platform.stack_links import close_default_group

__all__ = ["Deployment", "Destruction", "Listener", "without_core"]


@dataclass
class Listener:
    """Who hears how it goes. Each part may be left out."""

    told: Callable[[str], None] = lambda _: None
    """A line for a phase."""
    event: Callable[[StackEvent], None] = lambda _: None
    """Each event of a stack."""
    sent: Callable[[int], None] = lambda _: None
    """Bytes uploaded."""


@dataclass
class Deployment:
    """Carries out :func:`etl.deployment.steps.deployment_steps`."""

    target: Target
    built: Built
    listener: Listener = field(default_factory=Listener)
    skip: tuple[str, ...] = ()
    """Resources that a continued rollback leaves out."""
    schema_changes: list[str] = field(default_factory=list)
    """Statements that the migration ran on the table."""

    def do(self, step: Step) -> None:
        """One step. Raises ``StackError``, ``MigrationError``."""
        acts: dict[str, Callable[[Step], None]] = {
            "wait": self._wait,
            "continue rollback": self._continue_rollback,
            "clear": self._clear,
            "upload": self._upload,
            "platform": self._platform,
            "core": self._core,
            "migrate": self._migrate,
            "contract": self._contract,
            "join": self._join,
            "core again": self._core,
        }
        acts[step.kind](step)

    @property
    def _formation(self) -> Any:
        return self.target.client("cloudformation")

    def _wait(self, step: Step) -> None:
        self.listener.told(f"stack {step.stack}: waiting for what is running")
        seen = event_ids(self._formation, step.stack)
        good = ("UPDATE_ROLLBACK_COMPLETE", "ROLLBACK_COMPLETE")
        wait_for_stack(self._formation, step.stack, seen, self.listener.event, *good)

    def _continue_rollback(self, step: Step) -> None:
        self.listener.told(f"stack {step.stack}: continuing the way back")
        continue_rollback(self._formation, step.stack, self.skip, self.listener.event)

    def _clear(self, step: Step) -> None:
        self.listener.told(f"stack {step.stack}: deleting what a failed creation left")
        delete_stack(self._formation, step.stack, self.listener.told, self.listener.event)

    def _upload(self, _step: Step) -> None:
        region = self.target.session.region_name
        s3, listener = self.target.client("s3"), self.listener
        upload(s3, self.built.core, region, listener.told, listener.sent)

    def _platform(self, step: Step) -> None:
        self._apply(self._built_platform.plan)
        group = outputs(self._formation, step.stack).get("DefaultSecurityGroupId")
        if group:
            # Which CloudFormation can't do.
            close_default_group(self.target.client("ec2"), group)

    def _core(self, _step: Step) -> None:
        core, settings = self.built.core, self.built.settings
        if self.built.platform is not None:
            said = outputs(self._formation, self.built.platform.plan.stack)
            settings = core_settings(settings, said)
            core = replace(core, parameters=settings.parameters(core.artifact_bucket))
        self._apply(core)

    def _join(self, _step: Step) -> None:
        said = outputs(self._formation, self.target.stack)
        known = given_core(self._built_platform.settings, self.target.stack, said)
        self._apply(build_platform(self.built.core, known, self.built.settings.contract).plan)

    @property
    def _built_platform(self) -> BuiltPlatform:
        if self.built.platform is None:
            raise LookupError("a step about the platform stack, and none was built")
        return self.built.platform

    def _apply(self, plan: DeploymentPlan) -> None:
        s3 = self.target.client("s3")
        if not plan.template_fits_request:
            ensure_artifact_bucket(s3, plan.artifact_bucket, self.target.session.region_name)
            body = plan.template.encode()
            s3.put_object(Bucket=plan.artifact_bucket, Key=plan.template_key, Body=body)
        request = stack_request(s3, plan)
        told, event = self.listener.told, self.listener.event
        outcome = apply_stack(self._formation, request, told, event)
        told(f"stack {plan.stack} {outcome}")

    def _migrate(self, step: Step) -> None:
        self.listener.told("bringing the schema up to the contract")
        found = outputs(self._formation, step.stack)
        functions = self.target.client("lambda")
        self.schema_changes = run_migration(functions, found["MigrateFunctionName"])

    def _contract(self, step: Step) -> None:
        bucket = outputs(self._formation, step.stack)["DataBucketName"]
        leave_contract(self.target.client("s3"), bucket, self.built.settings)


def without_core() -> dict[str, str]:
    """The platform's parameters that tell of the core, as they are before it is there."""
    alone = PlatformSettings(stack="platform")
    told = given_core(alone, "core", defaultdict(lambda: "of:the:core")).parameters()
    return {name: value for name, value in alone.parameters().items() if told[name] != value}


@dataclass
class Destruction:
    """Carries out what :func:`etl.deployment.steps.destruction_steps` says of the platform.

    The core is :func:`etl.deployment.destroy.destroy`'s.
    """

    target: Target
    delete_core: Callable[[], object]
    listener: Listener = field(default_factory=Listener)

    def do(self, step: Step) -> None:
        """One step. Raises ``StackError``."""
        if step.kind == "part":
            self._part(step.stack)
        elif step.kind == "delete core":
            self.delete_core()
        elif step.kind == "delete platform":
            self.listener.told(f"deleting stack {step.stack}")
            formation = self.target.client("cloudformation")
            delete_stack(formation, step.stack, self.listener.told, self.listener.event)

    def _part(self, stack: str) -> None:
        """Update the platform as it is deployed, without what refers to the core."""
        formation = self.target.client("cloudformation")
        self.listener.told(f"stack {stack}: taking down what refers to the core")
        alone = without_core()
        values = {
            name: alone.get(name, value) for name, value in parameters(formation, stack).items()
        }
        described = formation.describe_stacks(StackName=stack)["Stacks"][0]
        request = StackRequest(
            stack=stack,
            template={"UsePreviousTemplate": True},
            parameters=values,
            tags={tag["Key"]: tag["Value"] for tag in described.get("Tags", [])},
            resources=0,
        )
        apply_stack(formation, request, self.listener.told, self.listener.event)
