"""The contract: one TOML file that says what a reading is; everything else follows from it.

``load_contract()`` reads the file a function was packaged with, ``parse_contract()`` reads bytes.
Either gives a :class:`Contract` that has passed every rule, or raises one ``ContractError`` that
lists everything wrong with the file. The format is described in ``docs/contract.md``.
"""

from __future__ import annotations

import os
from pathlib import Path

from telemetry.contract.conversions import UNITS_FILE, needs_conversions, with_conversions
from telemetry.contract.files import FILES_FOLDER, with_files
from telemetry.contract.model import Analytics, Checks, Column, Condition, Contract, Metric, Source
from telemetry.contract.parse import parse_contract
from telemetry.errors import ContractError

__all__ = [
    "Analytics",
    "Checks",
    "Column",
    "Condition",
    "Contract",
    "Metric",
    "Source",
    "load_contract",
    "parse_contract",
]


def load_contract(path: Path | None = None) -> Contract:
    """Read and check a contract file; without a path, the one packaged with the function.

    Lambda unpacks a function's zip into ``$LAMBDA_TASK_ROOT``; ``contract.toml`` lies at its root.
    Where a column is converted from another unit, ``units.json`` beside it has the numbers; a
    contract read from a path has none until ``etl.authoring.units`` works them out. The files that
    the contract names lie beside it, and in the function's zip in a folder of their own.
    Raises ``ContractError`` where the file can't be read or breaks a rule.
    """
    where = path or Path(os.environ.get("LAMBDA_TASK_ROOT", ".")) / "contract.toml"
    text = _read(where)
    beside = where.parent if path is not None else where.parent / FILES_FOLDER
    contract = with_files(parse_contract(text, where.name), lambda name: _read(beside / name))
    if path is None and needs_conversions(contract):
        return with_conversions(contract, _read(where.with_name(UNITS_FILE)))
    return contract


def _read(where: Path) -> bytes:
    try:
        return where.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        remedy = "give the path of a contract file"
        if where.suffix != ".toml":
            remedy = "the contract names it, so put it beside the contract"
        raise ContractError(f"{where}: can't be read ({reason}); {remedy}") from error
