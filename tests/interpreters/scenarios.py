"""What happens to an execution, and how it must end in every interpreter."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.interpreters.pipeline import Pipeline, Run

__all__ = ["SCENARIOS", "Scenario"]

Attempts = dict[str, int]

STEPS = ("Transform", "Validate", "Load")
STAGED = {"Already staged?": 1, "Anything staged?": 1, "Load batches": 1, "Summarize": 1}
ENDED = {**STAGED, "How did it end?": 1}
PARTIAL = {**ENDED, "Notify: some batches failed": 1, "Partially loaded": 1}
FAILED = {**ENDED, "Notify: batches failed": 1, "Batches failed": 1}
RECORDED = {"Record failure": 1, "Batch failed": 1}
BROKEN = {"Notify: error": 1, "Execution failed": 1}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One scenario, and its end."""

    name: str
    prepare: Callable[[Pipeline, Run], Any]
    """Stages what there is to load, and plans what fails; returns the execution's input."""
    attempts: Attempts
    """How often each state was tried: once for each time it was entered, and for each retry."""
    rows: int
    error: str | None = None
    """Name of the error that the execution ends with; ``None`` where it succeeds."""
    status: str | None = None
    """Status in the execution's output, where it succeeds."""
    outcomes: list[str] = field(default_factory=list)
    """How its batches ended, in the order of their keys."""
    worded_by_the_interpreter: bool = False
    """True where the cause is the interpreter's own sentence, and no answer of a service."""
    throttled: str | None = None
    """A function that Lambda refuses to run meanwhile."""


def lines(run: Run, first: int = 0, count: int = 3) -> list[bytes]:
    """Envelopes of one message each, with one reading each."""
    return [json.dumps(_envelope(run, number)).encode() for number in range(first, first + count)]


def _envelope(run: Run, number: int) -> dict[str, Any]:
    reading = {"ts": f"2026-03-01T12:00:{number:02d}Z", "seq": number, "note": 'é "b"'}
    return {
        "message_id": f"{run.name}-{number}",
        "topic": f"telemetry/chaos/{run.device}",
        "client_id": run.device,
        "received_at": 1_795_000_000_000 + number,
        "payload": base64.b64encode(json.dumps({"readings": [reading]}).encode()).decode(),
    }


def _queued(pipeline: Pipeline, run: Run) -> Any:
    """Three messages in the queue, for Extract."""
    for number in range(3):
        body = _envelope(run, number)
        del body["message_id"]
        pipeline.client("sqs").send_message(
            QueueUrl=pipeline.queue_url, MessageBody=json.dumps(body)
        )
    return {}


def _one(pipeline: Pipeline, run: Run) -> Any:
    """One good batch."""
    return pipeline.input_of(run, [pipeline.stage(run, "a", lines(run))])


def _failing(function: str, *words: str) -> Callable[[Pipeline, Run], Any]:
    """One good batch, and a function whose first calls fail."""

    def prepare(pipeline: Pipeline, run: Run) -> Any:
        pipeline.plan(function, run, list(words))
        return _one(pipeline, run)

    return prepare


def _corrupt(pipeline: Pipeline, run: Run) -> dict[str, Any]:
    return pipeline.stage_bytes(run, "b.n3", b"not gzip")


def _permanent(pipeline: Pipeline, run: Run) -> Any:
    """A batch that can't be read, today or later."""
    return pipeline.input_of(run, [_corrupt(pipeline, run)])


def _partial(pipeline: Pipeline, run: Run) -> Any:
    """A good batch and one that can't be read."""
    good = pipeline.stage(run, "a", lines(run))
    return pipeline.input_of(run, [good, _corrupt(pipeline, run)])


def _quarantine(pipeline: Pipeline, run: Run) -> Any:
    """A good batch, and one of which nothing can be understood."""
    good = pipeline.stage(run, "a", lines(run))
    return pipeline.input_of(
        run, [good, pipeline.stage(run, "b", [b"no envelope %d" % n for n in range(25)])]
    )


def _missing_manifest(pipeline: Pipeline, run: Run) -> Any:
    return pipeline.input_of(run, [pipeline.stage(run, "a", lines(run))], write=False)


def _replay(pipeline: Pipeline, run: Run) -> Any:
    """Two batches under a prefix, which Extract lists."""
    for number, name in enumerate("ab"):
        pipeline.stage_bytes(
            run,
            f"{name}.n3",
            gzip.compress(b"\n".join(lines(run, 3 * number)) + b"\n", mtime=0),
        )
    return {"prefix": run.prefix}


