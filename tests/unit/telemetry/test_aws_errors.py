"""What AWS answers decides whether the workflow tries again."""

import pytest
from botocore import exceptions as raised

from telemetry.clients import calling
from telemetry.errors import (
    BatchMissingError,
    ConfigurationError,
    DatabaseUnavailableError,
    QueueUnavailableError,
    StorageUnavailableError,
)
from tests.fixtures.aws_fakes import aws_error

URL = "https://s3.invalid/"


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("s3", StorageUnavailableError),
        ("sqs", QueueUnavailableError),
        ("secretsmanager", DatabaseUnavailableError),
    ],
)
@pytest.mark.parametrize(
    "error",
    [
        aws_error("SlowDown", 503),
        aws_error("ThrottlingException", 400),
        aws_error("Whatever", 500),
        aws_error("Whatever", 429),
        raised.EndpointConnectionError(endpoint_url=URL),
        raised.ConnectTimeoutError(endpoint_url=URL),
        raised.ReadTimeoutError(endpoint_url=URL),
        raised.ConnectionClosedError(endpoint_url=URL),
        raised.ResponseStreamingError(error="broken"),
        raised.IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ],
    ids=lambda e: f"{type(e).__name__} {e}"[:40],
)
def test_an_outage_is_transient_and_named_by_service(service, expected, error):
    with pytest.raises(expected, match="Could not read it") as caught, calling(service, "read it"):
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        aws_error("AccessDenied", 403),
        aws_error("NoSuchBucket", 404),
        aws_error("AWS.SimpleQueueService.NonExistentQueue", 400),
        aws_error("ResourceNotFoundException", 400),
        raised.NoCredentialsError(),
        raised.NoRegionError(),
    ],
    ids=lambda e: f"{type(e).__name__} {e}"[:40],
)
def test_what_only_an_operator_can_fix_is_permanent(error):
    with pytest.raises(ConfigurationError), calling("s3", "read it"):
        raise error


@pytest.mark.parametrize(
    "error", [ValueError("a defect"), aws_error("InvalidArgument", 400), KeyError("Body")]
)
def test_a_defect_passes_unchanged(error):
    with pytest.raises(type(error)) as caught, calling("s3", "read it"):
        raise error
    assert caught.value is error


def test_an_error_of_ours_passes_unchanged():
    error = BatchMissingError("gone")
    with pytest.raises(BatchMissingError) as caught, calling("s3", "read it"):
        raise error
    assert caught.value is error
