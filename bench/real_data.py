"""Real data, from the queue to rows, through the complete local stack.

Usage: ``python -m bench.real_data [--quick]``, in the environment of ``make test``, with
``TELEMETRY_SHARED_DATA`` naming the folder that holds ``sensor_community/readings.ndjson.gz``. All
messages are published first and wait in the queue; then two executions at a time drain and load
them. The time is measured from the start of the first execution until no message is in flight.
"""

from __future__ import annotations

import gzip
import itertools
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measurement import Measurement, print_results
from etl.aws.target import Target
from etl.deployment.laptop import bring_up
from etl.operations.executions import follow, start
from etl.operations.publishing import publish_file
from etl.operations.reconciliation import reconcile
from local.stack import stop

SUBJECT = "real data, queue to rows"
CONTRACT = Path(__file__).parents[1] / "contracts" / "sensor_community.toml"
SHARED = Path(os.environ.get("TELEMETRY_SHARED_DATA", "../shared/data"))
DATA = SHARED / "sensor_community" / "readings.ndjson.gz"
READINGS_PER_MESSAGE = 50
PARALLEL = 2
TIMEOUT = 600.0


def measure(target: Target, data: Path) -> list[Measurement]:
    """Readings per second of one run. Raises ``AssertionError`` if the ledger is not balanced."""
    receipt = publish_file(target, target.contract, data, readings_per_message=READINGS_PER_MESSAGE)
    begin = time.monotonic()
    found = None
    while found is None or (found.in_progress and time.monotonic() - begin < TIMEOUT):
        with ThreadPoolExecutor(PARALLEL) as pool:
            for arn in [start(target) for _ in range(PARALLEL)]:
                pool.submit(lambda arn=arn: list(follow(target, arn)))
        found = reconcile(target, 0.0)
    seconds = time.monotonic() - begin
    if found.problems():
        raise AssertionError("; ".join(found.problems()))
    return [Measurement(SUBJECT, "telemetry-etl", "readings/s", [receipt.readings / seconds])]


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
            data = part_of(DATA, 5_000, Path(name)) if quick else DATA
            print_results(measure(target, data))
        finally:
            stop(state)


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)
