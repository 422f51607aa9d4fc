"""The list of serial numbers that may register, and the decision about one of them.

Pure functions. A serial number becomes the name of a thing and a level of a topic, so that only
characters that both take are allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["ALLOW_LIST_KEY", "SERIAL_NUMBER", "Decision", "decide", "parse_allow_list"]

ALLOW_LIST_KEY = "devices/allowed.txt"
"""Key of the list in the data bucket: a serial number per line; ``#`` begins a comment."""
SERIAL_NUMBER = re.compile(r"[A-Za-z0-9:_-]{1,128}")
"""Names of things (docs.aws.amazon.com/iot/latest/apireference/API_CreateThing.html, 2026-11)."""


@dataclass(frozen=True)
class Decision:
    """Answer to one device; ``reason`` is for the log, the device doesn't get it."""

    allowed: bool
    reason: str


def parse_allow_list(body: bytes) -> frozenset[str]:
    """Return the serial numbers of the list; lines that can't be one are left out."""
    lines = body.decode("utf-8", errors="replace").lstrip("\ufeff").splitlines()
    serials = (line.partition("#")[0].strip() for line in lines)
    return frozenset(one for one in serials if SERIAL_NUMBER.fullmatch(one))


def decide(serial: object, allowed: frozenset[str], certificates: Iterable[str]) -> Decision:
    """Decide whether the device with this serial number may register.

    ``certificates``: those of its thing; asked for only where the serial number is allowed. A thing
    that has one is refused, or whoever holds the claim certificate could speak for each device
    whose serial number is known.
    """
    if not isinstance(serial, str) or not SERIAL_NUMBER.fullmatch(serial):
        return Decision(False, "the request has no valid SerialNumber")
    if serial not in allowed:
        return Decision(False, f"the serial number is not in {ALLOW_LIST_KEY}")
    if any(True for _ in certificates):
        return Decision(False, "the device is registered already: detach its certificate first")
    return Decision(True, "the serial number is allowed")
