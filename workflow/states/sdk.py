"""The one place that imports ``stepfunctions``, without its side effects.

The SDK sets the root logger to ERROR, its dependency sagemaker logs where it looked for its own
configuration, and ``pkg_resources`` warns of its end. None of that is for the program that uses it.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = [
    "Catch",
    "Chain",
    "Choice",
    "ChoiceRule",
    "Fail",
    "Graph",
    "LambdaStep",
    "Map",
    "Pass",
    "Retry",
    "State",
    "Succeed",
    "Task",
    "Wait",
    "Workflow",
]


@contextmanager
def _logging_and_warnings_kept() -> Iterator[None]:
    root, noisy = logging.getLogger(), logging.getLogger("sagemaker.config")
    level, handlers, noisy_level = root.level, list(root.handlers), noisy.level
    noisy.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
        noisy.setLevel(noisy_level)


with _logging_and_warnings_kept():
    from stepfunctions.steps import (
        Catch,
        Chain,
        Choice,
        ChoiceRule,
        Fail,
        Graph,
        LambdaStep,
        Map,
        Pass,
        Retry,
        Succeed,
        Task,
        Wait,
    )
    from stepfunctions.steps.states import State
    from stepfunctions.workflow import Workflow
