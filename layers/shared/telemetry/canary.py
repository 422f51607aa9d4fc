"""The message by which ``etl doctor`` proves the way from a device to the ledger.

It is not a reading under any contract, because no JSON text and no compressed one begins like it.
Transform sets it aside, and the ledger counts it: it is neither a row nor a reject, triggers no
check of the batch, and the reconciliation balances.
"""

from __future__ import annotations

__all__ = ["CANARY_PREFIX", "canary_payload"]

CANARY_PREFIX = b"etl doctor canary "


def canary_payload(identity: str) -> bytes:
    """Return the payload of the canary with this unique id."""
    return CANARY_PREFIX + identity.encode()
