"""The contracts in force in the data bucket: their files, and those that they name.

The first one lies right below ``contract/``, each further one in ``contract/further/<name>/``. The
stack's output ``FurtherContracts`` has their names, where there are any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from telemetry.contract import Contract, ContractSet, load_contract, parse_contract
from telemetry.contract.files import with_files

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = ["CONTRACT_KEY", "contract_objects", "deployed_contracts", "further_names"]

CONTRACT_KEY = "contract/contract.toml"
FOLDER = "contract/"
FURTHER = "contract/further/"


def contract_objects(contracts: Sequence[Path]) -> dict[str, bytes]:
    """The objects of the contracts by key, the first one's own the last one.

    Raises ``ContractError``.
    """
    first, *further = contracts
    objects: dict[str, bytes] = {}
    for path in further:
        objects |= _objects(path, f"{FURTHER}{load_contract(path).name}/")
    return objects | _objects(first, FOLDER)


def further_names(outputs: Mapping[str, str]) -> tuple[str, ...]:
    """Names of a stack's further contracts, by its outputs."""
    return tuple(name for name in outputs.get("FurtherContracts", "").split(",") if name)


def deployed_contracts(s3: S3Client, bucket: str, further: Sequence[str] = ()) -> ContractSet:
    """The contracts that the last deployment put into force; ``further``: :func:`further_names`.

    Raises botocore's ``ClientError`` where one is missing, and ``ContractError``.
    """
    folders = (FOLDER, *(f"{FURTHER}{name}/" for name in further))
    return ContractSet.of(_read(s3, bucket, folder) for folder in folders)


def _objects(contract: Path, folder: str) -> dict[str, bytes]:
    files = load_contract(contract).files
    return {f"{folder}{file.name}": file.content for file in files} | {
        f"{folder}contract.toml": contract.read_bytes()
    }


def _read(s3: S3Client, bucket: str, folder: str) -> Contract:
    def read(key: str) -> bytes:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    key = f"{folder}contract.toml"
    contract = parse_contract(read(key), f"s3://{bucket}/{key}")
    return with_files(contract, lambda name: read(f"{folder}{name}"))
