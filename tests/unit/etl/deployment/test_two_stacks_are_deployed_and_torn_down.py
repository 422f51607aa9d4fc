"""The steps of both stacks, done to a CloudFormation in memory: the emulator can't host a platform."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from etl.aws.cloudformation import StackError
from etl.aws.contract_objects import CONTRACT_KEY
from etl.deployment import deploy as deploying
from etl.deployment.current_state import CurrentState
from etl.deployment.executor import DeploymentExecutor
from etl.deployment.listener import Listener
from etl.deployment.packaging import Packages
from etl.deployment.planner import make_plan
from etl.deployment.protection import stack_policy
from etl.deployment.stack_build import StackBuild
from etl.deployment.steps import deployment_steps, teardown_steps
from etl.deployment.teardown import TeardownExecutor, unlinked_parameters
from etl.deployment.teardown_plan import plan_teardown
from infrastructure.platform.settings import PlatformSettings
from infrastructure.settings import DatabaseSettings, DeploySettings
from tests.fixtures.cloudformation import FakeFormation
from tests.fixtures.contract_files import write_contract

CONTRACT = Path("contracts/fleet.toml").absolute()
OWNER = "arn:aws:secretsmanager:eu-central-1:1:secret:owner-AbCdEf"
CORE_OUTPUTS = {
    "TopicArn": "arn:aws:sns:eu-central-1:1:plant-AlertTopic",
    "QueueArn": "arn:aws:sqs:eu-central-1:1:plant-TelemetryQueue",
    "LoaderSecretArn": "arn:aws:secretsmanager:eu-central-1:1:secret:loader-AbCdEf",
    "AnalystSecretArn": "arn:aws:secretsmanager:eu-central-1:1:secret:analyst-AbCdEf",
    "KeyArn": "arn:aws:kms:eu-central-1:1:key/k",
    "MigrateFunctionName": "plant-migrate",
    "DataBucketName": "data",
    "Observability": "lean",
    "TopicFilter": "telemetry/fleet/+",
    "DevicePolicyName": "plant-DevicePolicy",
}


OWNER_HOST = {"Fn::If": ["HasOwnerHost", {"Ref": "OwnerDatabaseHost"}, {"Ref": "DatabaseHost"}]}
CORE = {
    "Parameters": {
        name: {"Type": "String", "Default": ""} for name in ("DatabaseHost", "OwnerDatabaseHost")
    },
    "Conditions": {
        "HasOwnerHost": {"Fn::Not": [{"Fn::Equals": [{"Ref": "OwnerDatabaseHost"}, ""]}]}
    },
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue"},
        "MigrateFunction": {"Type": "AWS::Lambda::Function", "Properties": {"Host": OWNER_HOST}},
        "StateMachine": {"Type": "AWS::StepFunctions::StateMachine"},
    },
}
"""As much of the core's template as the order of things depends on."""


def platform_outputs(parameters: dict[str, str]) -> dict[str, str]:
    """A database; and a proxy before it, once the core is known."""
    proxied = parameters["Proxy"] == "true" and parameters["CoreStack"]
    return {
        "DatabaseHost": "proxy.example.com" if proxied else "db.example.com",
        "OwnerDatabaseHost": "db.example.com",
        "DatabasePort": "5432",
        "DatabaseName": "telemetry",
        "OwnerSecretArn": OWNER,
        "SubnetIds": "subnet-1,subnet-2",
        "SecurityGroupIds": "sg-1",
    }


