"""Reads for which processor and Python the compiled modules of a layer's zip were built."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from layers.target import Architecture, RuntimeTarget

__all__ = ["binary_problems"]

MACHINES: dict[int, Architecture] = {0x3E: "x86_64", 0xB7: "arm64"}
"""``e_machine`` of an ELF header, by its registered numbers (https://refspecs.linuxfoundation.org/)."""
ELF = b"\x7fELF"
HEADER_BYTES = 20
TAG = re.compile(r"\.cpython-3(\d+)-")
"""Tag of a module that is built for one version of Python; others (``abi3``) fit every version."""


def binary_problems(layer: Path, target: RuntimeTarget) -> Iterator[str]:
    """Yield a sentence for each module that functions with this target can't import."""
    with zipfile.ZipFile(layer) as archive:
        for name in archive.namelist():
            if ".so" not in Path(name).name:
                continue
            with archive.open(name) as file:
                header = file.read(HEADER_BYTES)
            is_linux = header.startswith(ELF)
            machine = MACHINES.get(int.from_bytes(header[18:20], "little")) if is_linux else None
            # A stand-in runs on this machine, which may not be Linux.
            if machine != target.architecture and (is_linux or not target.host):
                yield f"{name} is built for {machine or 'another system'}"
            version = TAG.search(name)
            if version and f"3.{version[1]}" != target.python:
                yield f"{name} is built for Python 3.{version[1]}"
