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
from etl.aws.target import CONTRACT_KEY
from etl.deployment import planner as surveying
from etl.deployment.executor import Deployment, Destruction, Listener, without_core
from etl.deployment.packaging import Packages
from etl.deployment.planner import survey
from etl.deployment.stack_build import DeploymentPlan
from etl.deployment.steps import Situation, deployment_steps, destruction_steps
from etl.deployment.teardown_plan import farewell
from infrastructure.platform.settings import PlatformSettings
from infrastructure.settings import DatabaseSettings, DeploySettings
from tests.fixtures.cloudformation import FakeFormation

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
    "TopicFilter": "telemetry/fleet/+",
}


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
        self.meta = SimpleNamespace(endpoint_url="https://s3.invalid", region_name="eu-central-1")
        self.objects: dict[str, bytes] = {}

    def head_bucket(self, **_: str) -> None: ...

    def put_object(self, *, Key: str, Body: bytes, **_: str) -> None:
        self.objects[Key] = Body

    def delete_object(self, *, Key: str, **_: str) -> None:
        del self.objects[Key]

    def get_object(self, *, Key: str, **_: str) -> Any:
        raise ClientError({"Error": {"Code": "NoSuchKey", "Message": Key}}, "GetObject")

    def get_paginator(self, _: str) -> Any:
        pages = [{"Contents": [{"Key": key} for key in self.objects]}]
        return SimpleNamespace(paginate=lambda **_: pages)


