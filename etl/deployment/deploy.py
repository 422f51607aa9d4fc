"""Deploys a pipeline: the one order of things behind every command, test and notebook.

1. :func:`etl.deployment.current_state.read_current_state` asks for the status of both stacks;
2. :func:`build_deployment` builds zips, templates and parameters;
3. :func:`etl.deployment.steps.deployment_steps` decides the steps;
4. :class:`etl.deployment.executor.DeploymentExecutor` executes them.

``etl plan`` and ``etl deploy`` put a review between 3 and 4 (:mod:`etl.deployment.planner`);
:func:`deploy` has none. Deploying again is safe, and changes nothing where nothing differs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from etl.aws.cloudformation import outputs
from etl.aws.target import Target
from etl.deployment.current_state import (
    CurrentState,
    core_is_linked,
    read_current_state,
    refuse_stuck,
)
from etl.deployment.executor import DeploymentExecutor
from etl.deployment.listener import Listener
from etl.deployment.stack_build import DeploymentBuild, build_core, build_platform
from etl.deployment.steps import deployment_steps
from infrastructure.platform.settings import PlatformSettings
from infrastructure.platform.stack_links import core_settings, given_core, with_lower_level
from infrastructure.settings import DeploySettings
from layers.build import BUILD_FOLDER
from layers.notify import Notify, silent

__all__ = ["FROM_PLATFORM", "build_deployment", "deploy"]

FROM_PLATFORM = "(of the platform stack)"
"""Value of a parameter that only a platform stack still to be created can give."""


def deploy(
    target: Target,
    settings: DeploySettings,
    platform: PlatformSettings | None = None,
    notify: Notify = silent,
    *,
    migrate: bool = True,
    folder: Path = BUILD_FOLDER,
) -> dict[str, str]:
    """Create or update a pipeline without a review; return the core stack's outputs.

    ``migrate``: false where the database's schema is someone else's. Raises what
    :func:`build_deployment` raises, ``StackError`` and ``MigrationError``.
    """
    now = read_current_state(target, platform=platform is not None)
    refuse_stuck(now)
    build = build_deployment(target, settings, platform, now, notify, folder=folder)
    proxy = platform is not None and platform.proxy
    executor = DeploymentExecutor(target, build, Listener(notify=notify))
    executor.run(deployment_steps(now, proxy=proxy, migrate=migrate, relink=build.must_relink))
    return outputs(target.client("cloudformation"), target.stack)


def build_deployment(
    target: Target,
    settings: DeploySettings,
    platform: PlatformSettings | None,
    now: CurrentState,
    notify: Notify = silent,
    *,
    folder: Path = BUILD_FOLDER,
) -> DeploymentBuild:
    """Build both stacks, each with the outputs that the other one has already.

    Raises ``ContractError``, ``LayerBuildError``, ``PackageError`` or ``DefinitionError``.
    """
    notify("building functions, layers and template")
    formation = target.client("cloudformation")
    if platform is not None:
        settings = _with_platform(settings, outputs(formation, platform.stack))
        if core_is_linked(now):
            linked = given_core(platform, now.core, outputs(formation, now.core))
            platform = with_lower_level(linked, settings.observability)
    core = build_core(
        settings,
        account=target.client("sts").get_caller_identity()["Account"],
        region=target.session.region_name,
        folder=folder,
        notify=notify,
    )
    region = target.session.region_name
    second = build_platform(core, platform, settings.contracts, region) if platform else None
    return DeploymentBuild(settings=settings, core=core, platform=second)


def _with_platform(settings: DeploySettings, outputs: dict[str, str]) -> DeploySettings:
    """Take database and network from the platform's outputs, placeholders where it has none yet."""
    if "DatabaseHost" in outputs:
        return core_settings(settings, outputs)
    database = replace(settings.database, host=FROM_PLATFORM, owner_secret_arn=FROM_PLATFORM)
    return replace(settings, database=database)
