"""Transform on one core against what a person might write instead.

Usage: ``python -m bench.transforming [--quick]``. Each peer's rows, rejects with their reasons and
duplicates must be ours, or the run ends. ``whole function`` is our transform with all it writes
beyond that (the Parquet object, the groups of the COPY object, the report).
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import orjson
import polars as pl

from bench.measuring import Measured, Way, by_turns, seconds_of, tell
from bench.messages import contract, raw_lines
from bench.peers import duck, frames, loop, ours
from bench.peers.result import Transformed, must_agree
from functions.transform.handler import transform as whole_function

KEY = "raw/2026/03/01/bench/batch.n1.ndjson.gz"
POOLS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_NUM_THREADS")
OURS, WHOLE = "telemetry-etl", "telemetry-etl, whole function"


def one_core() -> None:
    """Keeps this process on one core, where the system can; the pools are pinned anyway."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def compare(subject: str, raw: bytes, *, rounds: int) -> list[Measured]:
    """All ways over the same raw lines, by turns."""
    settled = contract()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = folder / "raw.ndjson"
        lines.write_bytes(raw)
        peers: dict[str, Callable[[], Transformed]] = {
            OURS: lambda: ours.transform(raw, settled),
            "json loop": lambda: loop.transform(raw),
            "orjson loop": lambda: loop.transform(raw, orjson.loads),
            "pandas": lambda: frames.transform(raw),
            "DuckDB": lambda: duck.transform(lines, folder),
        }
        expected = peers[OURS]()
        for peer, work in peers.items():
            must_agree(peer, work(), expected)
        rejected = len(expected.reasons())
        readings = pl.read_csv(expected.csv, has_header=False).height
        readings += expected.duplicates + rejected
        ways = [Way(peer, _timed(work), readings) for peer, work in peers.items()]
        ways.append(
            Way(WHOLE, _timed(lambda: whole_function(raw, settled, KEY, "bench")), readings)
        )
        return by_turns(subject, "readings/s", ways, rounds)


def _timed(work: Callable[[], object]) -> Callable[[], float]:
    return lambda: seconds_of(work)


def main(*, quick: bool) -> None:
    one_core()
    readings, rounds = (4_000, 1) if quick else (300_000, 5)
    nested = raw_lines(readings, each=20)
    flat = raw_lines(readings // 2, each=1, devices=2000)
    tell(
        [
            *compare("transform, 20 readings a message", nested, rounds=rounds),
            *compare("transform, 1 reading a message", flat, rounds=rounds),
        ]
    )


if __name__ == "__main__":
    one_thread = dict.fromkeys(POOLS, "1")
    if not one_thread.items() <= os.environ.items():  # read when a library is imported
        command = [sys.executable, "-m", "bench.transforming", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **one_thread})
    main(quick="--quick" in sys.argv)
