"""Create, repeat, update, fail, repair: against the emulator's CloudFormation."""

from __future__ import annotations

import json

import pytest

from etl.aws.cloudformation import StackError, stack_status
from etl.aws.target import NoStackError
from etl.deployment.artifact_bucket import artifact_bucket_name
from etl.deployment.migration import MigrationError

STACK = "life-of-a-stack"


def test_a_stack_is_created_then_left_alone_then_updated(account):
    outputs, told = account.deploy(stack=STACK)
    assert f"stack {STACK} created" in told
    assert outputs["TopicFilter"] == "telemetry/fleet/+"

    again, told = account.deploy(stack=STACK)
    assert f"stack {STACK} unchanged" in told
    assert not [line for line in told if line.startswith("uploading")]
    assert again == outputs

    changed, told = account.deploy(stack=STACK, schedule_expression="rate(2 days)")
    assert f"stack {STACK} updated" in told
    assert changed["DataBucketName"] == outputs["DataBucketName"]
    schedules = account.client("scheduler").list_schedules()["Schedules"]
    (name,) = [s["Name"] for s in schedules if s["Name"].startswith(f"{STACK}-Schedule")]
    schedule = account.client("scheduler").get_schedule(Name=name)
    assert schedule["ScheduleExpression"] == "rate(2 days)"


def test_another_contract_uploads_the_functions_and_not_the_layers(account, tmp_path):
    account.deploy(stack="contract-changes")
    other = tmp_path / "other.toml"
    other.write_text(account.settings.contract.read_text() + "\n# changed\n")
    _, told = account.deploy(stack="contract-changes", contract=other)
    (line,) = [line for line in told if line.startswith("uploading")]
    assert line.startswith("uploading 7 zips")
    assert "stack contract-changes updated" in told


@pytest.mark.parametrize(
    ("mode", "delivery", "expected"),
    [
        ("schedule", "mapping", (2, 0)),
        ("schedule", "drain", (2, 0)),
        ("queue", "mapping", (1, 1)),
        ("queue", "drain", (2, 0)),
        ("both", "drain", (3, 0)),
    ],
)
def test_the_trigger_mode_decides_what_starts_executions(account, mode, delivery, expected):
    stack = f"trigger-{mode}-{delivery}"
    outputs, _ = account.deploy(stack=stack, trigger_mode=mode, queue_delivery=delivery)
    schedules = account.client("scheduler").list_schedules()["Schedules"]
    scheduled = [s for s in schedules if s["Name"].startswith(stack)]
    mappings = account.client("lambda").list_event_source_mappings(
        EventSourceArn=outputs["QueueArn"]
    )["EventSourceMappings"]
    # One more is the sweep's, in every mode.
    assert (len(scheduled), len(mappings)) == expected


def test_a_deployment_in_front_of_the_drain_loop_changes_to_it(account):
    outputs, _ = account.deploy(stack="to-a-loop", trigger_mode="queue", queue_window_seconds=20)
    _, told = account.deploy(
        stack="to-a-loop", trigger_mode="queue", queue_delivery="drain", queue_window_seconds=25
    )
    assert "stack to-a-loop updated" in told
    sources = account.client("lambda").list_event_source_mappings(
        EventSourceArn=outputs["QueueArn"]
    )
    assert sources["EventSourceMappings"] == []
    schedules = account.client("scheduler").list_schedules()["Schedules"]
    (name,) = [s["Name"] for s in schedules if s["Name"].startswith("to-a-loop-Drain")]
    target = account.client("scheduler").get_schedule(Name=name)["Target"]
    assert json.loads(target["Input"])["drains"]["every"] == 25


def test_the_artifact_bucket_is_encrypted_private_and_tls_only(account, deployed):
    s3 = account.client("s3")
    bucket = artifact_bucket_name("standing", "000000000000", account.emulator.region)
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert all(blocked.values())
    assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket=bucket)["Policy"]


