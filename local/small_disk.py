"""A disk of a megabyte for PostgreSQL, without root: a file system in a namespace of its own.

``unshare`` gives an ordinary user a user and a mount namespace, in which it may mount a ``tmpfs``.
From outside the file system is reached below ``/proc/PID/root``, by the same user. It lives as long
as the process that mounted it, which ends with the one that started it. Where namespaces are
switched off, as in many containers, there is no such disk: a limit on the size of files
(``RLIMIT_FSIZE``) would be another error (EFBIG) than a full disk (ENOSPC).
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from local.ordinary_user import ordinary_user

__all__ = ["SmallDisk", "owner_of_cluster", "why_none"]

_MOUNT = "mount -t tmpfs -o size=1m,mode=0700 tmpfs /mnt && mkdir /mnt/space"
_SECONDS = 60.0


class SmallDisk:
    """The file system, mounted while the object is open."""

    def __init__(self, user: tuple[int, int] | None) -> None:
        self._user = user
        # `cat` ends with the pipe, and so with this process, however that ends.
        self._process = subprocess.Popen(
            _command(f"{_MOUNT} && echo mounted && exec cat"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            user=user and user[0],
            group=user and user[1],
        )
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        if self._process.stdout.readline() != b"mounted\n":
            self.close()
            raise OSError("no file system can be mounted in a namespace here")
        self.folder = Path(f"/proc/{self._process.pid}/root/mnt/space")

    @property
    def ballast(self) -> Path:
        """The file that fills the disk."""
        return self.folder.parent / "ballast"

    def fill(self) -> None:
        """Fill the disk to the last block."""
        self._run(f"cat /dev/zero > '{self.ballast}'")

    def clear(self) -> None:
        """Make room again."""
        self._run(f"rm -f '{self.ballast}'")

    def _run(self, script: str) -> None:
        subprocess.run(
            ["sh", "-c", script],
            cwd="/",
            check=False,
            capture_output=True,
            user=self._user and self._user[0],
            group=self._user and self._user[1],
        )

    def close(self) -> None:
        """End the process, and the file system with it."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.close()
        self._process.wait(_SECONDS)
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        self._process.stdout.close()


def owner_of_cluster(state: Path | None = None) -> tuple[int, int] | None:
    """User and group id that PostgreSQL runs as; ``None`` where that is this process's own.

    Without a state folder: that a new cluster would belong to.
    """
    if os.geteuid() != 0:
        return None
    data = state / "postgres" / "data" if state is not None else None
    if data is not None and data.exists():
        return data.stat().st_uid, data.stat().st_gid
    return ordinary_user()


def why_none(user: tuple[int, int] | None) -> str:
    """Say why there can't be such a disk here; empty where there can."""
    try:
        done = subprocess.run(
            _command(_MOUNT),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            user=user and user[0],
            group=user and user[1],
        )
    except FileNotFoundError:
        return "there is no `unshare` (Linux alone has it, in util-linux)"
    if done.returncode:
        return f"user namespaces are switched off ({done.stderr.strip()})"
    return ""


def _command(script: str) -> list[str]:
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
