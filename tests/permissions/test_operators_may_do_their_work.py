"""The printed policies of reader, repairer, eraser and publisher: each command is allowed, nothing more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest

from etl.deployment.permissions import cloudformation_policy, deployer_policy
from etl.operations.permissions import OPERATORS, Operator, operator_policy
from tests.permissions.commands import CommandRun, recorded_commands
from tests.permissions.operators import denied_requests
from tests.permissions.policies import Request, listed

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("who", list(OPERATORS))]

EXTENDED: dict[Operator, tuple[Operator, ...]] = {
    "repairer": ("reader",),
    "eraser": ("reader",),
}
"""Whose commands a policy is for besides its own."""
NOT_CALLED = {
    "iot:DescribeEndpoint": "the emulator's broker is known without",
    "states:DescribeStateMachine": "the notebooks' picture of the definition",
}
"""Actions that no command calls here, and what calls them."""
NOT_READ = {"/manifests/*": "the manifest of an execution is read while it runs"}
"""Ends of patterns of resources that no command acts on here, and what does."""
NOT_THERE = {"-DrainSchedule-*": "the pipeline here has the queue's mapping, not the drain loop"}
"""Ends of patterns of resources that the pipeline here doesn't have."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandRun]:
    with (
        pytest.MonkeyPatch.context() as patch,
        recorded_commands(patch, tmp_path_factory.mktemp("commands")) as found,
    ):
        yield found


def asked_by(run: CommandRun, who: Operator) -> list[Request]:
    """What the commands of an operator ask for."""
    return [request for one in (who, *EXTENDED.get(who, ())) for request in run.asked[one]]


def policy(run: CommandRun, who: Operator) -> list[dict[str, Any]]:
    world = run.world
    found: list[dict[str, Any]] = operator_policy(who, world.stack, world.account, world.region)[
        "Statement"
    ]
    return found


def test_every_call_of_the_commands_is_allowed(run: CommandRun, who: Operator) -> None:
    asked = asked_by(run, who)
    assert len(asked) >= 8
    assert [str(one) for one in denied_requests(who, asked, run.world)] == []


def test_what_other_commands_alone_call_is_refused(run: CommandRun, who: Operator) -> None:
    own = {kind_of(request) for request in asked_by(run, who)}
    others = [
        request
        for other, asked in run.asked.items()
        if other != who
        for request in asked
        if kind_of(request) not in own
    ]
    assert others
    assert set(denied_requests(who, others, run.world)) == set(others)


def test_what_functions_and_deployments_alone_do_is_refused(run: CommandRun, who: Operator) -> None:
    own = {kind_of(request) for request in asked_by(run, who)}
    actions = {action for action, _ in own} | NOT_CALLED.keys()
    own |= {("s3:GetObject", end.strip("/*")) for end in NOT_READ}
    of_functions = [one for one in of_statements(run, run.of_roles) if kind_of(one) not in own]
    of_deployments = [
        one for one in of_statements(run, of_deployer(run)) if one.action not in actions
    ]
    assert min(len(of_functions), len(of_deployments)) > 20
    others = [*of_functions, *of_deployments]
    assert set(denied_requests(who, others, run.world)) == set(others)


def test_each_part_of_the_policy_is_needed(run: CommandRun, who: Operator) -> None:
    asked = {(request.action, request.resource) for request in asked_by(run, who)}
    for statement in policy(run, who):
        patterns = listed(statement["Resource"])
        for action in statement["Action"]:
            assert action in NOT_CALLED or any(
                action == one and any(fnmatchcase(resource, pattern) for pattern in patterns)
                for one, resource in asked
            ), f"{statement['Sid']}: no command calls {action}"
        for pattern in patterns if not set(statement["Action"]) <= NOT_CALLED.keys() else ():
            assert pattern.endswith((*NOT_READ, *NOT_THERE)) or any(
                action in statement["Action"] and fnmatchcase(resource, pattern)
                for action, resource in asked
            ), f"{statement['Sid']}: no command acts on {pattern}"


def test_another_pipelines_data_is_refused(run: CommandRun, who: Operator) -> None:
    """The same calls about a stack with another name; what has no stack in its name is the key's."""
    named = re.compile(rf"\b{run.world.stack}\b")
    others = [
        Request(one.principal, one.action, named.sub("another", one.resource), one.context, one.why)
        for one in asked_by(run, who)
        # The history of alarms is allowed for all of them.
        if named.search(one.resource) and one.action != "cloudwatch:DescribeAlarmHistory"
    ]
    keys = [
        Request(one.principal, one.action, one.resource, renamed(one.context), one.why)
        for one in asked_by(run, who)
        if one.action.startswith("kms:")
    ]
    assert others
    assert keys
    assert set(denied_requests(who, [*others, *keys], run.world)) == {*others, *keys}


def renamed(context: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((k, "another" if k.startswith("aws:ResourceTag/") else v) for k, v in context)


def kind_of(request: Request) -> tuple[str, str]:
    """The action, and what it acts on: a folder of the bucket, a kind of resource."""
    place = request.resource
    if place.startswith("arn:aws:s3:::") and "/" in place:
        return request.action, place.split("/")[1]
    if request.action.startswith("kms:"):
        via = dict(request.context).get("kms:ViaService", "")
        return request.action, via.split(".")[0]
    if request.action.startswith("states:"):
        return request.action, ":".join(place.split(":")[:7])
    return request.action, re.sub(r"[:/-][^:/-]*$", "", place)


def of_deployer(run: CommandRun) -> list[dict[str, Any]]:
    where = (run.world.stack, run.world.account, run.world.region)
    both = (deployer_policy(*where), cloudformation_policy("core", *where))
    return [statement for one in both for statement in one["Statement"]]


def of_statements(run: CommandRun, statements: list[dict[str, Any]]) -> list[Request]:
    """One request for each action on each resource that the statements allow."""
    found = []
    for one in statements:
        context = {f"aws:ResourceTag/{key}": value for key, value in run.world.key_tags.items()}
        for keys in one.get("Condition", {}).values():
            context |= {k: str(listed(v)[0]).replace("*", "com") for k, v in keys.items()}
        for action in listed(one["Action"]):
            for place in listed(one["Resource"]):
                resource = place.replace("*", "x") if place != "*" else place
                held = tuple(context.items())
                found.append(Request("operator", action, resource, held, str(one.get("Sid"))))
    return found
