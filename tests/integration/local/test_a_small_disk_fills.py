"""The disk of the game day: full when it is filled, usable when room is made, gone when closed."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from local.small_disk import SmallDisk, why_none


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    reason = why_none(None)
    if reason:
        pytest.skip(reason)
    one = SmallDisk(None)
    yield one
    one.close()


def test_a_full_disk_refuses_a_write_as_a_real_one_does(disk: SmallDisk) -> None:
    file = disk.folder / "rows"
    disk.fill()
    with pytest.raises(OSError, match="No space left on device") as refused:
        file.write_bytes(b"x" * 8192)
    assert refused.value.errno == errno.ENOSPC
    disk.clear()
    file.write_bytes(b"x" * 8192)
    assert file.read_bytes() == b"x" * 8192


def test_a_closed_disk_leaves_nothing(disk: SmallDisk) -> None:
    (disk.folder / "rows").write_bytes(b"x")
    disk.close()
    assert not disk.folder.exists()
