"""A bench that compares different work says nothing: the peers come to our result, to the letter."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bench.measurement import Measurement, parse_results

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("BENCH_PYTHON", ROOT / ".bench-venv" / "bin" / "python"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="no .bench-venv: run `make .bench-venv/.done`"),
]


def quick(subject: str) -> list[Measurement]:
    search = os.pathsep.join(str(part) for part in (ROOT, ROOT / "layers" / "shared"))
    done = subprocess.run(
        [str(PYTHON), "-m", f"bench.{subject}", "--quick"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": search},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return parse_results(done.stdout)


def test_every_way_to_transform_gives_the_same_rows_rejects_and_duplicates() -> None:
    names = {one.name for one in quick("transform")}
    assert {"json loop", "orjson loop", "pandas", "DuckDB"} < names


def test_every_way_to_load_leaves_the_rows_it_was_given() -> None:
    names = {one.name for one in quick("load")}
    assert {"psql copy", "ADBC", "execute_values", "pandas to_sql", "awswrangler"} < names


def test_dlt_ends_with_as_many_rows() -> None:
    names = {one.name for one in quick("end_to_end")}
    assert names == {"telemetry-etl", "dlt merge", "dlt merge, Arrow"}


def test_successive_batches_end_with_the_rows_that_psql_copies() -> None:
    names = {one.name for one in quick("raw_to_rows")}
    both = ("one at a time", "two in parallel")
    assert names == {f"{who}, {how}" for who in ("telemetry-etl", "psql copy") for how in both}
