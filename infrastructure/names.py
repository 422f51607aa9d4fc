"""Names and numbers of the templates that commands need too, which build no template themselves."""

from __future__ import annotations

__all__ = ["QUEUE_BATCH_SIZE", "SECRET_OUTPUT", "STACK_TAG"]

STACK_TAG = "telemetry:stack"
"""Tag of the stack's key with the stack's name. Policies can't refer to CloudFormation's own tags
there: KMS is one of the services to whose resources CloudFormation doesn't add them."""
SECRET_OUTPUT = "ChannelsSecretArn"  # noqa: S105 - an output's name
"""Output of the stack: the ARN of the secret with the channels."""
QUEUE_BATCH_SIZE = 10_000
"""The largest batch Lambda takes from a standard queue; its 6 MB of payload may end one sooner."""
