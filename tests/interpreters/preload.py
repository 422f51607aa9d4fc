"""Runs in each function process before the function's code, and makes it fail as planned.

A plan is a file ``<folder>/<function>/<execution>``, with one word for each call that is to fail;
the folder is this file's. A call takes the first word, and works once none is left.

=============  ==================================================================================
``transient``  the first call of AWS answers that it is busy
``died``       the process is killed
``huge``       an exception with a message of 30,000 characters, hostile to JSON and to templates
=============  ==================================================================================
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / os.environ["AWS_LAMBDA_FUNCTION_NAME"].rpartition("-")[2]
HUGE = "{}'\"\\\n\t$.é𝄞<&>States.Format(%s)".ljust(40, "x") * 750


class HugeError(Exception):
    """Fails a function with more text than anybody can read."""


def planned(execution: str) -> str | None:
    """The word for this call of the function, which is then taken."""
    plan = FOLDER / execution
    if not plan.exists():
        return None
    with plan.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        words = file.read().split()
        file.seek(0)
        file.truncate()
        file.write(" ".join(words[1:]))
    return words[0] if words else None


def busy_once() -> Callable[[], None]:
    """Have the next call of AWS fail; the answer takes that back."""
    from botocore.client import BaseClient
    from botocore.exceptions import ClientError

    make_call = BaseClient._make_api_call

    def refuse(client: Any, operation: str, given: dict[str, Any]) -> Any:
        error = {"Code": "SlowDown", "Message": "Please reduce your request rate."}
        metadata = {"HTTPStatusCode": 503, "RequestId": "planned"}
        raise ClientError({"Error": error, "ResponseMetadata": metadata}, operation)

    BaseClient._make_api_call = refuse

    def restore() -> None:
        BaseClient._make_api_call = make_call

    return restore


def wrap_invocations() -> None:
    """Look for a plan before each call of the function."""
    runtime = sys.modules["__emulator_runtime__"]
    invoke = runtime.invoke  # type: ignore[attr-defined]

    def invoke_as_planned(handler: Callable[..., Any], invocation: dict[str, Any]) -> Any:
        event = invocation["event"] or {}
        word = planned(str(event.get("execution", ""))) if event.get("execution") else None
        if word == "died":
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "huge":
            return invoke(fail_hugely, invocation)
        restore = busy_once() if word == "transient" else lambda: None
        try:
            return invoke(handler, invocation)
        finally:
            restore()

    runtime.invoke = invoke_as_planned  # type: ignore[attr-defined]


def fail_hugely(event: Any, context: Any) -> None:
    """A handler that fails."""
    raise HugeError(HUGE)


wrap_invocations()
