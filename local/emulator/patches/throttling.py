"""AWS Step Functions: a task whose function Lambda refuses to run.

AWS: it fails with ``Lambda.TooManyRequestsException``, which a ``Retry`` can name.

MiniStack 1.5.33 reports ``Lambda.Unknown``, as if the function had died, so it is retried by the
rule for crashes. Remove when the test passes without it.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import stepfunctions

__all__ = ["RELIES_ON", "apply"]

RELIES_ON = ("services.stepfunctions._ExecutionError", "services.stepfunctions._call_lambda")
REFUSAL = "TooManyRequestsException"


def apply() -> None:
    """Give a refused call of a function its own error."""
    call = stepfunctions._call_lambda

    def call_lambda(reference: Any, event: Any) -> Any:
        try:
            return call(reference, event)
        except stepfunctions._ExecutionError as error:
            message = _refusal(error.error, error.cause)
            if message is None:
                raise
            cause = f"{message} (Service: Lambda, Status Code: 429)"
            raise stepfunctions._ExecutionError(f"Lambda.{REFUSAL}", cause) from error

    stepfunctions._call_lambda = call_lambda


def _refusal(error: str, cause: str) -> str | None:
    """The message of a call that Lambda refused; ``None`` of any other error."""
    if error != "Lambda.Unknown":
        return None
    try:
        body = json.loads(cause)
    except ValueError:
        return None
    refused = isinstance(body, dict) and body.get("__type") == REFUSAL
    return str(body.get("message")) if refused else None
