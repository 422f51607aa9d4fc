"""AWS IAM, where the emulator is started with ``AUTH=true``: what a policy sees of a request.

AWS: every call comes by TLS, those that services make for one another too, so a policy that denies
``aws:SecureTransport = false`` denies no caller that belongs there. A batch of messages is sent,
deleted or hidden by the permission for one (``sqs:DeleteMessage``...): it has no action of its own
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html,
read 2026-11).

MiniStack 1.5.33 speaks plain HTTP on the loopback and tells policies so, which denies every caller,
the topic rule included; and asks for ``sqs:DeleteMessageBatch``. Remove when a stack whose queues
refuse callers without TLS works under ``AUTH=true`` with the released emulator.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator

__all__ = ["RELIES_ON", "apply"]

RELIES_ON = (
    "app.pin_request_origin", "core.iam_actions.extract_iam_action",
    "core.iam_evaluator._request_origin",
)  # fmt: skip

BATCHES = ("SendMessage", "DeleteMessage", "ChangeMessageVisibility")


def apply() -> None:
    """Every request is by TLS; a batch is asked for as its members are."""
    iam_evaluator._request_origin = ContextVar("request_origin", default=("127.0.0.1", True))
    app.pin_request_origin = _by_tls
    extract = iam_actions.extract_iam_action
    single = {f"sqs:{action}Batch": f"sqs:{action}" for action in BATCHES}

    def extract_iam_action(*given: Any) -> str | None:
        action: str | None = extract(*given)
        return single.get(action or "", action)

    iam_actions.extract_iam_action = extract_iam_action


def _by_tls(source_ip: str, _: bool) -> None:
    iam_evaluator._request_origin.set((source_ip, True))
