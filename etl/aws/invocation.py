"""Invocations of Lambda functions that answer with a JSON object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

__all__ = ["FunctionFailedError", "invoke"]


class FunctionFailedError(Exception):
    """Raised where a function fails; the text says which one, and with what."""

    def __init__(self, function: str, kind: str, message: str) -> None:
        super().__init__(f"{function} failed with {kind}: {message}")
        self.kind = kind
        """The error's type, as Lambda reports it."""
        self.message = message


def invoke(client: LambdaClient, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """The function's answer. Raises :class:`FunctionFailedError`, and botocore's ``ClientError``
    where it can't be invoked."""
    answer = client.invoke(FunctionName=function, Payload=json.dumps(event).encode())
    result: Any = json.loads(answer["Payload"].read() or b"null")
    if answer.get("FunctionError"):
        error = result if isinstance(result, dict) else {"errorMessage": str(result)}
        kind, message = error.get("errorType", "an error"), error.get("errorMessage", "")
        raise FunctionFailedError(function, kind, message)
    return dict(result or {})
