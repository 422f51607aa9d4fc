"""Hypothesis profiles, by HYPOTHESIS_PROFILE: ``dev`` and ``ci`` (few examples) and
``search`` (many).

``make slow`` takes its seed from the commit (``SEED=7 make slow`` another one): a hundred commits with few
examples each find what one run of many does, each costs a hundredth, and a commit that passed passes again.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

_slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile(
    "dev", max_examples=25, deadline=None, suppress_health_check=_slow, print_blob=True
)
settings.register_profile(
    "ci",
    max_examples=40,
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
    """With other examples they are slow tests; the default suite has run those without examples."""
    if os.environ.get("HYPOTHESIS_PROFILE", "dev") != "dev":
        for item in items:
            if Path(__file__).parent in item.path.parents and is_hypothesis_test(item.obj):
                item.add_marker(pytest.mark.slow)
