"""The contract: one TOML file that says what a reading is; everything else follows from it.

``load_contracts()`` reads the files a function was packaged with, ``load_contract()`` one file,
``parse_contract()`` bytes. Each gives a :class:`Contract` that has passed every rule, or raises one
``ContractError`` that lists everything wrong with the file. The format is described in
``docs/contract.md``.
"""

from __future__ import annotations

import os
from pathlib import Path

from telemetry.contract.contract_set import NO_CONTRACT, ContractSet
from telemetry.contract.conversions import UNITS_FILE, needs_conversions, with_conversions
from telemetry.contract.files import FILES_FOLDER, FURTHER_FOLDER, with_files
from telemetry.contract.model import Analytics, Checks, Column, Condition, Contract, Metric, Source
from telemetry.contract.parse import parse_contract
from telemetry.errors import ContractError

__all__ = [
    "NO_CONTRACT",
    "Analytics",
    "Checks",
    "Column",
    "Condition",
    "Contract",
    "ContractSet",
    "Metric",
    "Source",
    "load_contract",
    "load_contracts",
    "parse_contract",
]


def load_contract(path: Path) -> Contract:
    """Read and check a contract file; the files that it names lie beside it.

    Its columns have no unit conversions until ``etl.authoring.units`` works them out. Raises
    ``ContractError`` where the file can't be read or breaks a rule.
    """
    return _with_files(path, path.parent)


def load_contracts() -> ContractSet:
    """The contracts packaged with the function, in the order of the settings.

    Lambda unpacks a function's zip into ``$LAMBDA_TASK_ROOT``; ``contract.toml`` lies at its root,
    each further one in ``contracts/<place>-<name>/``. ``units.json`` beside one has the numbers
    where a column is converted from another unit; the files that a contract names lie in a folder
    of their own. Raises ``ContractError``.
    """
    root = Path(os.environ.get("LAMBDA_TASK_ROOT", "."))
    return ContractSet.of(_packaged(folder) for folder in (root, *_further(root)))


def _further(root: Path) -> list[Path]:
    folder = root / FURTHER_FOLDER
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _packaged(folder: Path) -> Contract:
    contract = _with_files(folder / "contract.toml", folder / FILES_FOLDER)
    if needs_conversions(contract):
        return with_conversions(contract, _read(folder / UNITS_FILE))
    return contract


def _with_files(where: Path, beside: Path) -> Contract:
    parsed = parse_contract(_read(where), where.name)
    return with_files(parsed, lambda name: _read(beside / name))


def _read(where: Path) -> bytes:
    try:
        return where.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        remedy = "give the path of a contract file"
        if where.suffix != ".toml":
            remedy = "the contract names it, so put it beside the contract"
        raise ContractError(f"{where}: can't be read ({reason}); {remedy}") from error
