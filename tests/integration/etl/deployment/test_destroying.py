"""A stack goes; data goes only when told."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from etl.aws.cloudformation import stack_status
from etl.deployment.artifact_bucket import artifact_bucket_name
from etl.deployment.listener import Listener
from etl.deployment.migration import MigrationError
from etl.deployment.teardown import HoldsDataError, delete_core
from etl.deployment.teardown_plan import plan_teardown


def take_down(account, stack, *, with_data=False, notify=lambda _: None):
    listener = Listener(notify=notify)
    return delete_core(account.target(stack), listener, with_data=with_data)


def test_nothing_is_there_to_destroy(account):
    assert take_down(account, "never-was") is False


def test_a_stack_without_messages_and_devices_goes_and_keeps_its_data(account):
    outputs, _ = account.deploy(stack="goes", retain_data=True)
    s3 = account.client("s3")
    s3.put_object(Bucket=outputs["DataBucketName"], Key="raw/x", Body=b"x")
    assert take_down(account, "goes") is True
    assert stack_status(account.client("cloudformation"), "goes") is None
    assert s3.get_object(Bucket=outputs["DataBucketName"], Key="raw/x")["Body"].read() == b"x"


def test_queued_messages_and_certificates_stop_it_and_are_counted(account):
    outputs, _ = account.deploy(stack="holds", trigger_mode="schedule")
    sqs, iot = account.client("sqs"), account.client("iot")
    sqs.send_message(QueueUrl=outputs["QueueUrl"], MessageBody="{}")
    sqs.send_message(QueueUrl=outputs["DeadLetterQueueUrl"], MessageBody="{}")
    certificate = iot.create_keys_and_certificate(setAsActive=True)["certificateArn"]
    iot.attach_policy(policyName=outputs["DevicePolicyName"], target=certificate)
    with pytest.raises(HoldsDataError) as stopped:
        take_down(account, "holds")
    message = str(stopped.value)
    assert "1 message in the queue" in message
    assert "1 message in the dead-letter queue" in message
    assert "1 device certificate" in message
    assert stack_status(account.client("cloudformation"), "holds") == "CREATE_COMPLETE"


def test_a_destruction_that_was_broken_off_is_finished_by_the_next(account):
    outputs, _ = account.deploy(stack="half-gone")
    # What is deleted behind CloudFormation's back, or before a deletion that failed.
    account.client("sqs").delete_queue(QueueUrl=outputs["QueueUrl"])
    account.client("iot").delete_policy(policyName=outputs["DevicePolicyName"])
    bucket = outputs["DataBucketName"]
    s3 = account.client("s3")
    for item in s3.list_object_versions(Bucket=bucket)["Versions"]:
        s3.delete_object(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])
    s3.delete_bucket(Bucket=bucket)
    assert take_down(account, "half-gone") is True
    assert stack_status(account.client("cloudformation"), "half-gone") is None


def test_objects_that_would_go_with_the_bucket_stop_it(account):
    outputs, _ = account.deploy(stack="holds-objects", retain_data=False)
    s3 = account.client("s3")
    s3.put_object(Bucket=outputs["DataBucketName"], Key="raw/x", Body=b"x")
    with pytest.raises(HoldsDataError, match=f"objects in bucket {outputs['DataBucketName']}"):
        take_down(account, "holds-objects")
    assert s3.get_object(Bucket=outputs["DataBucketName"], Key="raw/x")["Body"].read() == b"x"


def test_with_data_everything_goes(account):
    outputs, _ = account.deploy(stack="all-of-it", retain_data=True, trigger_mode="schedule")
    s3, iot = account.client("s3"), account.client("iot")
    for body in (b"1", b"2"):
        s3.put_object(Bucket=outputs["DataBucketName"], Key="raw/x", Body=body)
    account.client("sqs").send_message(QueueUrl=outputs["QueueUrl"], MessageBody="{}")
    certificate = iot.create_keys_and_certificate(setAsActive=True)["certificateArn"]
    iot.attach_policy(policyName=outputs["DevicePolicyName"], target=certificate)
    told: list[str] = []
    assert take_down(account, "all-of-it", with_data=True, notify=told.append) is True
    assert told == ["detaching devices and deleting data", "deleting stack all-of-it"]
    artifacts = artifact_bucket_name("all-of-it", "000000000000", account.emulator.region)
    for bucket in (outputs["DataBucketName"], artifacts):
        with pytest.raises(ClientError, match="404"):
            s3.head_bucket(Bucket=bucket)
    key = account.client("kms").describe_key(KeyId=outputs["KeyArn"])["KeyMetadata"]
    assert key["KeyState"] == "PendingDeletion"


def test_a_stack_whose_first_migration_failed_is_planned_and_goes(account):
    with pytest.raises(MigrationError):
        account.deploy(stack="half-made", migrate=True)
    plan = plan_teardown(account.target("half-made"), with_data=False)
    assert plan.blocked == []
    assert [step.kind for step in plan.steps] == ["delete core"]
    assert take_down(account, "half-made") is True
    assert stack_status(account.client("cloudformation"), "half-made") is None
