"""Real data, from the queue to rows, through the complete local stack.

Usage: ``python -m bench.real_data [--quick]``, in the environment of ``make test``, with
``TELEMETRY_SHARED_DATA`` naming the folder that holds ``sensor_community/readings.ndjson.gz``. All
messages are published first and wait in the queue; then two executions at a time drain and load
them. The time is measured from the start of the first execution until all have ended and the queue
is empty. Then every reading must be accounted for. ``BENCH_READINGS`` limits the readings.
"""

from __future__ import annotations

import gzip
import itertools
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from bench.measurement import Measurement, print_results
from etl.aws.sqs import queue_depth
from etl.aws.target import Target
from etl.deployment.laptop import bring_up
from etl.operations.executions import follow, start
from etl.operations.publishing import publish_file
from etl.operations.reconciliation import reconcile
from local.stack import stop

SUBJECT = "real data, queue to rows"
CORE_TIME = "core time, queue to rows"
CONTRACT = Path(__file__).parents[1] / "contracts" / "sensor_community.toml"
SHARED = Path(os.environ.get("TELEMETRY_SHARED_DATA", "../shared/data"))
DATA = SHARED / "sensor_community" / "readings.ndjson.gz"
READINGS_PER_MESSAGE = 50
PARALLEL = 2
TIMEOUT = 600.0
"""Seconds."""


def measure(target: Target, data: Path) -> list[Measurement]:
    """Readings per second, and per second of one core, of one run.

    Raises ``AssertionError`` if the queue is not emptied in time, or the ledger is not balanced.
    """
    receipt = publish_file(target, target.contract, data, readings_per_message=READINGS_PER_MESSAGE)
    begin, used = time.monotonic(), core_seconds()
    while waiting(target):
        if time.monotonic() - begin > TIMEOUT:
            raise AssertionError(f"The queue was not empty after {TIMEOUT:.0f} s")
        with ThreadPoolExecutor(PARALLEL) as pool:
            for arn in [start(target) for _ in range(PARALLEL)]:
                pool.submit(lambda arn=arn: list(follow(target, arn)))
    seconds, used = time.monotonic() - begin, core_seconds() - used
    found = reconcile(target, 0.0)
    if found.in_progress or found.problems():
        raise AssertionError("; ".join(found.problems()) or "Some messages are still in progress")
    name, readings = "telemetry-etl", receipt.readings
    return [
        Measurement(SUBJECT, name, "readings/s", [readings / seconds]),
        Measurement(CORE_TIME, name, "readings/core-second", [readings / used]),
    ]


def waiting(target: Target) -> int:
    """Messages in the queue, visible or received and not yet deleted."""
    return queue_depth(target.client("sqs"), target.outputs["QueueUrl"]).total


def core_seconds() -> float:
    """Processor time of this process and all below it, also of those that have ended."""
    total = 0.0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])  # its own, and that of children it waited for
    return total


def part_of(data: Path, readings: int, folder: Path) -> Path:
    """A file with the first ``readings`` readings."""
    path = folder / "part.ndjson"
    with gzip.open(data) as lines:
        path.write_bytes(b"".join(itertools.islice(lines, readings)))
    return path


def main(*, quick: bool) -> None:
    """Measure, and print the result."""
    if not DATA.exists():
        print(f"Not measured: the shared real data is missing ({DATA})", file=sys.stderr)
        print_results([])
        return
    with TemporaryDirectory(prefix="telemetry-bench-") as name:
        state = Path(name) / "state"
        try:
            target = bring_up(
                state,
                "bench",
                CONTRACT,
                trigger="schedule",
                schedule="rate(1 day)",
                die_with_parent=True,
            )
            readings = 5_000 if quick else int(os.environ.get("BENCH_READINGS", "0"))
            data = part_of(DATA, readings, Path(name)) if readings else DATA
            print_results(measure(target, data))
        finally:
            stop(state)


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)
