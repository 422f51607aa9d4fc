"""A failed batch of an execution counts, however many batches of the same loop come before it."""

from __future__ import annotations

from typing import Any

import pytest

from etl.operations import failed_executions
from etl.operations.failed_executions import MOST_FOLDERS, unprocessed_batches
from telemetry.manifest import Item


class Staged:
    """A batch, by its key."""

    def __init__(self, key: str) -> None:
        self.settled = "failed" not in key


@pytest.fixture
def manifest(monkeypatch: pytest.MonkeyPatch) -> list[Item]:
    items: list[Item] = []
    monkeypatch.setattr(failed_executions, "manifest_of", lambda *_: items)

    def staged(_: Any, keys: list[str]) -> list[Staged]:
        assert len({key.rpartition("/")[0] for key in keys}) <= MOST_FOLDERS
        return [Staged(key) for key in keys]

    monkeypatch.setattr(failed_executions, "batches_of", staged)
    return items


def found() -> dict[str, int]:
    target: Any = None
    return unprocessed_batches(target, iter(["loop"]), 5)


def test_the_last_of_hundreds_of_one_loop_counts(manifest: list[Item]) -> None:
    manifest += [Item(f"raw/2026/11/23/loop/d{number:04d}", 1) for number in range(2_000)]
    manifest.append(Item("raw/2026/11/23/loop/d2000-failed", 1))
    assert found() == {"loop": 1}


def test_few_of_thousands_of_folders_are_listed(manifest: list[Item]) -> None:
    manifest += [Item(f"raw/2026/11/23/e{number:04d}/failed", 1) for number in range(2_000)]
    assert found() == {"loop": MOST_FOLDERS}
