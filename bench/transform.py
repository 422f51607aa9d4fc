"""Transform on one core, compared with alternatives.

Usage: ``python -m bench.transform [--quick]``. The run fails unless each peer's rows, rejects with
their reasons, and duplicates equal ours. ``whole function`` also writes what the peers do not: the
Parquet object, the groups of the COPY object, the report.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import orjson
import polars as pl

from bench.measurement import Case, Measurement, interleaved, print_results, seconds_of
from bench.messages import contract, raw_lines
from bench.peers import duckdb_sql, ours, pandas_frames, plain_python
from bench.peers.result import Transformed, must_agree
from functions.transform.handler import transform as whole_function

KEY = "raw/2026/03/01/bench/batch.n1.ndjson.gz"
POOLS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_NUM_THREADS")
OURS, WHOLE = "telemetry-etl", "telemetry-etl, whole function"


def one_core() -> None:
    """Pins this process to one core where the system can; thread pools are limited anyway."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def compare(subject: str, raw: bytes, *, rounds: int) -> list[Measurement]:
    """Measures all cases on the same raw lines, interleaved."""
    fleet = contract()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = folder / "raw.ndjson"
        lines.write_bytes(raw)
        peers: dict[str, Callable[[], Transformed]] = {
            OURS: lambda: ours.transform(raw, fleet),
            "json loop": lambda: plain_python.transform(raw),
            "orjson loop": lambda: plain_python.transform(raw, orjson.loads),
            "pandas": lambda: pandas_frames.transform(raw),
            "DuckDB": lambda: duckdb_sql.transform(lines, folder),
        }
        expected = peers[OURS]()
        for peer, work in peers.items():
            must_agree(peer, work(), expected)
        rejected = len(expected.reasons())
        readings = pl.read_csv(expected.csv, has_header=False).height
        readings += expected.duplicates + rejected
        cases = [Case(peer, _timed(work), readings) for peer, work in peers.items()]
        cases.append(
            Case(WHOLE, _timed(lambda: whole_function(raw, fleet, KEY, "bench")), readings)
        )
        return interleaved(subject, "readings/s", cases, rounds)


def _timed(work: Callable[[], object]) -> Callable[[], float]:
    return lambda: seconds_of(work)


def main(*, quick: bool) -> None:
    """Measure, and print the results."""
    one_core()
    readings, rounds = (4_000, 1) if quick else (300_000, 5)
    nested = raw_lines(readings, each=20)
    flat = raw_lines(readings // 2, each=1, devices=2000)
    print_results(
        [
            *compare("transform, 20 readings per message", nested, rounds=rounds),
            *compare("transform, 1 reading per message", flat, rounds=rounds),
        ]
    )


if __name__ == "__main__":
    one_thread = dict.fromkeys(POOLS, "1")
    if not one_thread.items() <= os.environ.items():  # libraries read them at import
        command = [sys.executable, "-m", "bench.transform", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **one_thread})
    main(quick="--quick" in sys.argv)
