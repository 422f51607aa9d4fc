"""Names and numbers of the templates that commands need too, which build no template themselves."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "CLEAN_OUTPUT",
    "NO_CLEAN_ZONE",
    "QUEUE_BATCH_SIZE",
    "SECRET_OUTPUT",
    "STACK_TAG",
    "has_clean_zone",
]

STACK_TAG = "telemetry:stack"
"""Tag of the stack's key with the stack's name. Policies can't refer to CloudFormation's own tags
there: KMS is one of the services to whose resources CloudFormation doesn't add them."""
SECRET_OUTPUT = "ChannelsSecretArn"  # noqa: S105 - an output's name
"""Output of the stack: the ARN of the secret with the channels."""
CLEAN_OUTPUT, NO_CLEAN_ZONE = "CleanZone", "off"
"""Output of a stack that does without the Parquet zone, and its value; others have none."""
QUEUE_BATCH_SIZE = 10_000
"""The largest batch Lambda takes from a standard queue; its 6 MB of payload may end one sooner."""


def has_clean_zone(outputs: Mapping[str, str]) -> bool:
    """True if batches get objects in the Parquet zone, by the stack's outputs."""
    return outputs.get(CLEAN_OUTPUT) != NO_CLEAN_ZONE