class Bucket:
    """S3, as far as a deployment asks it."""

    def __init__(self) -> None:
        self.meta = SimpleNamespace(
            endpoint_url="https://s3.invalid",
            region_name="eu-central-1",
            events=SimpleNamespace(register=lambda *_, **__: None),
        )
        self.objects: dict[str, bytes] = {}
        self.buckets: dict[str, str] = {}
        """Key to bucket."""
        self.deleted: list[str] = []

    def head_bucket(self, **_: str) -> None: ...

    def delete_bucket(self, *, Bucket: str) -> None:
        assert Bucket not in self.buckets.values()
        self.deleted.append(Bucket)

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **_: str) -> None:
        self.objects[Key], self.buckets[Key] = Body, Bucket

    def delete_objects(self, *, Bucket: str, Delete: Any) -> None:
        for each in Delete["Objects"]:
            assert self.buckets.pop(each["Key"]) == Bucket
            del self.objects[each["Key"]]

    def delete_object(self, *, Key: str, **_: str) -> None:
        del self.objects[Key], self.buckets[Key]

    def get_object(self, *, Key: str, **_: str) -> Any:
        raise ClientError({"Error": {"Code": "NoSuchKey", "Message": Key}}, "GetObject")

    def get_paginator(self, _: str) -> Any:
        def paginate(*, Bucket: str, **_: str) -> list[dict[str, Any]]:
            keys = [key for key, bucket in self.buckets.items() if bucket == Bucket]
            listed = [{"Key": key, "VersionId": "1"} for key in keys]
            return [{"Contents": listed, "Versions": listed}]

        return SimpleNamespace(paginate=paginate)


