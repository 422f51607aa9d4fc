"""What the pipeline does in a whole run, and what AWS does for it, is allowed by what is deployed.

Taking any one statement away, or any part of it, makes something fail: none is too much. The two are in
one file, as files are spread over processes, and each process would record a run of its own.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from functions.inventory import functions_of
from tests.permissions.machine import tasks
from tests.permissions.policies import Named, Statement, listed
from tests.permissions.run import Recording
from tests.permissions.statements import statement_names

pytestmark = pytest.mark.slow

STATEMENTS = statement_names()


def test_the_run_had_every_function_at_work(recording: Recording) -> None:
    at_work = Counter(call.function for call in recording.calls)
    functions = functions_of(fleet_provisioning=False, channels=True)
    assert set(at_work) == {spec.name for spec in functions}


def test_the_run_went_through_every_kind_of_state(recording: Recording) -> None:
    kinds = {s["Resource"] for s in tasks(recording.stack).values() if s["Type"] == "Task"}
    services = {kind for kind in kinds if not kind.endswith(":lambda:invoke")}
    assert services == {
        "arn:aws:states:::sns:publish",
        "arn:aws:states:::aws-sdk:s3:putObject",
    }
    assert any("sns:publish" in str(one) for one in recording.told)
    assert any(key.endswith(".failed.json") for key in recording.keys)
    assert any(key.endswith(".quarantined.json") for key in recording.keys)


def test_every_statement_of_the_template_is_deployed(recording: Recording) -> None:
    deployed = [one.name for one in recording.policies.statements if one.name]
    assert sorted(deployed) == sorted(statement_names())


def test_the_emulator_refused_no_call_either(recording: Recording) -> None:
    refused = [call for call in recording.calls if "Denied" in str(call.error)]
    assert refused == []


def test_the_emulator_holds_functions_to_their_roles(recording: Recording) -> None:
    iam, role = recording.rig.client("iam"), recording.stack.physical["SweepRole"]
    own = iam.get_role_policy(RoleName=role, PolicyName="Own")["PolicyDocument"]
    less = [one for one in own["Statement"] if one["Sid"] != "ListOrMiss"]
    assert recording.rig.sweep() is not None
    iam.put_role_policy(
        RoleName=role, PolicyName="Own", PolicyDocument=json.dumps({**own, "Statement": less})
    )
    try:
        assert recording.rig.sweep() is None
    finally:
        iam.put_role_policy(RoleName=role, PolicyName="Own", PolicyDocument=json.dumps(own))
    assert recording.rig.sweep() is not None


def test_all_that_is_asked_for_is_allowed(recording: Recording) -> None:
    missing = [str(r) for r in recording.asked if not recording.policies.allow(r)]
    assert missing == []


def test_what_must_be_refused_is_refused(recording: Recording) -> None:
    open_doors = [str(r) for r in recording.refused if recording.policies.allow(r)]
    assert open_doors == []


def named(recording: Recording, name: str) -> Named:
    (found,) = [one for one in recording.policies.statements if one.name == name]
    return found


def less(statement: Statement) -> Iterator[tuple[str, Statement]]:
    """The statement without one of its actions, resources or values of a condition."""
    for part in ("Action", "Resource"):
        values = listed(statement.get(part, []))
        if len(values) > 1:
            for value in values:
                yield str(value), {**statement, part: [v for v in values if v != value]}
    for operator, key, values in conditions(statement):
        if len(values) > 1:
            for value in values:
                kept = {key: [v for v in values if v != value]}
                yield str(value), with_condition(statement, operator, key, kept)


def wider(statement: Statement) -> Iterator[tuple[str, Statement]]:
    """The statement without one of its conditions."""
    for operator, key, _ in conditions(statement):
        yield f"{operator} {key}", with_condition(statement, operator, key, {})


def conditions(statement: Statement) -> Iterator[tuple[str, str, list[Any]]]:
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            yield operator, key, listed(values)


def with_condition(
    statement: Statement, operator: str, key: str, instead: dict[str, Any]
) -> Statement:
    """The statement with another condition in the place of one, or with none."""
    before = statement["Condition"]
    kept = {k: v for k, v in before[operator].items() if k != key}
    return {**statement, "Condition": {**before, operator: {**kept, **instead}}}


@pytest.mark.parametrize("name", STATEMENTS)
def test_without_the_statement_something_fails(recording: Recording, name: str) -> None:
    assert recording.broken_by(recording.exact.replacing(name)) is not None


@pytest.mark.parametrize("name", STATEMENTS)
def test_each_part_of_the_statement_is_needed(recording: Recording, name: str) -> None:
    one = named(recording, name).statement
    too_much = [
        part
        for part, other in [*less(one), *wider(one)]
        if recording.broken_by(recording.exact.replacing(name, other)) is None
    ]
    assert too_much == []
