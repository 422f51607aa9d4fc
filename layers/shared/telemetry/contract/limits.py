"""Limits of a contract's file as such: nothing in it is so large that it can't be reported.

Python writes no whole number of more than 4,300 digits, and follows no nesting of a thousand
levels. With such values refused first, every later message can show what it is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from telemetry.contract.problems import Problem
from telemetry.contract.reader import finite

__all__ = ["beyond_limits", "problem_lines"]

MAX_LEVELS = 10
"""Levels of tables and lists; the contract language needs five."""
MOST_PROBLEMS = 100
"""Most problems that are listed."""
LINE_CHARACTERS = 500
"""Length to which a problem's line is cut in its middle: a value in it may be a whole file."""


def beyond_limits(tables: dict[str, Any]) -> Iterator[Problem]:
    """Numbers beyond all doubles, and values nested too deeply; without recursion."""
    remaining: list[tuple[tuple[str, ...], int, Any]] = [((), 0, tables)]
    while remaining:
        path, level, value = remaining.pop()
        key = ".".join(path)
        if not isinstance(value, dict | list):
            if type(value) is int and not finite(value):
                yield Problem(key, "has a number larger than any double; write one below 1e308")
        elif level >= MAX_LEVELS:
            yield Problem(key, f"is nested in more than {MAX_LEVELS} levels; write it flatter")
        elif isinstance(value, dict):
            remaining += [((*path, name), level + 1, v) for name, v in reversed(value.items())]
        else:
            remaining += [(path, level + 1, v) for v in reversed(value)]


def problem_lines(problems: Sequence[Problem]) -> Iterator[str]:
    """Key and sentence of each problem, up to a number that a person reads."""
    for problem in problems[:MOST_PROBLEMS]:
        line = f"{problem.key}: {problem.sentence}"
        half = LINE_CHARACTERS // 2
        yield line if len(line) <= LINE_CHARACTERS else f"{line[:half]} ... {line[-half:]}"
    if len(problems) > MOST_PROBLEMS:
        yield f"and {len(problems) - MOST_PROBLEMS:,} more problems; correct these first"
