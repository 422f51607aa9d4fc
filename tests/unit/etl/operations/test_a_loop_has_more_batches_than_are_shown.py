"""A failed batch of an execution counts, however many batches of the same loop come before it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dashboard.sources import executions
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


def test_the_control_room_shows_it_first(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [Item(f"raw/2026/11/23/loop/d{number:04d}", 1) for number in range(300)]
    items.append(Item("raw/2026/11/23/loop/d0300-failed", 1))

    def staged(_: Any, keys: list[str]) -> list[Any]:
        return [
            SimpleNamespace(
                key=key,
                raw=SimpleNamespace(batch_id=key[-8:]),
                outcomes=[
                    SimpleNamespace(
                        execution="loop", status="failed" if "failed" in key else "loaded"
                    )
                ],
            )
            for key in keys
        ]

    found = SimpleNamespace(name="loop", status="FAILED")
    monkeypatch.setattr(executions, "describe", lambda *_: found)
    monkeypatch.setattr(executions, "execution_arn", lambda *_: "")
    monkeypatch.setattr(executions, "manifest_of", lambda *_: list(items))
    monkeypatch.setattr(executions.staged_batches, "batches_of", staged)
    monkeypatch.setattr(executions, "_rows", lambda *_: {})
    monkeypatch.setattr(executions, "_failure", lambda *_: {"error": "Lost"})
    pipeline: Any = SimpleNamespace(target=None)
    detail = executions.detail(pipeline, "loop")
    assert (detail.total, len(detail.batches)) == (301, executions.MOST_BATCHES)
    assert [one.item.key for one in detail.failed] == [items[-1].key]
