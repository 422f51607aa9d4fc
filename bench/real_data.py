"""Real data, from the queue to rows, on the local stack: the whole path with its servers.

Usage: ``python -m bench.real_data [--quick]``, in the environment of ``make test``, with
``TELEMETRY_SHARED_DATA`` naming the folder that holds ``sensor_community/readings.ndjson.gz``. All
messages are published first and wait in the queue; then executions, two at a time, drain and load
them. The clock runs from the first execution's start until nothing is under way.
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

from bench.measuring import Measured, tell
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
AT_ONCE = 2
LONGEST = 600.0


def measure(target: Target, data: Path) -> list[Measured]:
    """Readings per second of one run. Raises where the ledger does not add up afterwards."""
    receipt = publish_file(target, target.contract, data, readings_per_message=READINGS_PER_MESSAGE)
    begin = time.monotonic()
    found = None
    while found is None or (found.under_way and time.monotonic() - begin < LONGEST):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for arn in [start(target) for _ in range(AT_ONCE)]:
                pool.submit(lambda arn=arn: list(follow(target, arn)))
        found = reconcile(target, 0.0)
    seconds = time.monotonic() - begin
    if found.problems():
        raise AssertionError("; ".join(found.problems()))
    return [Measured(SUBJECT, "telemetry-etl", "readings/s", [receipt.readings / seconds])]


def part_of(data: Path, readings: int, folder: Path) -> Path:
    """The first so many readings, as a file."""
    path = folder / "part.ndjson"
    with gzip.open(data) as lines:
        path.write_bytes(b"".join(itertools.islice(lines, readings)))
    return path


def main(*, quick: bool) -> None:
    if not DATA.exists():
        print(f"The shared real data is absent ({DATA}): not measured", file=sys.stderr)
        tell([])
        return
    with TemporaryDirectory(prefix="telemetry-bench-") as name:
        state = Path(name) / "state"
        try:
            target = bring_up(
                state, "bench", CONTRACT, trigger="schedule", schedule="rate(1 day)", tether=True
            )
            data = part_of(DATA, 5_000, Path(name)) if quick else DATA
            tell(measure(target, data))
        finally:
            stop(state)


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)
