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

__all__ = [
    "CONTRACT_KEY",
    "FURTHER",
    "contract_objects",
    "contract_text",
    "contracts_in_force",
    "deployed_contracts",
    "further_names",
]

CONTRACT_KEY = "contract/contract.toml"
FOLDER = "contract/"
FURTHER = "contract/further/"
"""Prefix of the objects of further contracts."""


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


def contracts_in_force(
    s3: S3Client, bucket: str, further: Sequence[str] = ()
) -> ContractSet | None:
    """The contracts whose objects are there; ``None`` where there is none.

    A deployment that stopped half-way leaves a stack whose output names a contract without objects.
    Raises botocore's ``ClientError`` where the bucket can't be read, and ``ContractError``.
    """
    from botocore.exceptions import ClientError

    found = []
    for folder in (FOLDER, *(f"{FURTHER}{name}/" for name in further)):
        try:
            found.append(_read(s3, bucket, folder))
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            if not found:
                return None
    return ContractSet.of(found)


def contract_text(s3: S3Client, bucket: str, name: str | None = None) -> bytes:
    """The file of a further contract in force; ``None``: of the first one.

    Raises botocore's ``ClientError`` where there is none.
    """
    folder = FOLDER if name is None else f"{FURTHER}{name}/"
    return s3.get_object(Bucket=bucket, Key=f"{folder}contract.toml")["Body"].read()


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
