"""Provision: AWS IoT asks it before it registers a device that shows the claim certificate.

Event and answer are those of a pre-provisioning hook
(docs.aws.amazon.com/iot/latest/developerguide/pre-provisioning-hook.html, read 2026-11). Whatever
goes wrong refuses the device, which may try again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from functions.provision.allow_list import ALLOW_LIST_KEY, decide, parse_allow_list
from telemetry.clients import calling, client
from telemetry.entry import lambda_entry
from telemetry.errors import BatchMissingError
from telemetry.logs import log
from telemetry.storage import get_object

__all__ = ["handle"]


@lambda_entry
def handle(event: dict[str, Any]) -> dict[str, Any]:
    """A device's request in, ``{"allowProvisioning": ...}`` out.

    Raises ``TransientError`` or ``ConfigurationError`` where S3 or AWS IoT can't be asked.
    """
    serial = (event.get("parameters") or {}).get("SerialNumber")
    decision = decide(serial, _allow_list(), _certificates(serial))
    note = log.info if decision.allowed else log.warning
    note("Provisioning", serial=serial, allowed=decision.allowed, reason=decision.reason)
    return {"allowProvisioning": decision.allowed}


def _allow_list() -> frozenset[str]:
    """The serial numbers that may register; none where there is no list."""
    try:
        return parse_allow_list(get_object(os.environ["DATA_BUCKET"], ALLOW_LIST_KEY))
    except BatchMissingError:
        return frozenset()


def _certificates(thing: object) -> Iterator[str]:
    """Yield the certificates of a thing, lazily; none where there is no such thing."""
    iot = client("iot")
    with calling("iot", f"list the certificates of {thing}"):
        try:
            answer = iot.list_thing_principals(thingName=str(thing))
        except iot.exceptions.ResourceNotFoundException:
            return
    yield from answer["principals"]
