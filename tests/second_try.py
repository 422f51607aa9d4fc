"""Runs pytest with the arguments given; files in which a test failed run once more, alone.

Hundreds of these tests wait for real servers, many at a time on two cores. One of them may run out
of its time because of its neighbours, which says nothing of the code, and half an hour of checks
would be lost. So, as CPython's own suite has it (``python -m test --rerun``), a file that failed
runs again once the machine is quiet, and its result is the one that counts.

Nothing is hidden by it: what passed only at the second try is listed last, and is a fault of the
test, or a race of the product, that wants to be repaired. More failed files than a busy machine
makes are not tried again, and the chaos suite, whose faults come at random, never is.

Exit status: pytest's.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

__all__ = ["main"]

MOST_FILES = 3
_OPTIONS_OF_WORKERS = ("-n", "--dist")


class _Failures:
    """Remembers in which files a test, or its fixtures, failed."""

    def __init__(self) -> None:
        self.tests: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and report.nodeid not in self.tests:
            self.tests.append(report.nodeid)

    @property
    def files(self) -> list[str]:
        return list(dict.fromkeys(test.partition("::")[0] for test in self.tests))


def main(arguments: list[str]) -> int:
    """Run pytest, and the failed files again. Returns the exit status."""
    failures = _Failures()
    status = int(pytest.main(arguments, plugins=[failures]))
    if status != pytest.ExitCode.TESTS_FAILED or not 0 < len(failures.files) <= MOST_FILES:
        return status
    print(f"\n==> Once more, alone: {', '.join(failures.files)}", flush=True)
    again = [sys.executable, "-m", "pytest", *_alone(arguments), *failures.files]
    status = subprocess.run(again, check=False).returncode
    if status == pytest.ExitCode.OK:
        print("==> Passed only at the second try, and to be repaired:")
        print("\n".join(f"      {test}" for test in failures.tests), flush=True)
    return status


def _alone(arguments: list[str]) -> list[str]:
    """The arguments without those that spread the tests over several processes."""
    kept, skip = [], False
    for one in arguments:
        if not skip and one not in _OPTIONS_OF_WORKERS:
            kept.append(one)
        skip = one in _OPTIONS_OF_WORKERS
    return kept


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
