"""Saves a contract as ``contracts/NAME.toml``; an existing file is replaced only on request."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Literal

from etl.project import find_project
from telemetry.errors import UserError

__all__ = [
    "LONGEST_NAME",
    "ContractFileError",
    "can_save",
    "contract_path",
    "contracts_folder",
    "save",
]

FOLDER_NAME = "contracts"
"""Folder of contracts, in the project or else where ``etl dashboard`` was started."""
LONGEST_NAME = 64
MOST_BYTES = 1000 * 1000
"""Most bytes of a contract."""
NAME = re.compile(rf"[a-z0-9][a-z0-9_-]{{0,{LONGEST_NAME - 1}}}")
Outcome = Literal["saved", "exists", "unchanged"]


class ContractFileError(UserError):
    """Raised for a name that is not valid, and where the file can't be written."""


def contracts_folder() -> Path:
    """The folder that contracts are saved in, relative to the working directory."""
    project = find_project()
    return (project.folder if project else Path()) / FOLDER_NAME


def can_save(folder: Path | None = None) -> bool:
    """True where the folder, by default that of contracts, exists and can be written to."""
    folder = folder or contracts_folder()
    return folder.is_dir() and os.access(folder, os.W_OK)


def contract_path(name: str, folder: Path | None = None) -> Path:
    """The file of the contract with this name. Raises :class:`ContractFileError`."""
    stem = name.strip().removesuffix(".toml")
    if not NAME.fullmatch(stem):
        raise ContractFileError(
            f"Not a valid name: use 1 to {LONGEST_NAME} lower-case letters, digits, - and _, "
            "beginning with a letter or digit."
        )
    return (folder or contracts_folder()) / f"{stem}.toml"


def save(path: Path, text: str, *, replace: bool) -> Outcome:
    """Write the file, unless it exists and ``replace`` is false.

    Raises :class:`ContractFileError` where it can't be written.
    """
    content = text.encode("utf-8", "backslashreplace")
    try:
        if replace:
            _replace(path, content)
            return "saved"
        try:
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:
            return "unchanged" if path.is_file() and path.read_bytes() == content else "exists"
    except OSError as error:
        raise ContractFileError(
            f"{path} can't be written ({error.strerror or type(error).__name__}): download the "
            "contract instead."
        ) from error
    return "saved"


def _replace(path: Path, content: bytes) -> None:
    """Writes beside the file and renames, so that it is never half written."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