def test_a_failure_names_the_resource_and_why_and_can_be_repaired(account):
    stack = "fails-once"
    iot = account.client("iot")
    iot.create_thing(thingName=f"{stack}-probe")
    with pytest.raises(StackError) as failed:
        account.deploy(stack=stack)
    assert "ProbeThing (AWS::IoT::Thing)" in str(failed.value)
    assert "already exists" in str(failed.value)
    assert stack_status(account.client("cloudformation"), stack) == "ROLLBACK_COMPLETE"

    iot.delete_thing(thingName=f"{stack}-probe")
    _, told = account.deploy(stack=stack)
    assert f"stack {stack}: deleting the remains of a failed creation" in told
    assert f"stack {stack} created" in told


def test_a_value_that_the_template_does_not_allow_changes_nothing(account):
    stack = "is-refused"
    account.deploy(stack=stack)
    with pytest.raises(StackError, match=r"rejects stack is-refused: .*ScheduleExpression"):
        account.deploy(stack=stack, schedule_expression="whenever")
    assert stack_status(account.client("cloudformation"), stack) == "CREATE_COMPLETE"


def test_a_failed_update_is_rolled_back_names_the_resource_and_can_be_repaired(
    account, tmp_path, monkeypatch
):
    stack = "fails-to-update"
    account.deploy(stack=stack)
    other = tmp_path / "other.toml"
    other.write_text(account.settings.contract.read_text() + "\n# changed\n")
    with monkeypatch.context() as patched:
        patched.setattr("etl.deployment.stack_build.StackBuild.missing", lambda *_: {})
        with pytest.raises(StackError, match=r"Function \(AWS::Lambda::Function\): "):
            account.deploy(stack=stack, contract=other)
    status = stack_status(account.client("cloudformation"), stack)
    assert status == "UPDATE_ROLLBACK_COMPLETE"
    _, told = account.deploy(stack=stack, contract=other)
    assert f"stack {stack} updated" in told


def code_of(account, stack: str, *functions: str) -> list[str]:
    client = account.client("lambda")
    names = [f"{stack}-{function}" for function in functions]
    return [client.get_function_configuration(FunctionName=n)["CodeSha256"] for n in names]


def test_a_first_migration_that_fails_leaves_nothing_that_receives_messages(account):
    stack = "no-database"
    with pytest.raises(MigrationError) as failed:
        account.deploy(stack=stack, migrate=True)
    assert "no-database-migrate failed with DatabaseUnavailableError" in str(failed.value)
    assert "functions: the new migrate function alone" in str(failed.value)
    assert "triggers: none yet: messages are not received" in str(failed.value)
    # A page has 50 functions, and other stacks of the account have theirs.
    pages = account.client("lambda").get_paginator("list_functions").paginate()
    functions = [function for page in pages for function in page["Functions"]]
    assert [f["FunctionName"] for f in functions if f["FunctionName"].startswith(stack)] == [
        "no-database-migrate"
    ]
    with pytest.raises(NoStackError, match="stopped half-way: `etl deploy` goes on"):
        _ = account.target(stack).bucket

    outputs, told = account.deploy(stack=stack)
    assert f"stack {stack} updated" in told
    assert "StateMachineArn" in outputs


def test_a_later_migration_that_fails_leaves_all_other_functions_as_they_were(account, tmp_path):
    stack = "old-functions"
    others = ("extract", "stage", "transform", "validate", "load", "summarize", "sweep")
    account.deploy(stack=stack)
    before, migrate = code_of(account, stack, *others), code_of(account, stack, "migrate")
    other = tmp_path / "other.toml"
    other.write_text(account.settings.contract.read_text() + "\n# changed\n")
    with pytest.raises(MigrationError) as failed:
        account.deploy(stack=stack, contract=other, migrate=True)
    assert "functions: those of before, beside the new migrate" in str(failed.value)
    assert "`etl deploy` with the same options goes on" in str(failed.value)
    assert code_of(account, stack, *others) == before
    assert code_of(account, stack, "migrate") != migrate

    account.deploy(stack=stack, contract=other)
    assert not set(code_of(account, stack, *others)) & set(before)
