"""The steps of a deployment and of a teardown, as data, in their order.

Functions must not be newer than the table that they write, so the core goes in two steps: first the
migrate function alone (:mod:`etl.deployment.expansion`), which then migrates, and after that all
else. The migration only adds: the functions of before go on writing the table that it leaves.

Two stacks need each other. The platform holds network and database, which the core connects to;
the platform's proxy and alarms need the core's secret, topic and queue, and the core then connects
through the proxy. So a first deployment changes the platform twice, and a later one once::

    upload -> platform -> expand -> migrate -> core -> contract -> link (platform again)
           -> core again

A teardown goes in reverse: unlink the platform from the core, delete the core, then the platform.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from etl.aws.cloudformation import FAILED_CREATION
from etl.deployment.current_state import CurrentState, core_is_linked

__all__ = ["Kind", "Step", "deployment_steps", "teardown_steps"]

Kind = Literal[
    "wait",
    "continue rollback",
    "delete remains",
    "upload",
    "platform",
    "expand",
    "migrate",
    "core",
    "contract",
    "link",
    "core again",
    "lift protection",
    "unlink",
    "delete core",
    "delete platform",
]


@dataclass(frozen=True)
class Step:
    """One action on one stack."""

    kind: Kind
    stack: str
    text: str
    """Purpose, in a few words."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def deployment_steps(
    now: CurrentState, *, proxy: bool = False, migrate: bool = True, relink: bool = False
) -> list[Step]:
    """List the steps of a deployment in order.

    ``proxy``: the platform has a database proxy. ``migrate``: false where the database's schema is
    someone else's. ``relink``: the core gets alarms that the platform's composite alarms name.
    """
    steps = list(_recovery(now.core, now.core_status))
    if now.platform:
        steps += _recovery(now.platform, now.platform_status)
    steps.append(Step("upload", now.core, "upload new zips to the artifact bucket"))
    if now.platform:
        steps.append(Step("platform", now.platform, "network and database, which the core needs"))
    if migrate:
        steps.append(Step("expand", now.core, "the new migrate function, and nothing else"))
        steps.append(Step("migrate", now.core, "migrate the database's schema to the contract"))
    steps.append(Step("core", now.core, "the pipeline itself"))
    steps.append(Step("contract", now.core, "put the contract in force into the data bucket"))
    if now.platform and not core_is_linked(now):
        text = "proxy and alarms, which need the core" if proxy else "alarms of the core"
        steps.append(Step("link", now.platform, text))
        if proxy:
            steps.append(Step("core again", now.core, "connect through the proxy"))
    elif now.platform and relink:
        steps.append(Step("link", now.platform, "composite alarms over the core's new alarms"))
    return steps


def _recovery(stack: str, status: str | None) -> Iterator[Step]:
    """Yield what a stack in this status needs before it can be changed."""
    if status is None or status == "REVIEW_IN_PROGRESS":
        return
    if status.endswith("_IN_PROGRESS"):
        yield Step("wait", stack, f"wait for the operation in progress ({status})")
    elif status == "UPDATE_ROLLBACK_FAILED":
        yield Step("continue rollback", stack, "finish the rollback of a failed update")
    elif status in FAILED_CREATION:
        yield Step("delete remains", stack, f"delete the remains of a failed creation ({status})")


def teardown_steps(
    now: CurrentState, *, with_platform: bool, protected: Collection[str] = ()
) -> list[Step]:
    """List the steps of a teardown in order.

    ``with_platform``: the platform is deleted, too. ``protected``: stacks with termination
    protection, which is lifted before anything is deleted.
    """
    steps = [Step("lift protection", stack, "allow its deletion") for stack in protected]
    if now.platform and now.platform_status and now.linked:
        steps.append(Step("unlink", now.platform, "remove what refers to the core"))
    if now.core_status:
        steps.append(Step("delete core", now.core, "the pipeline itself"))
    if now.platform and now.platform_status and with_platform:
        steps.append(Step("delete platform", now.platform, "network and database"))
    return steps
