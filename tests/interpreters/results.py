"""How an execution ended, in the same words whatever interpreted it. Pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.interpreters.pipeline import Run

__all__ = ["Result", "attempts_of"]

UNSTABLE = re.compile(r" \(Service: .*?\)|(?<=RequestId: )[-0-9a-f]{36}")
"""What an interpreter adds to an error of AWS, and ids of requests."""


@dataclass(frozen=True)
class Result:
    """The end of one execution."""

    status: str
    error: str | None
    cause: Any
    output: Any
    attempts: dict[str, int]

    @classmethod
    def of(cls, answer: Mapping[str, Any], run: Run, attempts: Mapping[str, int]) -> Result:
        """From members as DescribeExecution returns them; names of the run are replaced."""
        return cls(
            status=str(answer["status"]),
            error=answer.get("error") or None,
            cause=_plain(answer.get("cause"), run),
            output=_plain(answer.get("output"), run) if answer["status"] == "SUCCEEDED" else None,
            attempts=dict(attempts),
        )


def _plain(text: str | None, run: Run) -> Any:
    """JSON as a value, any other text as it is; without what differs between two good runs."""
    if text is None:
        return None
    text = UNSTABLE.sub("", run.without_names(text))
    try:
        found = json.loads(text)
    except ValueError:
        return text
    if isinstance(found, dict):
        for unstable in ("stackTrace", "requestId", "manifest_sha256"):
            found.pop(unstable, None)
    return found


def attempts_of(histories: Iterable[Iterable[Mapping[str, Any]]]) -> dict[str, int]:
    """How often each state was tried, from the histories of an execution and its children.

    A state is tried when it is entered, and again for each further ``TaskScheduled`` or
    ``MapRunStarted`` before the next is entered.
    """
    found: Counter[str] = Counter()
    for events in histories:
        state, tries = "", 0
        for event in events:
            kind = event["type"]
            if kind.endswith("StateEntered"):
                state, tries = event["stateEnteredEventDetails"]["name"], 0
                found[state] += 1
            elif kind in ("TaskScheduled", "MapRunStarted"):
                tries += 1
                found[state] += tries > 1
    return dict(found)
