"""What the core's outputs become in the platform's settings, and the other way round."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infrastructure.platform.rules import PlatformSettingsError, check_settings
from infrastructure.platform.stack_links import (
    close_default_group,
    core_settings,
    given_core,
    s3_prefix_list,
    with_lower_level,
)
from infrastructure.settings import DatabaseSettings, DeploySettings
from tests.unit.infrastructure.platform.deployments import (
    ANALYST,
    EVERYTHING,
    KEY,
    LOADER,
    NEW,
    OWNER,
    TOPIC,
)

CORE_OUTPUTS = {
    "TopicArn": TOPIC,
    "QueueArn": "arn:aws:sqs:eu-central-1:123456789012:golden-TelemetryQueue-1X",
    "LoaderSecretArn": LOADER,
    "KeyArn": KEY,
    "AnalystSecretArn": ANALYST,
}
PLATFORM_OUTPUTS = {
    "DatabaseHost": "proxy.example.com",
    "OwnerDatabaseHost": "db.example.com",
    "DatabasePort": "5433",
    "DatabaseName": "readings",
    "OwnerSecretArn": OWNER,
    "OwnerKeyArn": KEY,
    "SubnetIds": "subnet-1,subnet-2",
    "SecurityGroupIds": "sg-1",
}
CORE = DeploySettings(
    stack="golden", contract=Path("contracts/fleet.toml"), database=DatabaseSettings(host="")
)


@pytest.fixture
def ec2() -> Any:
    return boto3.client(
        "ec2", "eu-central-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )


def test_the_platform_gets_outputs_of_the_core():
    told = given_core(replace(NEW, proxy=True), "golden", CORE_OUTPUTS)
    check_settings(told)
    given = told.parameters()
    assert given["CoreStack"] == given["TraceGroupName"] == "golden"
    assert given["QueueName"] == "golden-TelemetryQueue-1X"
    assert (given["AlertTopicArn"], given["LoaderSecretArn"]) == (TOPIC, LOADER)
    assert given["CoreKeyArn"] == KEY
    assert given["AnalystSecretArn"] == ANALYST


def test_the_core_gets_outputs_of_the_platform():
    told = core_settings(CORE, PLATFORM_OUTPUTS).parameters("bucket")
    assert (told["DatabaseHost"], told["OwnerDatabaseHost"]) == (
        "proxy.example.com",
        "db.example.com",
    )
    assert (told["DatabasePort"], told["DatabaseName"]) == ("5433", "readings")
    assert (told["OwnerSecretArn"], told["OwnerKeyArn"]) == (OWNER, KEY)
    assert (told["SubnetIds"], told["SecurityGroupIds"]) == ("subnet-1,subnet-2", "sg-1")


def test_the_platform_gets_the_level_of_observability():
    """Composite alarms name only what the core has; one of an earlier version has everything."""
    assert given_core(NEW, "golden", CORE_OUTPUTS).observability == "full"
    told = given_core(NEW, "golden", {**CORE_OUTPUTS, "Observability": "standard"})
    assert told.parameters()["Observability"] == "standard"
    # While both change, only what is there before and after.
    for new, then in (("lean", "lean"), ("standard", "standard"), ("full", "standard")):
        assert with_lower_level(told, new).observability == then


def test_what_the_platform_does_not_have_stays_as_it_was_given():
    given = replace(
        CORE,
        subnet_ids=("subnet-9",),
        security_group_ids=("sg-9",),
        database=replace(CORE.database, owner_key_arn=KEY),
    )
    partly = {
        k: v
        for k, v in PLATFORM_OUTPUTS.items()
        if k not in ("SubnetIds", "SecurityGroupIds", "OwnerKeyArn")
    }
    told = core_settings(given, partly)
    assert (told.subnet_ids, told.security_group_ids) == (("subnet-9",), ("sg-9",))
    assert told.database.owner_key_arn == KEY


def test_what_the_core_gets_are_outputs_of_the_platform(template):
    assert set(PLATFORM_OUTPUTS) <= set(template["Outputs"])


def test_the_traces_group_has_a_name_that_x_ray_takes():
    long = given_core(NEW, "a-stack-with-a-name-of-more-than-32-letters", CORE_OUTPUTS)
    assert long.parameters()["TraceGroupName"] == "a-stack-with-a-name-of-more-than"
    none = given_core(replace(EVERYTHING, trace_group=False), "golden", CORE_OUTPUTS)
    assert none.parameters()["TraceGroupName"] == ""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"stack": "Golden-Platform"}, "lower-case"),
        ({"stack": "golden--platform"}, "single hyphens"),
        ({"s3_prefix_list_id": ""}, "s3_prefix_list_id"),
        ({"network": "given"}, "vpc_id"),
        ({"network": "none"}, "needs a VPC"),
        ({"database": "given"}, "database_host"),
        ({"most_storage_gb": 50}, "most_storage_gb"),
        ({"core_stack": "golden"}, "alert_topic_arn"),
        ({"monthly_budget": 10}, "budget_email"),
        ({"network": "given", "vpc_id": "vpc-1", "subnet_ids": ("subnet-1",)}, "two or more"),
        ({"proxy": True, "database_port": 5433}, "so database_port must be 5432"),
        ({"proxy": True, "core_stack": "golden"}, "needs loader_secret_arn"),
    ],
)
def test_contradictions_are_reported_before_anything_is_sent(change, told):
    with pytest.raises(PlatformSettingsError, match=told):
        check_settings(replace(NEW, **change))


def test_the_list_of_s3s_addresses_is_looked_up_by_region(ec2):
    with Stubber(ec2) as answers:
        answers.add_response(
            "describe_prefix_lists",
            {"PrefixLists": [{"PrefixListId": "pl-6ea54007"}]},
            {
                "Filters": [
                    {"Name": "prefix-list-name", "Values": ["com.amazonaws.eu-central-1.s3"]}
                ]
            },
        )
        assert s3_prefix_list(ec2) == "pl-6ea54007"


def test_a_region_without_that_list_is_reported(ec2):
    with Stubber(ec2) as answers:
        answers.add_response("describe_prefix_lists", {"PrefixLists": []})
        with pytest.raises(LookupError, match=r"com\.amazonaws\.eu-central-1\.s3"):
            s3_prefix_list(ec2)


def test_the_default_group_is_emptied_once(ec2):
    rules = [
        {"SecurityGroupRuleId": "sgr-1", "IsEgress": True},
        {"SecurityGroupRuleId": "sgr-2", "IsEgress": False},
    ]
    asked = {"Filters": [{"Name": "group-id", "Values": ["sg-1"]}]}
    with Stubber(ec2) as answers:
        answers.add_response("describe_security_group_rules", {"SecurityGroupRules": rules}, asked)
        for revoke, rule in (("egress", "sgr-1"), ("ingress", "sgr-2")):
            answers.add_response(
                f"revoke_security_group_{revoke}",
                {"Return": True},
                {"GroupId": "sg-1", "SecurityGroupRuleIds": [rule]},
            )
        answers.add_response("describe_security_group_rules", {"SecurityGroupRules": []}, asked)
        assert close_default_group(ec2, "sg-1") == 2
        assert close_default_group(ec2, "sg-1") == 0
        answers.assert_no_pending_responses()
