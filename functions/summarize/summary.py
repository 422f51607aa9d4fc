"""The result of an execution, from its manifest and the outcome of each batch. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from telemetry.escaping import escape_line
from telemetry.layout import SETTLED

__all__ = ["SUMMED", "Failure", "summarize"]

SUMMED = (
    "read", "inserted", "updated", "unchanged", "duplicates", "conflicts", "conflicts_in_table",
    "rejected", "set_aside",
)  # fmt: skip
"""Members of an outcome that add up over an execution, in readings."""

ENDS = ("loaded", "quarantined", "discarded")
SHOWN_FAILURES = 5
CAUSE_LENGTH = 300
WITHOUT_A_TRACE = "BatchLost"
"""Error of a staged batch that has no outcome."""


@dataclass(frozen=True)
class Failure:
    """A batch that was not loaded."""

    raw_key: str
    error: str
    cause: str

    def as_dict(self) -> dict[str, str]:
        """The failure as JSON members, with a cause short enough for an email.

        PostgreSQL quotes values of a row that it refuses: what a device sent must neither begin a
        line of its own nor act in who reads the email.
        """
        cause = escape_line(self.cause)
        if len(cause) > CAUSE_LENGTH:
            cause = cause[: CAUSE_LENGTH - 1] + "…"
        return {"raw_key": self.raw_key, "error": self.error, "cause": cause}


def summarize(
    batches: Iterable[str],
    outcomes: Sequence[Mapping[str, Any]],
    *,
    execution: str,
    tolerated: float,
) -> dict[str, Any]:
    """The execution's result.

    ``batches`` are the raw keys of its manifest; ``outcomes`` the objects that Load and the
    workflow's failure branch wrote in this execution. A batch with outcomes of both kinds
    counts as settled. ``tolerated`` is the share (0..1) of failed batches up to which the
    execution succeeds.
    """
    keys = sorted(batches)
    ended = {str(o.get("raw_key")): o for o in outcomes if o.get("status") in SETTLED}
    failed = {str(o.get("raw_key")): o for o in outcomes if o.get("status") not in SETTLED}
    done = [ended[key] for key in keys if key in ended]
    failures = [_failure(key, failed.get(key)) for key in keys if key not in ended]
    result: dict[str, Any] = {
        "status": _status(len(failures), len(keys), tolerated),
        "batches": len(keys),
        **{status: sum(o["status"] == status for o in done) for status in ENDS},
        "failed": len(failures),
        **{name: sum(int(outcome.get(name) or 0) for outcome in done) for name in SUMMED},
        "failures": [failure.as_dict() for failure in failures[:SHOWN_FAILURES]],
    }
    result["message"] = _message(result, execution)
    return result


def _failure(key: str, outcome: Mapping[str, Any] | None) -> Failure:
    if outcome is None:
        return Failure(
            key,
            WITHOUT_A_TRACE,
            "It ended without an outcome: look at the map run in Step Functions.",
        )
    return Failure(key, str(outcome.get("error")), _readable(str(outcome.get("cause"))))


def _readable(cause: str) -> str:
    """The message in a cause: Lambda wraps it in JSON, beside a stack trace."""
    try:
        content = json.loads(cause)
    except (ValueError, RecursionError):
        return cause
    message = content.get("errorMessage") if isinstance(content, dict) else None
    return str(message) if message else cause


def _status(failed: int, batches: int, tolerated: float) -> str:
    if not failed:
        return "succeeded"
    return "partial" if failed <= tolerated * batches else "failed"


def _message(result: Mapping[str, Any], execution: str) -> str:
    """Text of the email: what failed, and how to fix it."""
    lines = [
        f"Execution {execution}: {result['loaded']} of {result['batches']} batches loaded, "
        f"{result['quarantined']} quarantined, {result['discarded']} discarded, "
        f"{result['failed']} failed. "
        f"{result['read']} readings read, {result['inserted']} rows inserted, "
        f"{result['updated']} updated, {result['unchanged']} unchanged, "
        f"{result['duplicates']} duplicates, "
        f"{result['conflicts'] + result['conflicts_in_table']} conflicts, "
        f"{result['rejected']} rejected, "
        f"{result['set_aside']} set aside."
    ]
    if result["failed"]:
        lines += [f"- {f['raw_key']}: {f['error']}: {f['cause']}" for f in result["failures"]]
        more = result["failed"] - len(result["failures"])
        if more:
            lines.append(f"- and {more} more")
        lines += [
            "Nothing is lost: the batches are in S3. The sweep retries those with a temporary "
            "error; for the others fix the cause, then replay the execution (batches that this "
            "contract has loaded already are skipped):",
            f"  etl replay --execution {execution}",
        ]
    return "\n".join(lines)
