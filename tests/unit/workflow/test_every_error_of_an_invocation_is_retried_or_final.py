"""Each error that Lambda's own API names for Invoke is retried, or known to be the same again."""

from __future__ import annotations

import boto3

from workflow.retries import CHILD_TASK, PARENT_TASK

SAME_AGAIN = {
    # The request is at fault, and the state machine would send the same one.
    "InvalidParameterValueException",
    "InvalidRequestContentException",
    "ModeNotSupportedException",
    "RecursiveInvocationException",
    "RequestTooLargeException",
    "SerializedRequestEntityTooLargeException",
    "UnsupportedMediaTypeException",
    # The deployment is at fault: only another one changes it.
    "EC2AccessDeniedException",
    "InvalidRuntimeException",
    "InvalidSecurityGroupIDException",
    "InvalidSubnetIDException",
    "InvalidZipFileException",
    "NoPublishedVersionException",
    "ResourceNotFoundException",
    "RuntimeAliasDeletedException",
    "RuntimeVersionDeletedException",
    "ServiceQuotaExceededException",
    # Parts of Lambda that no function here uses.
    "CodeArtifactUserDeletedException",
    "CodeArtifactUserFailedException",
    "DurableExecutionAlreadyStartedException",
    "EFSIOException",
    "EFSMountConnectivityException",
    "EFSMountFailureException",
    "EFSMountTimeoutException",
    "S3FilesMountConnectivityException",
    "S3FilesMountFailureException",
    "S3FilesMountTimeoutException",
}


def errors_of_invoke() -> set[str]:
    client = boto3.client(
        "lambda", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    return {
        shape.name for shape in client.meta.service_model.operation_model("Invoke").error_shapes
    }


def test_every_error_of_an_invocation_is_retried_or_final() -> None:
    named = errors_of_invoke()
    for rules in (CHILD_TASK, PARENT_TASK):
        retried = {
            error.removeprefix("Lambda.")
            for rule in rules
            for error in rule.errors
            if error.startswith("Lambda.")
        }
        assert named - retried == SAME_AGAIN
        assert not retried & SAME_AGAIN
