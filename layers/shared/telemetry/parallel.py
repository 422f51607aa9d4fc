"""Calls of AWS at the same time: nearly all of each is waiting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

__all__ = ["run_in_parallel"]

MOST_THREADS = 8


def run_in_parallel(calls: Sequence[Callable[[], object]]) -> None:
    """Makes the calls at the same time, in threads of their own; returns once all have ended.

    Where some fail, the others are made to their end all the same, and the error of the first of
    them, in the order given, is raised. A call must open no step of the trace, which belongs to the
    thread of the invocation.
    """
    if len(calls) < 2:  # not worth a thread
        for call in calls:
            call()
        return
    with ThreadPoolExecutor(min(len(calls), MOST_THREADS), "parallel") as pool:
        made = [pool.submit(call) for call in calls]
        wait(made)
    for one in made:
        one.result()