class Functions:
    """Lambda: the migration."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Any:
        self.log.append(f"migrate by {FunctionName}")
        answer = json.dumps({"table": ["ALTER TABLE"]}).encode()
        return {"Payload": SimpleNamespace(read=lambda: answer)}


class Place:
    """What a deployment asks of a target."""

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
        }

    def client(self, service: str) -> Any:
        return self.clients[service]


@pytest.fixture
def formation() -> FakeFormation:
    return FakeFormation(plant=lambda _: CORE_OUTPUTS, plant_platform=platform_outputs)


@pytest.fixture
def place(formation: FakeFormation, monkeypatch: pytest.MonkeyPatch) -> Place:
    def core(_: Any, settings: DeploySettings, *__: Any) -> DeploymentPlan:
        return DeploymentPlan(
            stack="plant",
            template=json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}),
            parameters=settings.parameters("artifacts"),
            tags={},
            artifact_bucket="artifacts",
            packages=Packages(functions={}, layers={}),
            role=settings.execution_role_arn,
        )

    monkeypatch.setattr(surveying, "build_core", core)
    return Place(formation)


SETTINGS = DeploySettings(stack="plant", contract=CONTRACT, database=DatabaseSettings(host=""))
PLATFORM = PlatformSettings(stack="plant-platform", s3_prefix_list_id="pl-1")
PROXY = replace(PLATFORM, proxy=True)


def deploy(
    place: Place, platform: PlatformSettings | None = PLATFORM, **settings: Any
) -> Deployment:
    plan, built = survey(place, replace(SETTINGS, **settings), platform)  # type: ignore[arg-type]
    deployment = Deployment(place, built)  # type: ignore[arg-type]
    for step in plan.steps:
        deployment.do(step)
    return deployment


def test_the_first_deployment_makes_the_platform_then_the_core_and_joins_them(formation, place):
    done = deploy(place)
    assert formation.log == [
        "create plant-platform",
        "create plant",
        "migrate by plant-migrate",
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


@pytest.mark.parametrize("platform", [PLATFORM, PROXY])
def test_a_second_deployment_changes_nothing(formation, place, platform):
    deploy(place, platform)
    formation.log.clear()
    deploy(place, platform)
    assert formation.log == ["migrate by plant-migrate"]


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
    assert formation.log == ["update plant-platform", "update plant", "migrate by plant-migrate"]
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
    assert formation.stacks["plant"].status == "CREATE_COMPLETE"


def test_a_core_that_fails_once_is_joined_by_the_next_deployment(formation, place):
    formation.failures["plant"] = [("Queue", "Access denied")]
    with pytest.raises(StackError, match="lacks this permission"):
        deploy(place)
    deploy(place, PROXY)
    assert formation.stacks["plant-platform"].parameters["CoreStack"] == "plant"
    assert formation.stacks["plant"].parameters["DatabaseHost"] == "proxy.example.com"


def test_a_core_that_went_behind_the_platforms_back_is_made_and_joined_again(formation, place):
    deploy(place)
    formation.delete_stack(StackName="plant")
    formation.log.clear()
    deploy(place)
    assert formation.log == [
        "update plant-platform",
        "create plant",
        "migrate by plant-migrate",
        "update plant-platform",
    ]


def test_a_plan_changes_nothing_and_leaves_nothing(formation, place):
    plan, _ = survey(place, SETTINGS, PROXY)  # type: ignore[arg-type]
    assert plan.changes
    assert [review.stack for review in plan.stacks] == ["plant-platform", "plant"]
    assert (formation.log, place.bucket.objects) == ([], {})
    assert {stack.status for stack in formation.stacks.values()} <= {"DELETE_COMPLETE"}
    assert "isn't known yet" in plan.stacks[1].remarks[0]


def test_cloudformation_acts_by_the_role_of_the_settings(formation, place):
    role = "arn:aws:iam::123456789012:role/cloudformation"
    deploy(place, execution_role_arn=role)
    assert {request["RoleARN"] for request in formation.requests} == {role}


def test_an_update_that_could_not_go_back_is_continued_then_deployed(formation, place):
    deploy(place, None, database=DatabaseSettings(host="db", owner_secret_arn=OWNER))
    formation.stacks["plant"].status = "UPDATE_ROLLBACK_FAILED"
    formation.log.clear()
    given = DatabaseSettings(host="other", owner_secret_arn=OWNER)
    plan, built = survey(place, replace(SETTINGS, database=given), None)  # type: ignore[arg-type]
    assert "takes no change set until it isn't" in plan.stacks[0].remarks[0]
    deployment = Deployment(place, built, skip=("Queue",))  # type: ignore[arg-type]
    for step in plan.steps:
        deployment.do(step)
    assert formation.log == [
        "continue rollback plant, skip ['Queue']",
        "update plant",
        "migrate by plant-migrate",
    ]


def test_a_way_back_that_fails_again_says_how_to_leave_a_resource_out(formation, place):
    formation.put("plant", "UPDATE_ROLLBACK_FAILED")
    formation.failures["plant"] = [("Queue", "Rate exceeded")]
    _, built = survey(place, SETTINGS, None)  # type: ignore[arg-type]
    now = Situation(core="plant", core_status="UPDATE_ROLLBACK_FAILED")
    with pytest.raises(StackError) as failed:
        Deployment(place, built).do(deployment_steps(now)[0])  # type: ignore[arg-type]
    assert "Queue (AWS::Some::Thing): Rate exceeded" in str(failed.value)
    assert "--skip RESOURCE" in str(failed.value)


def test_an_operation_that_is_running_is_waited_for(formation, place):
    stack = formation.put("plant", "UPDATE_IN_PROGRESS", outputs=CORE_OUTPUTS)
    stack.happen("Queue", "AWS::SQS::Queue", "UPDATE_IN_PROGRESS")
    _, built = survey(place, SETTINGS, None)  # type: ignore[arg-type]
    formation.ends["plant"] = ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"]
    told: list[str] = []
    now = Situation(core="plant", core_status="UPDATE_IN_PROGRESS")
    deployment = Deployment(place, built, Listener(told=told.append))  # type: ignore[arg-type]
    deployment.do(deployment_steps(now)[0])
    assert told == ["stack plant: waiting for what is running"]
    assert formation.log == []


@pytest.mark.parametrize("status", ["DELETE_FAILED", "UPDATE_FAILED"])
def test_a_stack_that_only_a_person_can_help_is_left_alone(formation, place, status):
    formation.put("plant", status)
    with pytest.raises(StackError, match=f"Stack plant is in {status}"):
        survey(place, SETTINGS, None)  # type: ignore[arg-type]
    assert formation.log == []


def test_two_pipelines_with_one_database_and_one_topic_are_told_of(formation, place):
    deploy(place, None, database=DatabaseSettings(host="db", owner_secret_arn=OWNER))
    place.stack = "second"  # type: ignore[misc]
    given = DatabaseSettings(host="db", owner_secret_arn=OWNER)
    plan, _ = survey(place, replace(SETTINGS, stack="second", database=given), None)  # type: ignore[arg-type]
    assert "stack plant has the same database, telemetry at db" in plan.remarks[0]
    assert "stack plant takes messages of the same topic, telemetry/fleet/+" in plan.remarks[1]


def destroy(place: Place, *, with_data: bool) -> Any:
    found = farewell(place, with_data=with_data)  # type: ignore[arg-type]
    formation = place.client("cloudformation")
    destruction = Destruction(place, lambda: formation.delete_stack(StackName="plant"))  # type: ignore[arg-type]
    if not found.protected:
        for step in found.steps:
            destruction.do(step)
    return found


def test_a_destruction_keeps_the_platform_for_the_sake_of_its_database(formation, place):
    deploy(place, PROXY)
    formation.log.clear()
    found = destroy(place, with_data=False)
    assert formation.log == ["update plant-platform", "delete plant"]
    assert "stack plant-platform, as the database is in it" in found.stays
    left = formation.stacks["plant-platform"].parameters
    assert {left[n] for n in ("CoreStack", "QueueName", "LoaderSecretArn", "TraceGroupName")} == {
        ""
    }
    assert left["Database"] == "new"
    assert {left[name] for name in without_core()} == {""}


def test_with_data_the_platform_goes_last(formation, place):
    deploy(place, replace(PLATFORM, deletion_protection=False))
    formation.log.clear()
    found = destroy(place, with_data=True)
    assert formation.log == ["update plant-platform", "delete plant", "delete plant-platform"]
    assert any("a last snapshot is taken" in sentence for sentence in found.goes)


def test_a_protected_database_stops_a_destruction_before_anything_goes(formation, place):
    deploy(place)
    formation.log.clear()
    found = destroy(place, with_data=True)
    assert "deletion_protection" in found.protected
    assert formation.log == []


def test_a_destruction_that_was_broken_off_goes_on_with_what_is_left():
    now = Situation(core="s", core_status=None, platform="p", platform_status="DELETE_FAILED")
    assert [step.kind for step in destruction_steps(now, with_platform=True)] == ["delete platform"]