class Functions:
    """Lambda: the migration."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    def get_waiter(self, _: str) -> Any:
        return SimpleNamespace(wait=lambda **_: None)

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Any:
        self.log.append(f"migrate by {FunctionName}")
        answer = json.dumps({"table": ["ALTER TABLE"]}).encode()
        return {"Payload": SimpleNamespace(read=lambda: answer)}


class Account:
    """A target with services in memory."""

    stack = "plant"
    local = None

    def __init__(self, formation: FakeFormation) -> None:
        self.session = SimpleNamespace(region_name="eu-central-1")
        self.bucket = Bucket()
        self.clients = {
            "cloudformation": formation,
            "s3": self.bucket,
            "lambda": Functions(formation.log),
            "sts": SimpleNamespace(get_caller_identity=lambda: {"Account": "123456789012"}),
            "sqs": SimpleNamespace(get_queue_attributes=lambda **_: {"Attributes": {}}),
            "iot": SimpleNamespace(list_targets_for_policy=lambda **_: {"targets": []}),
            "kms": SimpleNamespace(
                describe_key=lambda **_: {"KeyMetadata": {"KeyState": "Enabled"}},
                schedule_key_deletion=lambda **_: formation.log.append("delete the key later"),
                exceptions=SimpleNamespace(NotFoundException=KeyError),
            ),
        }

    def client(self, service: str) -> Any:
        return self.clients[service]

    def invoking_client(self) -> Any:
        return self.clients["lambda"]


@pytest.fixture
def formation() -> FakeFormation:
    def core_outputs(parameters: dict[str, str]) -> dict[str, str]:
        return {**CORE_OUTPUTS, "Observability": parameters["Observability"]}

    return FakeFormation(plant=core_outputs, plant_platform=platform_outputs)


@pytest.fixture
def place(formation: FakeFormation, monkeypatch: pytest.MonkeyPatch) -> Account:
    def core(settings: DeploySettings, **_: Any) -> StackBuild:
        return StackBuild(
            stack="plant",
            template=json.dumps(CORE),
            parameters=settings.parameters("artifacts"),
            tags={},
            artifact_bucket="artifacts",
            packages=Packages(functions={}, layers={}),
            role=settings.execution_role_arn,
        )

    monkeypatch.setattr(deploying, "build_core", core)
    return Account(formation)


SETTINGS = DeploySettings(stack="plant", contract=CONTRACT, database=DatabaseSettings(host=""))
PLATFORM = PlatformSettings(stack="plant-platform", s3_prefix_list_id="pl-1")
PROXY = replace(PLATFORM, proxy=True)


def deploy(
    place: Account, platform: PlatformSettings | None = PLATFORM, **settings: Any
) -> DeploymentExecutor:
    plan, build = make_plan(place, replace(SETTINGS, **settings), platform)  # type: ignore[arg-type]
    executor = DeploymentExecutor(place, build)  # type: ignore[arg-type]
    executor.run(plan.steps)
    return executor


def test_the_first_deployment_makes_the_platform_then_the_core_and_links_them(formation, place):
    done = deploy(place)
    assert formation.log == [
        "create plant-platform",
        "create plant",
        "migrate by plant-migrate",
        "update plant",
        "update plant-platform",
    ]
    assert done.schema_changes == ["ALTER TABLE"]
    assert place.bucket.objects[CONTRACT_KEY] == CONTRACT.read_bytes()
    core, platform = (formation.stacks[name].parameters for name in ("plant", "plant-platform"))
    assert core["DatabaseHost"] == "db.example.com"
    assert core["OwnerSecretArn"] == OWNER
    assert (core["SubnetIds"], core["SecurityGroupIds"]) == ("subnet-1,subnet-2", "sg-1")
    assert platform["CoreStack"] == "plant"
    assert platform["AlertTopicArn"] == CORE_OUTPUTS["TopicArn"]


def test_with_a_proxy_the_core_ends_up_connecting_through_it(formation, place):
    deploy(place, PROXY)
    assert formation.log[-2:] == ["update plant-platform", "update plant"]
    core = formation.stacks["plant"].parameters
    assert core["DatabaseHost"] == "proxy.example.com"
    assert core["OwnerDatabaseHost"] == "db.example.com"


@pytest.mark.parametrize("platform", [None, PLATFORM, PROXY])
def test_without_a_review_the_same_is_done(formation, place, platform):
    settings = replace(SETTINGS, database=DatabaseSettings(host="db", owner_secret_arn=OWNER))
    found = deploying.deploy(place, settings, platform)
    assert found == CORE_OUTPUTS
    log, parameters = list(formation.log), formation.stacks["plant"].parameters
    formation.log.clear()
    formation.stacks.clear()
    deploy(place, platform, database=settings.database)
    assert formation.log == log
    assert formation.stacks["plant"].parameters == parameters


@pytest.mark.parametrize("platform", [PLATFORM, PROXY])
def test_a_second_deployment_changes_nothing(formation, place, platform):
    deploy(place, platform)
    formation.log.clear()
    deploy(place, platform)
    assert formation.log == ["migrate by plant-migrate"]


def test_composite_alarms_name_only_what_the_core_has_at_any_moment(formation, place):
    """They are narrowed before the core loses alarms, and widened once it has more."""
    deploy(place)
    named = formation.stacks["plant-platform"].parameters
    assert named["Observability"] == "lean"
    formation.log.clear()
    deploy(place, observability="full")
    assert formation.log[-1] == "update plant-platform"
    assert formation.log.index("update plant") < len(formation.log) - 1
    assert formation.stacks["plant-platform"].parameters["Observability"] == "full"
    formation.log.clear()
    deploy(place, observability="full")
    assert formation.log == ["migrate by plant-migrate"]
    deploy(place, observability="standard")
    updates = [line for line in formation.log if line.startswith("update")]
    assert updates[0] == "update plant-platform"
    assert updates.count("update plant-platform") == 1
    assert formation.stacks["plant-platform"].parameters["Observability"] == "standard"


def test_a_platform_that_is_added_later_brings_the_core_its_database(formation, place):
    given = DatabaseSettings(host="old.example.com", owner_secret_arn=OWNER)
    deploy(place, None, database=given)
    assert formation.stacks["plant"].parameters["DatabaseHost"] == "old.example.com"
    deploy(place)
    assert formation.stacks["plant"].parameters["DatabaseHost"] == "db.example.com"
    assert formation.stacks["plant-platform"].parameters["CoreStack"] == "plant"


def test_a_proxy_that_is_added_later_needs_no_third_round(formation, place):
    deploy(place)
    formation.log.clear()
    deploy(place, PROXY)
    assert formation.log == ["update plant-platform", "migrate by plant-migrate", "update plant"]
    assert formation.stacks["plant"].parameters["DatabaseHost"] == "proxy.example.com"


def test_a_platform_that_fails_leaves_the_core_alone_and_can_be_repeated(formation, place):
    formation.failures["plant-platform"] = [("Database", "DB instance class not supported")]
    with pytest.raises(StackError, match=r"Database \(AWS::Some::Thing\): DB instance class"):
        deploy(place)
    assert "plant" not in formation.stacks
    deploy(place)
    assert formation.log[:3] == [
        "create plant-platform",
        "delete plant-platform",
        "create plant-platform",
    ]
    assert formation.stacks["plant"].status == "UPDATE_COMPLETE"


def test_a_core_that_fails_once_is_linked_by_the_next_deployment(formation, place):
    formation.failures["plant"] = [("Queue", "Access denied")]
    with pytest.raises(StackError, match="lacks this permission"):
        deploy(place)
    deploy(place, PROXY)
    assert formation.stacks["plant-platform"].parameters["CoreStack"] == "plant"
    assert formation.stacks["plant"].parameters["DatabaseHost"] == "proxy.example.com"


def test_a_core_that_went_behind_the_platforms_back_is_made_and_linked_again(formation, place):
    deploy(place)
    formation.stacks["plant"].status = "DELETE_COMPLETE"
    formation.log.clear()
    deploy(place)
    assert formation.log == [
        "update plant-platform",
        "create plant",
        "migrate by plant-migrate",
        "update plant",
        "update plant-platform",
    ]


def test_a_plan_changes_nothing_and_leaves_nothing(formation, place):
    plan, _ = make_plan(place, SETTINGS, PROXY)  # type: ignore[arg-type]
    assert plan.changes
    assert [review.stack for review in plan.stacks] == ["plant-platform", "plant"]
    assert (formation.log, place.bucket.objects) == ([], {})
    assert {stack.status for stack in formation.stacks.values()} <= {"DELETE_COMPLETE"}
    assert "aren't known yet" in plan.stacks[1].remarks[0]


def test_cloudformation_acts_by_the_role_of_the_settings(formation, place):
    role = "arn:aws:iam::123456789012:role/cloudformation"
    deploy(place, execution_role_arn=role)
    assert {request["RoleARN"] for request in formation.requests} == {role}


def test_an_update_whose_rollback_failed_is_continued_then_deployed(formation, place):
    deploy(place, None, database=DatabaseSettings(host="db", owner_secret_arn=OWNER))
    formation.stacks["plant"].status = "UPDATE_ROLLBACK_FAILED"
    formation.log.clear()
    given = DatabaseSettings(host="other", owner_secret_arn=OWNER)
    plan, build = make_plan(place, replace(SETTINGS, database=given), None)  # type: ignore[arg-type]
    assert "accepts no change set in this status" in plan.stacks[0].remarks[0]
    DeploymentExecutor(place, build, skip=("Queue",)).run(plan.steps)  # type: ignore[arg-type]
    assert formation.log == [
        "continue rollback plant, skip ['Queue']",
        "update plant",
        "migrate by plant-migrate",
        "update plant",
    ]


def test_a_rollback_that_fails_again_says_how_to_skip_a_resource(formation, place):
    formation.put("plant", "UPDATE_ROLLBACK_FAILED")
    formation.failures["plant"] = [("Queue", "Rate exceeded")]
    _, build = make_plan(place, SETTINGS, None)  # type: ignore[arg-type]
    now = CurrentState(core="plant", core_status="UPDATE_ROLLBACK_FAILED")
    with pytest.raises(StackError) as failed:
        DeploymentExecutor(place, build).execute(deployment_steps(now)[0])  # type: ignore[arg-type]
    assert "Queue (AWS::Some::Thing): Rate exceeded" in str(failed.value)
    assert "--skip RESOURCE" in str(failed.value)


def test_an_operation_that_is_running_is_waited_for(formation, place):
    stack = formation.put("plant", "UPDATE_IN_PROGRESS", outputs=CORE_OUTPUTS)
    stack.happen("Queue", "AWS::SQS::Queue", "UPDATE_IN_PROGRESS")
    _, build = make_plan(place, SETTINGS, None)  # type: ignore[arg-type]
    formation.ends["plant"] = ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"]
    notified: list[str] = []
    now = CurrentState(core="plant", core_status="UPDATE_IN_PROGRESS")
    listener = Listener(notify=notified.append)
    executor = DeploymentExecutor(place, build, listener)  # type: ignore[arg-type]
    executor.execute(deployment_steps(now)[0])
    assert notified == ["stack plant: waiting for the operation in progress"]
    assert formation.log == []


@pytest.mark.parametrize("status", ["DELETE_FAILED", "UPDATE_FAILED"])
def test_a_stack_that_only_a_person_can_help_is_left_alone(formation, place, status):
    formation.put("plant", status)
    with pytest.raises(StackError, match=f"Stack plant is in {status}"):
        make_plan(place, SETTINGS, None)  # type: ignore[arg-type]
    assert formation.log == []


def test_two_pipelines_with_one_database_and_one_topic_are_reported(formation, place):
    deploy(place, None, database=DatabaseSettings(host="db", owner_secret_arn=OWNER))
    place.stack = "second"  # type: ignore[misc]
    given = DatabaseSettings(host="db", owner_secret_arn=OWNER)
    plan, _ = make_plan(place, replace(SETTINGS, stack="second", database=given), None)  # type: ignore[arg-type]
    assert "stack plant has the same database, telemetry at db" in plan.remarks[0]
    assert "stack plant receives messages of the same topic, telemetry/fleet/+" in plan.remarks[1]


def test_a_topic_that_any_two_contracts_have_in_common_is_reported(formation, place, tmp_path):
    deploy(place, None, database=DatabaseSettings(host="db", owner_secret_arn=OWNER))
    formation.stacks["plant"].outputs = {**CORE_OUTPUTS, "TopicFilterStatus": "status/+"}
    place.stack = "second"  # type: ignore[misc]
    further = (write_contract(tmp_path, "alarm"), write_contract(tmp_path, "status"))
    given = DatabaseSettings(host="other", owner_secret_arn=OWNER)
    settings = replace(SETTINGS, stack="second", further_contracts=further, database=given)
    plan, _ = make_plan(place, settings, None)  # type: ignore[arg-type]
    found = [remark for remark in plan.remarks if "stack plant" in remark]
    assert [remark.split(",")[1] for remark in found] == [
        " status/+: each reading becomes a row in both.",
        " telemetry/fleet/+: each reading becomes a row in both.",
    ]
    assert [one.name for one in plan.contracts] == ["fleet", "alarm", "status"]


def destroy(place: Account, *, with_data: bool) -> Any:
    plan = plan_teardown(place, with_data=with_data)  # type: ignore[arg-type]
    executor = TeardownExecutor(place, with_data)  # type: ignore[arg-type]
    if not plan.protected:
        executor.run(plan.steps)
    return plan


def test_a_teardown_keeps_the_platform_for_the_sake_of_its_database(formation, place):
    deploy(place, PROXY)
    formation.log.clear()
    found = destroy(place, with_data=False)
    assert formation.log == ["update plant-platform", "delete plant"]
    assert "stack plant-platform, as the database is in it" in found.kept
    left = formation.stacks["plant-platform"].parameters
    assert {left[n] for n in ("CoreStack", "QueueName", "LoaderSecretArn", "TraceGroupName")} == {
        ""
    }
    assert left["Database"] == "new"
    assert {left[name] for name in unlinked_parameters()} == {""}


def test_with_data_the_platform_goes_last(formation, place):
    deploy(place, replace(PLATFORM, deletion_protection=False))
    formation.log.clear()
    found = destroy(place, with_data=True)
    assert formation.log == [
        "update plant-platform",
        "delete plant",
        "delete the key later",
        "delete plant-platform",
    ]
    assert place.bucket.deleted == ["data", "plant-artifacts-123456789012-eu-central-1"]
    assert any("a final snapshot is taken" in sentence for sentence in found.deleted)


def test_a_protected_database_stops_a_teardown_before_anything_goes(formation, place):
    deploy(place)
    formation.log.clear()
    found = destroy(place, with_data=True)
    assert "deletion_protection" in found.protected
    assert formation.log == []


def test_a_teardown_that_was_broken_off_goes_on_with_what_is_left():
    now = CurrentState(core="s", core_status=None, platform="p", platform_status="DELETE_FAILED")
    assert [step.kind for step in teardown_steps(now, with_platform=True)] == ["delete platform"]


BOTH = ("plant-platform", "plant")


def test_both_stacks_are_protected_once_they_are_there(formation, place):
    deploy(place)
    for name in BOTH:
        assert formation.stacks[name].protected, name
        assert json.loads(formation.stacks[name].policy) == json.loads(stack_policy(protects=True))


def test_without_the_settings_nothing_is_protected_and_a_protection_is_lifted(formation, place):
    deploy(place, termination_protection=False, stack_policy=False)
    assert [formation.stacks[name].policy for name in BOTH] == [None, None]
    deploy(place)
    deploy(place, termination_protection=False, stack_policy=False)
    for name in BOTH:
        assert not formation.stacks[name].protected, name
        assert json.loads(formation.stacks[name].policy) == json.loads(stack_policy(protects=False))


def test_a_plan_says_which_stacks_change_their_protection(formation, place):
    assert make_plan(place, SETTINGS, PLATFORM)[0].remarks == []  # type: ignore[arg-type]
    deploy(place, termination_protection=False)
    plan, _ = make_plan(place, SETTINGS, PLATFORM)  # type: ignore[arg-type]
    assert plan.remarks == [f"stack {name} becomes protected against deletion." for name in BOTH]
    deploy(place)
    assert make_plan(place, SETTINGS, PLATFORM)[0].remarks == []  # type: ignore[arg-type]


def test_the_policy_is_in_force_before_an_update_and_not_only_after_it(formation, place):
    deploy(place, None, database=DatabaseSettings(host="db", owner_secret_arn=OWNER))
    formation.stacks["plant"].policy = None
    formation.failures["plant"] = [("Queue", "Rate exceeded")]
    with pytest.raises(StackError):
        deploy(place, None, database=DatabaseSettings(host="other", owner_secret_arn=OWNER))
    assert formation.stacks["plant"].policy == stack_policy(protects=True)


def test_a_first_deployment_that_fails_leaves_remains_that_can_be_deleted(formation, place):
    formation.failures["plant-platform"] = [("Database", "no")]
    with pytest.raises(StackError):
        deploy(place)
    assert not formation.stacks["plant-platform"].protected


def test_a_teardown_lifts_the_protection_of_what_it_deletes_alone(formation, place):
    deploy(place)
    found = destroy(place, with_data=False)
    assert found.termination_protected == ["plant"]
    assert "update-termination-protection" in found.how_to_lift
    assert formation.stacks["plant-platform"].protected
    assert formation.stacks["plant"].status == "DELETE_COMPLETE"


def test_an_unprotected_stack_is_deleted_without_more_ado(formation, place):
    deploy(place, termination_protection=False)
    found = destroy(place, with_data=False)
    assert (found.termination_protected, found.how_to_lift) == ([], "")
    assert "lift protection" not in {step.kind for step in found.steps}
