"""Migrates the database's schema to the contract, by the stack's migrate function."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from etl.aws.target import CONTRACT_KEY, DATABASE_CA_KEY
from infrastructure.settings import DeploySettings
from telemetry.errors import UserError

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_s3 import S3Client

__all__ = ["MigrationError", "publish_contract", "run_migration"]


class MigrationError(UserError):
    """Raised where the stack is deployed but its migrate function failed; quotes its error."""


def run_migration(lambda_client: LambdaClient, name: str) -> list[str]:
    """Invoke the migrate function and return the statements that it ran on the table.

    ``lambda_client`` is :meth:`~etl.aws.target.Target.invoking_client`, which waits: an index on a
    large table takes minutes. Raises :class:`MigrationError` with the function's message.
    """
    answer = lambda_client.invoke(FunctionName=name, Payload=b"{}")
    payload = json.loads(answer["Payload"].read() or b"null")
    if answer.get("FunctionError"):
        error = payload if isinstance(payload, dict) else {"errorMessage": str(payload)}
        raise MigrationError(
            f"The stack is deployed, but {name} failed with {error.get('errorType', 'an error')}: "
            f"{error.get('errorMessage', '')}\nFix the cause and deploy again; that changes "
            "nothing else."
        )
    statements: list[str] = (payload or {}).get("table", [])
    return statements


def publish_contract(s3: S3Client, bucket: str, settings: DeploySettings) -> None:
    """Put the contract in force into the data bucket, with the database's authorities if any.

    Every command reads them there.
    """
    s3.put_object(Bucket=bucket, Key=CONTRACT_KEY, Body=settings.contract.read_bytes())
    if settings.database.ca_file is not None:
        body = settings.database.ca_file.read_bytes()
        s3.put_object(Bucket=bucket, Key=DATABASE_CA_KEY, Body=body)
