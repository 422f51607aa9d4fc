"""Executes the steps of a deployment, one after the other; they were decided before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from etl.aws.cloudformation import (
    apply_stack,
    continue_rollback,
    delete_stack,
    outputs,
    wait_for_stack,
)
from etl.aws.stack_events import event_ids
from etl.aws.target import Target
from etl.deployment.artifact_bucket import ensure_bucket, put_template, stack_request, upload
from etl.deployment.listener import Listener
from etl.deployment.migration import publish_contract, run_migration
from etl.deployment.stack_build import DeploymentBuild, PlatformBuild, StackBuild, build_platform
from etl.deployment.steps import Step
from infrastructure.platform import core_settings, given_core
from infrastructure.platform.stack_links import close_default_group

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient

__all__ = ["DeploymentExecutor"]


@dataclass
class DeploymentExecutor:
    """Executes :func:`etl.deployment.steps.deployment_steps`."""

    target: Target
    build: DeploymentBuild
    listener: Listener = field(default_factory=Listener)
    skip: tuple[str, ...] = ()
    """Resources to skip when a rollback is continued."""
    schema_changes: list[str] = field(default_factory=list)
    """Statements that the migration ran on the table."""

    def run(self, steps: Sequence[Step]) -> None:
        """Execute the steps in order. Raises ``StackError`` or ``MigrationError``."""
        for step in steps:
            self.listener.step(step)
            self.execute(step)

    def execute(self, step: Step) -> None:
        """Execute one step. Raises ``StackError`` or ``MigrationError``."""
        actions: dict[str, Callable[[Step], None]] = {
            "wait": self._wait,
            "continue rollback": self._continue_rollback,
            "delete remains": self._delete_remains,
            "upload": self._upload,
            "platform": self._platform,
            "core": self._core,
            "migrate": self._migrate,
            "contract": self._contract,
            "link": self._link,
            "core again": self._core,
        }
        actions[step.kind](step)

    @property
    def _formation(self) -> CloudFormationClient:
        return self.target.client("cloudformation")

    @property
    def _region(self) -> str:
        return str(self.target.session.region_name)

    def _wait(self, step: Step) -> None:
        self.listener.notify(f"stack {step.stack}: waiting for the operation in progress")
        seen = event_ids(self._formation, step.stack)
        good = ("UPDATE_ROLLBACK_COMPLETE", "ROLLBACK_COMPLETE")
        wait_for_stack(self._formation, step.stack, seen, self.listener.event, *good)

    def _continue_rollback(self, step: Step) -> None:
        self.listener.notify(f"stack {step.stack}: continuing the rollback")
        continue_rollback(self._formation, step.stack, self.skip, self.listener.event)

    def _delete_remains(self, step: Step) -> None:
        self.listener.notify(f"stack {step.stack}: deleting the remains of a failed creation")
        delete_stack(self._formation, step.stack, self.listener.notify, self.listener.event)

    def _upload(self, _step: Step) -> None:
        s3, listener = self.target.client("s3"), self.listener
        upload(s3, self.build.core, self._region, listener.notify, listener.sent)

    def _platform(self, step: Step) -> None:
        self._apply(self._platform_build.stack)
        group = outputs(self._formation, step.stack).get("DefaultSecurityGroupId")
        if group:
            # CloudFormation has no resource for the rules of a VPC's default group.
            close_default_group(self.target.client("ec2"), group)

    def _core(self, _step: Step) -> None:
        core, settings = self.build.core, self.build.settings
        if self.build.platform is not None:
            values = outputs(self._formation, self.build.platform.stack.stack)
            settings = core_settings(settings, values)
            core = replace(core, parameters=settings.parameters(core.artifact_bucket))
        self._apply(core)

    def _link(self, _step: Step) -> None:
        values = outputs(self._formation, self.target.stack)
        linked = given_core(self._platform_build.settings, self.target.stack, values)
        build = self.build
        second = build_platform(build.core, linked, build.settings.contract, self._region)
        self._apply(second.stack)

    @property
    def _platform_build(self) -> PlatformBuild:
        if self.build.platform is None:
            raise LookupError("a step for the platform stack, which was not built")
        return self.build.platform

    def _apply(self, build: StackBuild) -> None:
        s3, listener = self.target.client("s3"), self.listener
        if not build.template_fits_request:
            ensure_bucket(s3, build.artifact_bucket, self._region)
            put_template(s3, build)
        listener.notify(f"applying the template to stack {build.stack}")
        request = stack_request(s3, build)
        outcome = apply_stack(self._formation, request, listener.notify, listener.event)
        listener.notify(f"stack {build.stack} {outcome}")

    def _migrate(self, step: Step) -> None:
        self.listener.notify("migrating the database's schema to the contract")
        name = outputs(self._formation, step.stack)["MigrateFunctionName"]
        self.schema_changes = run_migration(self.target.invoking_client(), name)

    def _contract(self, step: Step) -> None:
        bucket = outputs(self._formation, step.stack)["DataBucketName"]
        publish_contract(self.target.client("s3"), bucket, self.build.settings)
