"""What the pipeline does in a whole run, and what AWS does for it, is allowed by what is deployed."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from functions.inventory import functions_of
from tests.permissions.machine import tasks
from tests.permissions.run import Recording
from tests.permissions.statements import statement_names

pytestmark = pytest.mark.slow


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
