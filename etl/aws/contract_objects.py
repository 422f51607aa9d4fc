"""The contract in force in the data bucket: its file, and those that it names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from telemetry.contract import Contract, load_contract, parse_contract
from telemetry.contract.files import with_files

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = ["CONTRACT_KEY", "contract_objects", "deployed_contract"]

CONTRACT_KEY = "contract/contract.toml"
FOLDER = "contract/"


def contract_objects(contract: Path) -> dict[str, bytes]:
    """The objects of a contract by key, its own the last one. Raises ``ContractError``."""
    files = load_contract(contract).files
    return {f"{FOLDER}{file.name}": file.content for file in files} | {
        CONTRACT_KEY: contract.read_bytes()
    }


def deployed_contract(s3: S3Client, bucket: str) -> Contract:
    """The contract that the last deployment put into force.

    Raises botocore's ``ClientError`` where there is none, and ``ContractError``.
    """

    def read(key: str) -> bytes:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    contract = parse_contract(read(CONTRACT_KEY), f"s3://{bucket}/{CONTRACT_KEY}")
    return with_files(contract, lambda name: read(f"{FOLDER}{name}"))
