"""Executes the steps of a deployment, one after the other; they were decided before.

Where one fails, the error says what is live then (:mod:`etl.deployment.live_state`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from etl.aws.cloudformation import (
    apply_stack,
    continue_rollback,
    delete_stack,
    deployed_template,
    outputs,
    parameters,
    stack_status,
    stack_tags,
    wait_for_stack,
)
from etl.aws.s3 import owned_s3
from etl.aws.stack_events import event_ids
from etl.aws.target import Target
from etl.deployment.artifact_bucket import ensure_bucket, put_template, stack_request, upload
from etl.deployment.current_state import is_in_use
from etl.deployment.expansion import expand_template, first_template
from etl.deployment.kept_customization import keep_customization
from etl.deployment.listener import Listener
from etl.deployment.live_state import live_state
from etl.deployment.migration import publish_contract, run_migration
from etl.deployment.protection import Protection, apply_protection, prepare_update
from etl.deployment.stack_build import DeploymentBuild, PlatformBuild, StackBuild, build_platform
from etl.deployment.steps import Step
from infrastructure.platform.stack_links import close_default_group, core_settings, given_core
from telemetry.errors import UserError

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
        """Execute the steps in order. Raises ``StackError`` or ``MigrationError``, which says what
        is live then."""
        deployed = deployed_template(self._formation, self.target.stack) if self._in_use() else {}
        first = "StateMachine" not in deployed.get("Resources", {})
        migrates = any(step.kind == "migrate" for step in steps)

        def live(step: Step, *, settled: bool) -> str:
            several = len(self.build.settings.contracts) > 1
            return live_state(
                step.kind, first=first, migrates=migrates, settled=settled, several=several
            ).text

        for step in steps:
            self.listener.step(step)
            try:
                self.execute(step)
            except UserError as error:
                text = live(step, settled=self._is_settled())
                raise type(error)(f"{error}\n{text}") from error
            except BaseException:  # Ctrl-C, too: CloudFormation goes on
                self.listener.notify(live(step, settled=False))
                raise

    def execute(self, step: Step) -> None:
        """Execute one step. Raises ``StackError`` or ``MigrationError``."""
        actions: dict[str, Callable[[Step], None]] = {
            "wait": self._wait,
            "continue rollback": self._continue_rollback,
            "delete remains": self._delete_remains,
            "upload": self._upload,
            "platform": self._platform,
            "expand": self._expand,
            "migrate": self._migrate,
            "core": self._core,
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
        s3, listener = owned_s3(self.target), self.listener
        upload(s3, self.build.core, self._region, listener.notify, listener.sent)

    def _platform(self, step: Step) -> None:
        self._apply(self._platform_build.stack)
        self._protect(step.stack)
        group = outputs(self._formation, step.stack).get("DefaultSecurityGroupId")
        if group:
            # CloudFormation has no resource for the rules of a VPC's default group.
            close_default_group(self.target.client("ec2"), group)

    def _expand(self, step: Step) -> None:
        core, formation = self._core_build(), self._formation
        new = json.loads(core.template)
        if self._in_use():
            old, values = (
                deployed_template(formation, step.stack),
                parameters(formation, step.stack),
            )
            template = expand_template(old, values, new, core.parameters)
            if template == old:
                return
            core = replace(core, parameters=values, tags=stack_tags(formation, step.stack))
        else:
            template = first_template(new)
        body = json.dumps(template, sort_keys=True, separators=(",", ":"))
        self._apply(replace(core, template=body), "the migrate function alone")

    def _core(self, step: Step) -> None:
        self._apply(self._core_build())
        self._protect(step.stack)
        if self.target.local is not None:
            keep_customization(self.target, self.build.settings)

    def _core_build(self) -> StackBuild:
        """Return the core's build, connected to the platform's database if there is one."""
        core = self.build.core
        if self.build.platform is None:
            return core
        values = outputs(self._formation, self.build.platform.stack.stack)
        settings = core_settings(self.build.settings, values)
        return replace(core, parameters=settings.parameters(core.artifact_bucket))

    def _link(self, _step: Step) -> None:
        values = outputs(self._formation, self.target.stack)
        linked = given_core(self._platform_build.settings, self.target.stack, values)
        build = self.build
        second = build_platform(build.core, linked, build.settings.contracts, self._region)
        self._apply(second.stack)

    @property
    def _platform_build(self) -> PlatformBuild:
        if self.build.platform is None:
            raise LookupError("a step for the platform stack, which was not built")
        return self.build.platform

    def _in_use(self) -> bool:
        return is_in_use(stack_status(self._formation, self.target.stack))

    def _is_settled(self) -> bool:
        """Return true where CloudFormation has ended or undone its last change of the core."""
        status = stack_status(self._formation, self.target.stack)
        return status is None or status.endswith("_COMPLETE")

    def _apply(self, build: StackBuild, part: str = "the template") -> None:
        s3, listener = owned_s3(self.target), self.listener
        if not build.template_fits_request:
            ensure_bucket(s3, build.artifact_bucket, self._region)
            put_template(s3, build)
        listener.notify(f"applying {part} to stack {build.stack}")
        if is_in_use(stack_status(self._formation, build.stack)):
            prepare_update(self._formation, build.stack, self._protection)
        request = stack_request(s3, build)
        outcome = apply_stack(self._formation, request, listener.notify, listener.event)
        listener.notify(f"stack {build.stack} {outcome}")

    def _protect(self, stack: str) -> None:
        apply_protection(self._formation, stack, self._protection, self.listener.notify)

    @property
    def _protection(self) -> Protection:
        return Protection.of(self.build.settings)

    def _migrate(self, step: Step) -> None:
        self.listener.notify("migrating the database's schema to the contract")
        name = outputs(self._formation, step.stack)["MigrateFunctionName"]
        client = self.target.invoking_client()
        self.schema_changes = run_migration(client, name, self.listener.notify)

    def _contract(self, step: Step) -> None:
        bucket = outputs(self._formation, step.stack)["DataBucketName"]
        publish_contract(owned_s3(self.target), bucket, self.build.settings)
