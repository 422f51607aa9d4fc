"""Runs in each function process before the function's code, and writes down its calls of AWS.

One JSON object a line, into ``<folder of this file>/calls.ndjson``. Only what ARNs and conditions
are made of is kept; of bodies and secrets, nothing. Imports the standard library and botocore.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

CALLS = Path(__file__).with_name("calls.ndjson")
FUNCTION = os.environ["AWS_LAMBDA_FUNCTION_NAME"].rpartition("-")[2]
KEPT = (
    "Bucket", "Key", "Prefix", "IfMatch", "QueueUrl", "SecretId", "stateMachineArn",
    "executionArn", "name",
)  # fmt: skip


def record(service: str, operation: str, given: dict[str, Any], error: str | None) -> None:
    """Append one call; a line is written at once, whoever else writes."""
    kept = {name: given[name] for name in KEPT if name in given}
    line = {
        "function": FUNCTION,
        "service": service,
        "operation": operation,
        "given": kept,
        "error": error,
    }
    with CALLS.open("ab", buffering=0) as calls:
        calls.write(json.dumps(line).encode() + b"\n")


def wrap_calls() -> None:
    """Every client's every call passes through here."""
    from botocore.client import BaseClient
    from botocore.exceptions import ClientError

    make_call = BaseClient._make_api_call

    def recorded(client: Any, operation: str, given: dict[str, Any]) -> Any:
        service = client.meta.service_model.service_name
        try:
            answer = make_call(client, operation, given)
        except ClientError as error:
            record(service, operation, given, error.response["Error"]["Code"])
            raise
        record(service, operation, given, None)
        return answer

    BaseClient._make_api_call = recorded


wrap_calls()
