"""Hypothesis profiles, by HYPOTHESIS_PROFILE: ``dev`` (few examples, the default), ``ci`` (more, and
the same in each run, so that what fails is the change) and ``search`` (many, other ones each time).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

_slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile(
    "dev", max_examples=25, deadline=None, suppress_health_check=_slow, print_blob=True
)
settings.register_profile(
    "ci",
    max_examples=100,
    derandomize=True,
    deadline=None,
    suppress_health_check=_slow,
    print_blob=True,
)
settings.register_profile(
    "search",
    max_examples=2_000,
    derandomize=False,
    deadline=None,
    suppress_health_check=_slow,
    print_blob=True,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.hookimpl(tryfirst=True)  # before the marks are selected by
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With many examples these are slow tests; with few they run in the default suite."""
    if os.environ.get("HYPOTHESIS_PROFILE", "dev") != "dev":
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.slow)
