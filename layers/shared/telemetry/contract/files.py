"""Files that a contract names, such as the source of its decoder: they are a part of its version.

They lie beside the contract, and go wherever it goes: into each function's zip and the data bucket.
A contract that is parsed alone lacks them, and has the digest of its text alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace

from telemetry.contract.model import Contract, ContractFile
from telemetry.errors import ContractError

__all__ = [
    "FILES_FOLDER",
    "FILE_BYTES",
    "FURTHER_FOLDER",
    "content_of",
    "file_names",
    "is_file_name",
    "with_files",
]

FILES_FOLDER = "contract"
"""Folder of the files in a function's zip: not at its root, where a file could hide a module."""
FURTHER_FOLDER = "contracts"
"""Folder of a pipeline's further contracts in a function's zip: one folder for each, with its own
:data:`FILES_FOLDER`, named by its place and name, such as ``01-status``."""
FILE_BYTES = 1 << 20
"""Most bytes of one file; every function's zip holds a copy."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def is_file_name(name: str) -> bool:
    """True if this is the plain name of a file, without a folder, that goes anywhere."""
    return _NAME.fullmatch(name) is not None


def file_names(contract: Contract) -> tuple[str, ...]:
    """Names of the files that the contract needs beside it."""
    decoder = None if contract.decoder is None else contract.decoder.file
    return tuple(name for name in (decoder, contract.descriptor) if name is not None)


def with_files(contract: Contract, read: Callable[[str], bytes]) -> Contract:
    """The contract with its files, which ``read`` returns by name, and with the digest of all.

    Raises ``ContractError`` for a file that is too large, and what ``read`` raises.
    """
    files = tuple(ContractFile(name, read(name)) for name in file_names(contract))
    if not files:
        return contract
    digest = hashlib.sha256(contract.digest.encode())
    for name, content in files:
        if len(content) > FILE_BYTES:
            raise ContractError(
                f"{name}: {len(content):,} bytes; a file of a contract has {FILE_BYTES:,} at most"
            )
        digest.update(f"\0{name}\0".encode() + hashlib.sha256(content).digest())
    return replace(contract, files=files, digest=digest.hexdigest()[:16])


def content_of(contract: Contract, name: str) -> bytes:
    """The content of one of the contract's files.

    Raises ``ContractError`` where the contract was parsed without its files.
    """
    for file in contract.files:
        if file.name == name:
            return file.content
    raise ContractError(f"{contract.name}: the contract was read without its file {name}")
