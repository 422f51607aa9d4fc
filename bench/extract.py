"""Extract's own work: receive, make envelopes, compress, delete.

Usage: ``python -m bench.extract [--quick]``, in the environment of ``make test``. Messages of a
fleet wait in a queue whose answers are prepared (:mod:`bench.queue_server`), and the processor time
of the drain is taken, in all its threads: not what the queue does, nor S3, nor waiting for either.
The cases are numbers of readings per message: a request costs the same, whatever it carries.
"""

from __future__ import annotations

import json
import os
import sys
import time
from functools import partial

from bench.measurement import Case, Measurement, interleaved, print_results
from bench.messages import raw_lines
from bench.queue_server import serving
from functions.extract.batches import BatchLimits, MicroBatch, compress
from functions.extract.draining import drain
from functions.extract.queue import Queue
from telemetry.clients import forget_clients

__all__ = ["measure"]

SUBJECT = "extract, one core"
READINGS_PER_MESSAGE = (1, 20, 50, 300)
"""The last is about 64 KB: ten of them are as much as one receive may bring."""
RECEIVERS = 8


def bodies(messages: int, each: int) -> list[str]:
    """Messages as the topic rule writes them into the queue."""
    written = []
    for line in raw_lines(messages * each, each=each).splitlines():
        envelope = json.loads(line)
        envelope.pop("message_id")
        body = {"payload": envelope.pop("payload"), **envelope}
        written.append(json.dumps(body, separators=(",", ":")))
    return written


def seconds_of_drain(messages: list[str]) -> float:
    """Processor time of one drain. Raises ``AssertionError`` where a message is missing."""
    staged: list[int] = []

    def stage(batch: MicroBatch) -> None:
        compress(batch.lines)
        staged.append(len(batch.lines))

    with serving(messages) as address:
        os.environ["AWS_ENDPOINT_URL"] = address
        forget_clients()
        queue = Queue(f"{address}/000000000000/telemetry")
        limits = BatchLimits(seconds=3600)
        started = time.process_time()
        done = drain(queue, stage, limits, receivers=RECEIVERS, seconds=3600)
        seconds = time.process_time() - started
    if not done.messages == sum(staged) == len(messages):
        raise AssertionError(f"{done.messages} of {len(messages)} messages were drained")
    return seconds


def measure(messages: int, rounds: int) -> list[Measurement]:
    """Readings per second of processor time, by readings per message."""
    credentials = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
    os.environ |= {"AWS_DEFAULT_REGION": "eu-west-1", **credentials}
    cases = []
    for each in READINGS_PER_MESSAGE:
        prepared = bodies(max(messages // max(each // 50, 1), 10), each)
        name = f"{each} reading{'s' * (each > 1)} per message"
        run = partial(seconds_of_drain, prepared)
        cases.append(Case(name, run, len(prepared) * each))
    return interleaved(SUBJECT, "readings/core-second", cases, rounds)


if __name__ == "__main__":
    print_results(measure(300, 1) if "--quick" in sys.argv else measure(1_500, 3))
