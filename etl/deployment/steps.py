"""The order of things, as data: what a deployment does to which stack, and a destruction undoes.

Two stacks need each other. The platform holds network and database, which the core connects to;
the platform's proxy and alarms need the core's secret, topic and queue, and the core then connects
through the proxy. So a first deployment goes back and forth, and a later one once over each::

    upload -> platform -> core -> migrate -> contract -> join (platform again) -> core again

A destruction goes the other way: the platform lets go of the core, the core goes, then the
platform.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from etl.aws.cloudformation import GONE_WRONG_AT_BIRTH

__all__ = ["Situation", "Step", "deployment_steps", "destruction_steps"]

Kind = Literal[
    "wait",
    "continue rollback",
    "clear",
    "upload",
    "platform",
    "core",
    "migrate",
    "contract",
    "join",
    "core again",
    "part",
    "delete core",
    "delete platform",
]


@dataclass(frozen=True)
class Step:
    """One thing to do to one stack."""

    kind: Kind
    stack: str
    text: str
    """What it is for, in a few words."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is wanted, and what is there."""

    core: str
    """Name of the core stack."""
    core_status: str | None
    """``None`` where there is none."""
    platform: str = ""
    """Name of the platform stack; empty where none is wanted (or, to destroy, none is there)."""
    platform_status: str | None = None
    joined: bool = False
    """Whether the platform knows of the core already."""
    proxy: bool = False
    """Whether the platform is to bring a proxy."""


def deployment_steps(now: Situation) -> list[Step]:
    """What a deployment does, in order."""
    joined = now.joined and now.core_status not in {None, *GONE_WRONG_AT_BIRTH}
    steps = list(_made_ready(now.core, now.core_status))
    if now.platform:
        steps += _made_ready(now.platform, now.platform_status)
    steps.append(Step("upload", now.core, "put new zips into the artifact bucket"))
    if now.platform:
        steps.append(Step("platform", now.platform, "network and database, which the core needs"))
    steps += [
        Step("core", now.core, "the pipeline itself"),
        Step("migrate", now.core, "bring the database's schema up to the contract"),
        Step("contract", now.core, "leave the contract in force in the data bucket"),
    ]
    if now.platform and not joined:
        text = "proxy and alarms, which need the core" if now.proxy else "alarms of the core"
        steps.append(Step("join", now.platform, text))
        if now.proxy:
            steps.append(Step("core again", now.core, "connect through the proxy"))
    return steps


def _made_ready(stack: str, status: str | None) -> Iterator[Step]:
    """What a stack in this status needs before it can be changed."""
    if status is None or status == "REVIEW_IN_PROGRESS":
        return
    if status.endswith("_IN_PROGRESS"):
        yield Step("wait", stack, f"CloudFormation is at work ({status})")
    elif status == "UPDATE_ROLLBACK_FAILED":
        yield Step("continue rollback", stack, "finish the way back of an update that failed")
    elif status in GONE_WRONG_AT_BIRTH:
        yield Step("clear", stack, f"delete what a failed creation left ({status})")


def destruction_steps(now: Situation, *, with_platform: bool) -> list[Step]:
    """What a destruction does, in order. ``with_platform``: whether that stack goes, too."""
    steps = []
    if now.platform and now.platform_status and now.joined:
        steps.append(Step("part", now.platform, "take down what refers to the core"))
    if now.core_status:
        steps.append(Step("delete core", now.core, "the pipeline itself"))
    if now.platform and now.platform_status and with_platform:
        steps.append(Step("delete platform", now.platform, "network and database"))
    return steps
