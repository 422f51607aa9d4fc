"""Writes reproducible zips: the same contents give the same bytes."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

__all__ = ["Entry", "files_below", "unzipped_bytes", "write_zip"]

# The earliest date a zip can hold. Lambda unpacks to read-only folders, dates mean nothing there.
EPOCH = (1980, 1, 1, 0, 0, 0)
READABLE_BY_ALL = 0o100644
UNIX = 3


@dataclass(frozen=True, order=True)
class Entry:
    """One file of a zip: its name inside, and where its bytes are."""

    name: str
    source: Path | bytes

    def read(self) -> bytes:
        """Return the file's bytes."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()


def files_below(folder: Path, prefix: str = "") -> Iterator[Entry]:
    """Yield every file below ``folder`` except compiled Python; names start with ``prefix``."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            yield Entry(prefix + path.relative_to(folder).as_posix(), path)


def write_zip(target: Path, entries: Iterable[Entry], *, level: int = 6) -> None:
    """Write ``target`` atomically; ``level`` is zlib's, 0 to 9.

    Order, dates and permissions don't depend on the machine. Raises ``ValueError`` where two
    entries have the same name.
    """
    ordered = sorted(entries, key=lambda entry: entry.name)
    names = [entry.name for entry in ordered]
    if len(set(names)) != len(names):
        raise ValueError(f"{target.name}: the same name twice in one zip")
    target.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=target.parent, suffix=".part", delete=False) as part:
        try:
            with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
                for entry in ordered:
                    archive.writestr(_info(entry.name), entry.read(), compresslevel=level)
            part.flush()
            os.replace(part.name, target)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise


def unzipped_bytes(path: Path) -> int:
    """Return the bytes of a zip's unzipped contents, as Lambda counts them."""
    with zipfile.ZipFile(path) as archive:
        return sum(info.file_size for info in archive.infolist())


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = READABLE_BY_ALL << 16
    info.create_system = UNIX
    return info
