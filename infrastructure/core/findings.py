"""Accepted findings of checkov, each with its reason in the metadata of its resource."""

from __future__ import annotations

from typing import Any

__all__ = ["accepted"]


def accepted(**reasons: str) -> dict[str, Any]:
    """Metadata of a resource that skips checks: the reason by the check's name.

    ``make audit`` fails for a suppression without a reason, and for one that suppresses nothing.
    """
    skipped = [{"id": check, "comment": reason} for check, reason in sorted(reasons.items())]
    return {"checkov": {"skip": skipped}}