def _huge_listing(pipeline: Pipeline, run: Run) -> Any:
    pipeline.plan("extract", run, ["huge"])
    return _replay(pipeline, run)


def _queued_for_a_loop(pipeline: Pipeline, run: Run) -> Any:
    """Three messages, for the first of three drains."""
    _queued(pipeline, run)
    return {"drains": {"every": 10, "seconds": 29}}


def _nothing(pipeline: Pipeline, run: Run) -> Any:
    """The queue is empty."""
    return {}


def once(*names: str) -> Attempts:
    """These states, tried once each."""
    return dict.fromkeys(names, 1)


SCENARIOS = [
    Scenario(
        name="success",
        prepare=_queued,
        attempts={**ENDED, "Extract": 1, **once(*STEPS), "All loaded": 1},
        rows=3,
        status="succeeded",
        outcomes=["loaded"],
    ),
    Scenario(
        name="nothing",
        prepare=_nothing,
        attempts=once("Already staged?", "Extract", "Anything staged?", "Nothing to do"),
        rows=0,
    ),
    Scenario(
        name="drain-loop",
        prepare=_queued_for_a_loop,
        attempts={
            **once("Already staged?", "Load drained batches", "Summarize", "How did it end?"),
            **once(*(f"{step} (drained)" for step in STEPS), "All loaded"),
            "Extract": 3, "Anything staged?": 3, "Wait for the next drain": 2,
        },
        rows=3,
        status="succeeded",
        outcomes=["loaded"],
    ),
    Scenario(
        name="transient",
        prepare=_failing("load", "transient", "transient"),
        attempts={**ENDED, **once(*STEPS), "Load": 3, "All loaded": 1},
        rows=3,
        status="succeeded",
        outcomes=["loaded"],
    ),
    Scenario(
        name="transient-always",
        prepare=_failing("validate", *["transient"] * 9),
        attempts={**FAILED, "Transform": 1, "Validate": 5, **RECORDED},
        rows=0,
        error="BatchesFailed",
        outcomes=["failed"],
    ),
    Scenario(
        name="throttled",
        prepare=_one,
        throttled="transform",
        attempts={**FAILED, "Transform": 5, **RECORDED},
        rows=0,
        error="BatchesFailed",
        outcomes=["failed"],
    ),
    Scenario(
        name="permanent",
        prepare=_permanent,
        attempts={**FAILED, "Transform": 1, **RECORDED},
        rows=0,
        error="BatchesFailed",
        outcomes=["failed"],
    ),
    Scenario(
        name="partial",
        prepare=_partial,
        attempts={**PARTIAL, "Transform": 2, "Validate": 1, "Load": 1, **RECORDED},
        rows=3,
        status="partial",
        outcomes=["loaded", "failed"],
    ),
    Scenario(
        name="died",
        prepare=_failing("transform", "died"),
        attempts={**ENDED, **once(*STEPS), "Transform": 2, "All loaded": 1},
        rows=3,
        status="succeeded",
        outcomes=["loaded"],
    ),
    Scenario(
        name="died-always",
        prepare=_failing("load", *["died"] * 9),
        attempts={**FAILED, **once(*STEPS), "Load": 2, **RECORDED},
        rows=0,
        error="BatchesFailed",
        outcomes=["failed"],
    ),
    Scenario(
        name="quarantine",
        prepare=_quarantine,
        attempts={**ENDED, **dict.fromkeys(STEPS, 2), "All loaded": 1},
        rows=3,
        status="succeeded",
        outcomes=["loaded", "quarantined"],
    ),
    Scenario(
        name="missing-manifest",
        prepare=_missing_manifest,
        attempts={**once("Already staged?", "Anything staged?"), "Load batches": 2, **BROKEN},
        rows=0,
        error="States.ItemReaderFailed",
        worded_by_the_interpreter=True,
    ),
    Scenario(
        name="replay",
        prepare=_replay,
        attempts={**ENDED, "List staged batches": 1, **dict.fromkeys(STEPS, 2), "All loaded": 1},
        rows=6,
        status="succeeded",
        outcomes=["loaded", "loaded"],
    ),
    Scenario(
        name="huge-cause",
        prepare=_failing("transform", "huge"),
        attempts={**FAILED, "Transform": 1, **RECORDED},
        rows=0,
        error="BatchesFailed",
        outcomes=["failed"],
    ),
    Scenario(
        name="huge-cause-outside",
        prepare=_huge_listing,
        attempts={"Already staged?": 1, "List staged batches": 1, **BROKEN},
        rows=0,
        error="HugeError",
    ),
]  # fmt: skip
