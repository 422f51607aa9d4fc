"""Amazon SNS to AWS Lambda: a notification is an asynchronous invocation.

AWS: Lambda queues it, and invokes the function again, twice at most, where it fails
(https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html, read 2026-11).

MiniStack 1.5.33 invokes the function once, and every notification at the same time: the alarms of a
new stack, all of which become OK in the same second, would start a process each. Remove when the
released emulator passes the test without it.

Differences: AWS waits one and two minutes before it repeats, and runs many at the same time.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import Any

from ministack.services import lambda_svc, sns

__all__ = ["RELIES_ON", "apply"]

RELIES_ON = (
    "services.lambda_svc._execute_function_with_config_scope",
    "services.lambda_svc._execution_record_for_config",
    "services.lambda_svc._get_func_record_for_ref", "services.sns._deliver_to_lambda",
)  # fmt: skip

PARALLEL = 2
PAUSES = (2.0, 4.0)
"""Seconds before the second and the third attempt."""

_turns = threading.BoundedSemaphore(PARALLEL)
_log = logging.getLogger("emulator.asynchronous")


def apply() -> None:
    """Invoke subscribed functions in turn, and again where they fail."""
    sns._deliver_to_lambda = _deliver


def _deliver(endpoint: str, envelope: str, _topic: str, subscription: str, *_: Any) -> None:
    """Runs in a thread of its own for each notification."""
    function, config, name = lambda_svc._get_func_record_for_ref(endpoint)
    if not function or not config:
        _log.warning("The subscribed function %s does not exist", name)
        return
    record = {
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription,
        "EventSource": "aws:sns",
        "Sns": json.loads(envelope),
    }
    executed = lambda_svc._execution_record_for_config(function, config)
    for pause in (*PAUSES, None):
        with _turns:
            result = lambda_svc._execute_function_with_config_scope(executed, {"Records": [record]})
        if not result.get("error") or pause is None:
            return
        time.sleep(pause)
