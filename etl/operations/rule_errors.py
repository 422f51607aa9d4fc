"""What IoT writes when a topic rule can't deliver, and the message that the rule had meant. Pure.

The format is that of the AWS IoT developer guide, "Error handling (error action)", 2026-11.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

__all__ = ["as_the_rule_sends", "parse_rule_error", "why"]


def parse_rule_error(body: str) -> dict[str, Any] | None:
    """The members of an error message, or ``None`` where the body is something else."""
    try:
        content = json.loads(body)
        base64.b64decode(content["base64OriginalPayload"], validate=True)
        if isinstance(content["topic"], str) and isinstance(content["failures"], list):
            return dict(content)
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error):
        pass
    return None


def why(error: dict[str, Any]) -> str:
    """What the rule could not do."""
    told = (f for f in error["failures"] if isinstance(f, dict))
    return "; ".join(f"{f.get('failedAction')}: {f.get('errorMessage')}" for f in told)


def as_the_rule_sends(error: dict[str, Any], sent: str | None) -> str:
    """The body that the rule would have sent.

    ``sent`` (milliseconds since 1970) stands for the time of arrival, which the error does not
    tell.
    """
    client_id = error.get("clientId")
    return json.dumps(
        {
            "payload": error["base64OriginalPayload"],
            "topic": error["topic"],
            "client_id": client_id if isinstance(client_id, str) else None,
            "received_at": int(sent) if sent else None,
        }
    )
