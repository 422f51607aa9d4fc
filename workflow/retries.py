"""The Retry rules of the states: which errors, how often, after how long. Data, without the SDK.

The pipeline's own errors are listed from their classes (``telemetry.errors``), so that the lists
can't drift from the code. A permanent error is in no list: it goes to the ``Catch`` at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.errors import TransientError, names_of

__all__ = ["CHILD_TASK", "MAP_RUN", "PARENT_TASK", "SERVICE_CALL", "RetryRule"]

TRANSIENT = tuple(names_of(TransientError))

# 5xx and network failures of Lambda itself; the function may or may not have run.
# https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html (2026-11)
LAMBDA_SERVICE = (
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
)
# Lambda can't run the function at this moment: throttled, being updated, or what it needs to start
# a sandbox (network interface, key, snapshot) isn't there yet. These are the names of the API's own
# errors of Invoke; a test compares them with botocore's model, so that none is forgotten.
LAMBDA_NOT_READY = tuple(
    f"Lambda.{name}"
    for name in (
        "TooManyRequestsException",
        "ResourceConflictException",
        "ResourceNotReadyException",
        "CodeArtifactUserPendingException",
        "EC2ThrottledException",
        "EC2UnexpectedException",
        "ENILimitReachedException",
        "ENINotReadyException",
        "SubnetIPAddressLimitReachedException",
        "KMSAccessDeniedException",
        "KMSDisabledException",
        "KMSInvalidStateException",
        "KMSNotFoundException",
        "SnapStartException",
        "SnapStartNotReadyException",
        "SnapStartRegenerationFailureException",
        "SnapStartTimeoutException",
    )
)

# The sandbox died under the function: killed, out of memory or out of time. Every step can be
# repeated, and a killed sandbox starts afresh the second time; too little memory or time is
# the same the second time, so there is one retry and no more.
FUNCTION_DIED = ("Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout")


@dataclass(frozen=True, kw_only=True)
class RetryRule:
    """One retrier; the waits are ``interval * backoff**n``, at most ``cap``, with full jitter."""

    errors: tuple[str, ...]
    interval: int
    """Seconds before the first retry."""
    attempts: int
    """Retries after the first attempt."""
    cap: int
    """Longest wait in seconds."""
    backoff: float = 2.0

    @property
    def longest_wait(self) -> float:
        """Seconds of waiting when every attempt is used and jitter draws the longest each time."""
        return sum(min(self.interval * self.backoff**n, self.cap) for n in range(self.attempts))


# Inside a batch: an Express execution lives 300 s at most, so waits are short. What lasts longer
# ends as a failed batch, which the sweep or a replay processes again.
CHILD_TASK = (
    RetryRule(errors=TRANSIENT, interval=1, attempts=4, cap=8),
    RetryRule(errors=LAMBDA_SERVICE, interval=1, attempts=2, cap=8),
    RetryRule(errors=LAMBDA_NOT_READY, interval=1, attempts=4, cap=8),
    RetryRule(errors=FUNCTION_DIED, interval=1, attempts=1, cap=2),
)

# Outside the batches: a Standard execution, so waits may be longer.
PARENT_TASK = (
    RetryRule(errors=TRANSIENT, interval=2, attempts=5, cap=60),
    RetryRule(errors=LAMBDA_SERVICE, interval=2, attempts=6, cap=60),
    RetryRule(errors=LAMBDA_NOT_READY, interval=2, attempts=8, cap=60),
    RetryRule(errors=FUNCTION_DIED, interval=2, attempts=2, cap=10),
)

# One call of S3 or SNS by the state machine itself; their throttling has no name of its own.
SERVICE_CALL = (RetryRule(errors=("States.TaskFailed",), interval=1, attempts=3, cap=5),)

# Listing the prefix and writing the map's results are calls of S3. A repeated map runs every batch
# again, which the ledger makes harmless, so once is enough.
MAP_RUN = (
    RetryRule(
        errors=("States.ItemReaderFailed", "States.ResultWriterFailed"),
        interval=5,
        attempts=1,
        cap=10,
    ),
)
