"""How an execution went, from what was staged and how each batch ended. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

__all__ = ["SUMMED", "Failure", "summarize"]

SUMMED = ("read", "inserted", "updated", "unchanged", "duplicates", "rejected", "set_aside")
"""Members of an outcome that add up over an execution, in readings."""

SHOWN_FAILURES = 5
CAUSE_LENGTH = 300
WITHOUT_A_TRACE = "BatchLost"
"""Error of a batch that was staged and has no outcome of either kind."""


@dataclass(frozen=True)
class Failure:
    """A batch that was not loaded."""

    raw_key: str
    error: str
    cause: str

    def as_dict(self) -> dict[str, str]:
        """As the state machine passes it on, cut to what a mail can show."""
        cause = self.cause
        if len(cause) > CAUSE_LENGTH:
            cause = cause[: CAUSE_LENGTH - 1] + "…"
        return {"raw_key": self.raw_key, "error": self.error, "cause": cause}


def summarize(
    staged: Iterable[str],
    outcomes: Iterable[Mapping[str, Any]],
    *,
    execution: str,
    prefix: str,
    tolerated: float,
) -> dict[str, Any]:
    """The execution's result.

    ``staged`` are the raw keys under the prefix; ``outcomes`` the objects that Load and the
    workflow's failure branch wrote. A batch that has an outcome of both kinds was loaded in the
    end. ``tolerated`` is the share (0..1) of failed batches up to which the execution succeeds.
    """
    keys = sorted(staged)
    ended = {_file(o): o for o in outcomes if o.get("status") in ("loaded", "quarantined")}
    failed = {_file(o): o for o in outcomes if o.get("status") not in ("loaded", "quarantined")}
    done = [ended[name] for key in keys if (name := PurePosixPath(key).name) in ended]
    failures = [
        _failure(key, failed.get(PurePosixPath(key).name))
        for key in keys
        if PurePosixPath(key).name not in ended
    ]
    result: dict[str, Any] = {
        "status": _status(len(failures), len(keys), tolerated),
        "batches": len(keys),
        "loaded": sum(outcome["status"] == "loaded" for outcome in done),
        "quarantined": sum(outcome["status"] == "quarantined" for outcome in done),
        "failed": len(failures),
        **{name: sum(int(outcome.get(name) or 0) for outcome in done) for name in SUMMED},
        "failures": [failure.as_dict() for failure in failures[:SHOWN_FAILURES]],
    }
    result["message"] = _message(result, execution, prefix)
    return result


def _file(outcome: Mapping[str, Any]) -> str:
    """Raw objects are matched by file name: the workflow's failure branch knows no batch id."""
    return PurePosixPath(str(outcome.get("raw_key") or "")).name


def _failure(key: str, outcome: Mapping[str, Any] | None) -> Failure:
    if outcome is None:
        return Failure(
            key, WITHOUT_A_TRACE, "It ended without a trace: look at the map run in Step Functions."
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


def _message(result: Mapping[str, Any], execution: str, prefix: str) -> str:
    """What a person reads in the mail: what failed, and what repairs it."""
    lines = [
        f"Execution {execution}: {result['loaded']} of {result['batches']} batches loaded, "
        f"{result['quarantined']} quarantined, {result['failed']} failed. "
        f"{result['read']} readings read, {result['inserted']} rows inserted, "
        f"{result['updated']} updated, {result['unchanged']} unchanged, "
        f"{result['duplicates']} duplicates, {result['rejected']} rejected, "
        f"{result['set_aside']} set aside."
    ]
    if result["failed"]:
        lines += [f"- {f['raw_key']}: {f['error']}: {f['cause']}" for f in result["failures"]]
        more = result["failed"] - len(result["failures"])
        if more:
            lines.append(f"- and {more} more")
        lines += [
            "Nothing is lost: the batches are in S3. Once the cause is mended, load them again "
            "(batches that are loaded already are left as they are):",
            f"  etl run --prefix {prefix}",
        ]
    return "\n".join(lines)
