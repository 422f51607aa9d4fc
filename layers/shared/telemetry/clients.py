"""AWS clients, one of a kind per process, and the translation of their errors.

Clients are cached because building one costs more than most calls, and because a warm function
keeps its TLS connections. ``AWS_ENDPOINT_URL`` is honoured by boto3 itself.

The queue's client makes thousands of calls in one drain, most of whose time is botocore's: it is
configured to do less in each (:data:`MANY_CALLS`).

A call is written inside :func:`calling`, which turns what botocore raises into the tree of
:mod:`telemetry.errors`. The service has to be said: a connection error carries none.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, overload

from telemetry.errors import (
    ConfigurationError,
    DatabaseUnavailableError,
    QueueUnavailableError,
    StorageUnavailableError,
    TelemetryError,
    TransientError,
)

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_iot import IoTClient
    from types_boto3_s3 import S3Client
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_sqs import SQSClient
    from types_boto3_stepfunctions import SFNClient

__all__ = ["calling", "client", "forget_clients", "typed_error"]

CONNECT_SECONDS = 3
READ_SECONDS = 30
"""Longer than SQS's longest poll (20 s), or every quiet queue would look like an outage."""
ATTEMPTS = 4
"""Attempts of one call, including the first; after that the workflow retries the step."""
CONNECTIONS = 32

MANY_CALLS: Mapping[str, Mapping[str, Any]] = {
    # The calls' arguments are few and their types are checked by mypy; the default user agent is
    # put together twice in every call, and each part of it tested for its characters.
    "sqs": {"parameter_validation": False, "user_agent": "telemetry-etl"},
}
"""Settings of clients that make many calls, by service: 15 to 20 % less work for each call."""

_UNAVAILABLE: dict[str, type[TransientError]] = {
    "s3": StorageUnavailableError,
    "sqs": QueueUnavailableError,
    # Without the secret there is no connection, and the remedy is the same: try again later.
    "secretsmanager": DatabaseUnavailableError,
}
_TRANSIENT_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "ExpiredToken",
        "ExpiredTokenException",
        "InternalError",
        "InternalFailure",
        "KmsThrottled",
        "LimitExceededException",
        "OperationAborted",
        "OverLimit",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestExpired",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
_MISSING_CODES = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchBucket",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
        "StateMachineDoesNotExist",
    }
)
_DENIED_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "KMS.AccessDeniedException",
        "KMS.DisabledException",
        "KMS.NotFoundException",
        "KmsAccessDenied",
        "KmsDisabled",
        "KmsNotFound",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)

_clients: dict[str, Any] = {}
_building = threading.Lock()


@overload
def client(service: Literal["cloudwatch"]) -> CloudWatchClient: ...
@overload
def client(service: Literal["iot"]) -> IoTClient: ...
@overload
def client(service: Literal["s3"]) -> S3Client: ...
@overload
def client(service: Literal["secretsmanager"]) -> SecretsManagerClient: ...
@overload
def client(service: Literal["sqs"]) -> SQSClient: ...
@overload
def client(service: Literal["stepfunctions"]) -> SFNClient: ...
def client(service: str) -> Any:
    """The process's client of a service (``"s3"``, ``"sqs"``...), built on first use."""
    with _building:  # boto3's default session must not be used from several threads at once
        if service not in _clients:
            import boto3
            from botocore.config import Config

            create: Any = boto3.client  # its types have an overload for each literal name
            _clients[service] = create(
                service,
                config=Config(
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=READ_SECONDS,
                    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                    max_pool_connections=CONNECTIONS,
                    **MANY_CALLS.get(service, {}),
                ),
            )
        return _clients[service]


def forget_clients() -> None:
    """Drops all cached clients: for tests, and after the environment has changed."""
    with _building:
        _clients.clear()


@contextmanager
def calling(service: str, what: str) -> Iterator[None]:
    """Runs an AWS call; ``what`` names it for the message, as in ``"read s3://b/k"``.

    Raises the :class:`TelemetryError` that the failure stands for, with the original chained. A
    failure that stands for none of them is a defect and passes unchanged.
    """
    try:
        yield
    except TelemetryError:
        raise
    except Exception as error:
        typed = typed_error(error, service, what)
        if typed is None:
            raise
        raise typed from error


def typed_error(error: Exception, service: str, what: str) -> TelemetryError | None:
    """The error of our tree that a botocore exception stands for, or ``None``."""
    from botocore import exceptions as raised

    unavailable = _UNAVAILABLE.get(service)
    if isinstance(error, raised.ClientError):
        return _typed_answer(error.response, service, what)
    no_identity = (
        raised.CredentialRetrievalError,
        raised.NoCredentialsError,
        raised.NoRegionError,
        raised.PartialCredentialsError,
    )
    if isinstance(error, no_identity):
        return ConfigurationError(f"Could not {what}: {error}")
    broken_line = (raised.HTTPClientError, raised.ConnectionError, raised.IncompleteReadError)
    if isinstance(error, broken_line):
        return unavailable(f"Could not {what}: {error}") if unavailable else None
    return None


def _typed_answer(response: Mapping[str, Any], service: str, what: str) -> TelemetryError | None:
    """The error an HTTP answer of AWS stands for."""
    detail = response.get("Error", {})
    code = str(detail.get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    message = f"Could not {what}: {code} (HTTP {status}): {detail.get('Message', '')}"
    if code in _TRANSIENT_CODES or status == 429 or status >= 500:
        unavailable = _UNAVAILABLE.get(service)
        return unavailable(message) if unavailable else None
    if code in _MISSING_CODES:
        return ConfigurationError(f"{message} It does not exist: check the function's settings.")
    if code in _DENIED_CODES or status in (401, 403):
        return ConfigurationError(f"{message} Check the permissions of the function's role.")
    return None
