"""Snapshots of the state that take milliseconds: layers lie beside them, unchanged ones stay.

MiniStack 1.5.33 keeps the code of a function in a file named by its SHA-256, but the zip of a layer
as base64 within ``lambda.json``: 90 MB for the layers of one pipeline, which each change of a
function writes again and each start parses. It also writes every service's state, changed or not,
with Python's own JSON encoder, which is several times slower than the one in C. Here a layer's zip
is a file as a function's is, and a snapshot equal to the last one is not written. Snapshots in
MiniStack's form are still read. Remove when MiniStack keeps layers as files.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ministack.core import persistence
from ministack.services import lambda_svc

__all__ = ["RELIES_ON", "apply"]

RELIES_ON = (
    "core.persistence.STATE_DIR", "core.persistence._json_default",
    "core.persistence._state_format_version", "core.persistence.save_state",
    "services.lambda_svc.CODE_BLOB_DIR", "services.lambda_svc._BLOB_REF_KEY",
    "services.lambda_svc._layers._data", "services.lambda_svc._prune_orphan_code_blobs",
    "services.lambda_svc._read_code_blob", "services.lambda_svc._restore_state",
    "services.lambda_svc._write_code_blob", "services.lambda_svc.get_state",
)  # fmt: skip

Document = dict[str, Any]

_log = logging.getLogger("emulator.persistence")
_written: dict[str, bytes] = {}
"""Digest of each service's snapshot as last written."""


def apply() -> None:
    """Write layers as files, and only the snapshots that differ from the last ones."""
    persistence.save_state = _save_state
    restore, get_state = lambda_svc._restore_state, lambda_svc.get_state
    prune = lambda_svc._prune_orphan_code_blobs

    def restore_state(data: Any) -> None:
        for version in _versions((data or {}).get("layers", {})):
            kept = version.get("_zip_data")
            if isinstance(kept, dict):
                digest = kept[lambda_svc._BLOB_REF_KEY]
                version["_zip_data"] = lambda_svc._read_code_blob(digest)
        restore(data)

    def state() -> Document:
        answer: Document = get_state()
        for version in _versions(answer["layers"]):
            if version.get("_zip_data"):
                version["_zip_data"] = {lambda_svc._BLOB_REF_KEY: _kept(version)}
        return answer

    def prune_unused(used: set[str]) -> None:
        layers = {_digest(one) for one in _versions(lambda_svc._layers) if one.get("_zip_data")}
        prune(used | layers)

    lambda_svc._restore_state, lambda_svc.get_state = restore_state, state
    lambda_svc._prune_orphan_code_blobs = prune_unused


def _versions(layers: Any) -> Iterator[Document]:
    """Every version of every layer, of all accounts and regions."""
    for layer in list(getattr(layers, "_data", layers).values()):
        yield from list(layer.get("versions", ()))


def _digest(version: Document) -> str:
    """SHA-256 of a layer's zip, in hexadecimal, as MiniStack has noted it."""
    noted = version.get("Content", {}).get("CodeSha256")
    if noted:
        return base64.b64decode(noted).hex()
    return hashlib.sha256(version["_zip_data"]).hexdigest()


def _kept(version: Document) -> str:
    """Write a layer's zip where it is not on disk yet; return its digest."""
    digest = _digest(version)
    if not (Path(lambda_svc.CODE_BLOB_DIR) / f"{digest}.zip").exists():
        lambda_svc._write_code_blob(version["_zip_data"])
    return digest


def _save_state(service: str, data: Any) -> None:
    """Write one service's snapshot at once; a full disk is logged, as MiniStack does."""
    content = {
        "__ministack_format__": persistence._state_format_version(service),
        "payload": data,
    }
    file = Path(persistence.STATE_DIR) / f"{service}.json"
    fresh = file.with_name(f"{file.name}.tmp")
    try:
        text = json.dumps(content, default=persistence._json_default).encode()
        digest = hashlib.sha256(text).digest()
        if _written.get(service) == digest:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(text)
        os.replace(fresh, file)
        _written[service] = digest
    except Exception:
        fresh.unlink(missing_ok=True)
        _log.exception("The state of %s can't be written", service)
