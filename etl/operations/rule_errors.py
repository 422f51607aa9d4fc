"""Messages that AWS IoT writes when a topic rule can't deliver. Pure.

Their format is described in the AWS IoT developer guide, "Error handling (error action)", 2026-11.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

__all__ = ["failure_text", "original_body", "parse_rule_error"]


def parse_rule_error(body: str) -> dict[str, Any] | None:
    """The members of an error message, or ``None`` where the body is not one."""
    try:
        content = json.loads(body)
        base64.b64decode(content["base64OriginalPayload"], validate=True)
        if isinstance(content["topic"], str) and isinstance(content["failures"], list):
            return dict(content)
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error):
        pass
    return None


def failure_text(error: dict[str, Any]) -> str:
    """The actions of the rule that failed, and why."""
    failures = (f for f in error["failures"] if isinstance(f, dict))
    return "; ".join(f"{f.get('failedAction')}: {f.get('errorMessage')}" for f in failures)


def original_body(error: dict[str, Any], sent: str | None, contract: str | None = None) -> str:
    """The body that the rule would have sent to the queue.

    ``sent`` (milliseconds since 1970) stands in for the time of arrival, which is not in the error.
    ``contract``: the further contract whose rule it is; ``None``: the first one's.
    """
    client_id = error.get("clientId")
    return json.dumps(
        {
            "payload": error["base64OriginalPayload"],
            "topic": error["topic"],
            "client_id": client_id if isinstance(client_id, str) else None,
            "received_at": int(sent) if sent else None,
            **({"contract": contract} if contract is not None else {}),
        }
    )
