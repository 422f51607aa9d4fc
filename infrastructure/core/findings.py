"""Findings of checkov that are accepted, each with its reason beside the resource it is about."""

from __future__ import annotations

from typing import Any

__all__ = ["accepted"]


def accepted(**reasons: str) -> dict[str, Any]:
    """A resource's ``Metadata``: a check's name to why it need not pass there.

    ``make audit`` fails for a suppression without a reason, and for one that suppresses nothing.
    """
    skipped = [{"id": check, "comment": reason} for check, reason in sorted(reasons.items())]
    return {"checkov": {"skip": skipped}}
