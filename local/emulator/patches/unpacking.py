"""AWS Lambda: the folders a function runs from, unpacked once per content.

AWS mounts the function at ``/var/task`` and its layers at ``/opt``, read-only, and gives each
environment a ``/tmp`` of its own. MiniStack 1.5.33 unpacks every archive again for each worker:
234 MB for one that uses polars, left behind when it is killed. Here an archive is unpacked once,
into a folder named by its SHA-256. A small one goes to the emulator's temporary folder, which the
launcher empties; a large one, such as the layer of polars, to a folder that all emulators of this
copy of the project share: to unpack and to compile it takes each new emulator seconds. Remove when
the emulator shares unpacked archives.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
import tempfile
import threading
import zipfile
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

__all__ = ["LARGE", "SHARED", "layer_paths", "runtime_packages", "unpacked"]

_RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
"""Packages of Lambda's Python runtime besides the standard library: boto3 and what it needs."""

LARGE = 4_000_000
"""Bytes from which on an archive is unpacked into the folder that is shared."""
SHARED = "EMULATOR_UNPACKED"
"""Environment variable with that folder; without it nothing is shared."""

_locks: dict[str, threading.Lock] = {}
_locks_guard = threading.Lock()


def unpacked(archive: bytes) -> Path:
    """The folder that holds this zip archive's content; made on first use."""
    digest = _digest(archive)
    folder = _home(archive) / digest
    with _locks_guard:
        lock = _locks.setdefault(digest, threading.Lock())
    with lock:
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            _remove_unfinished(folder.parent)
            fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{os.getpid()}-"))
            try:
                _unpack(archive, fresh)
                fresh.rename(folder)
            except BaseException:
                shutil.rmtree(fresh, ignore_errors=True)
                if not folder.exists():  # otherwise another emulator was faster
                    raise
    return folder


def _home(archive: bytes) -> Path:
    shared = os.environ.get(SHARED)
    if shared and len(archive) >= LARGE and _may_write(Path(shared)):
        return Path(shared)
    return Path(tempfile.gettempdir()) / "unpacked"


def _may_write(folder: Path) -> bool:
    """Tell whether it is ours: in a copy of the project that another user built it may not be."""
    there = folder if folder.exists() else folder.parent
    return os.access(there, os.W_OK)


def _remove_unfinished(home: Path) -> None:
    """Remove what emulators that were killed meanwhile had begun to unpack."""
    for begun in home.glob("*-*"):
        try:
            os.kill(int(begun.name.partition("-")[0]), 0)
        except ProcessLookupError:
            shutil.rmtree(begun, ignore_errors=True)
        except PermissionError:  # it runs, as another user
            continue


@lru_cache(maxsize=64)
def _digest(archive: bytes) -> str:
    """The name of an archive's folder; computed once, for each cold start asks for it."""
    return hashlib.sha256(archive).hexdigest()[:32]


def _unpack(archive: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(archive)) as content:
        for member in content.infolist():
            written = content.extract(member, folder)
            mode = member.external_attr >> 16 & 0o777
            if mode and not member.is_dir():
                os.chmod(written, mode | 0o400)


def layer_paths(layers: list[Path]) -> list[str]:
    """Import path of layers in the order of the function's list.

    AWS unpacks all of them into one ``/opt``, so the last layer that holds a file wins.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found: list[str] = []
    for layer in reversed(layers):
        for inside in (f"python/lib/{version}/site-packages", "python"):
            if (layer / inside).is_dir():
                found.append(str(layer / inside))
    return found


def runtime_packages() -> Path:
    """A folder with links to boto3 and what it needs, and to nothing else of the emulator's."""
    folder = Path(tempfile.gettempdir()) / "runtime"
    with _locks_guard:
        if not folder.exists():
            folder.mkdir()
            for name in _RUNTIME_PACKAGES:
                spec = find_spec(name)
                if spec is None or spec.origin is None:
                    continue
                source = Path(spec.origin)
                target = source.parent if source.name == "__init__.py" else source
                (folder / target.name).symlink_to(target)
    return folder
