"""What `etl cost` works with still holds: the functions make the calls that were measured."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.linear_fit import fit
from etl.cost.durations import measured_requests, measurements

SLOWER = 10
"""Times that a machine may be slower than the one measured, busy with other tests as it is."""


def test_a_linear_model_is_recovered() -> None:
    sizes = [(10, 10), (100, 100), (10, 500), (100, 5000), (1000, 1000)]
    points = [(m, r, 0.5 + 0.001 * m + 0.0002 * r) for m, r in sizes]
    assert fit(points) == pytest.approx({"call": 0.5, "message": 0.001, "reading": 0.0002})


def test_no_coefficient_is_negative() -> None:
    found = fit([(10, 100, 1.0), (20, 200, 3.0), (40, 400, 7.0)])
    assert min(found.values()) == 0.0


@pytest.mark.slow
def test_the_functions_use_what_was_measured() -> None:
    command = [sys.executable, "-m", "bench.durations", "--quick"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=1200)
    calls = json.loads(done.stdout.splitlines()[-1])
    assert {call["function"] for call in calls} == set(measurements()["functions"])
    for call in calls:
        name, size = call["function"], (call["messages"], call["readings"])
        expected = {o: round(n) for o, n in measured_requests(name, *size).items()}
        assert call["requests"] == expected, (name, size)
        cpu = measurements()["functions"][name]["cpu_seconds"]
        usual = cpu["call"] + cpu["message"] * size[0] + cpu["reading"] * size[1]
        assert call["cpu"] < usual * SLOWER, (name, size)
