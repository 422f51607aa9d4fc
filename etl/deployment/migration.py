"""Migrates the database's schema to the contract, by the stack's migrate function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.aws.contract_objects import FURTHER, contract_objects
from etl.aws.invocation import FunctionFailedError, invoke
from etl.aws.s3 import listed
from etl.aws.target import DATABASE_CA_KEY
from infrastructure.settings import DeploySettings
from layers.notify import Notify, silent
from telemetry.errors import DatabaseBusyError, UserError

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_s3 import S3Client

__all__ = ["MigrationError", "publish_contract", "run_migration"]

ATTEMPTS = 3
"""Migrations that wait for a lock, ten seconds each, before the deployment stops."""


class MigrationError(UserError):
    """Raised where the migrate function failed; quotes its error."""


def run_migration(lambda_client: LambdaClient, name: str, notify: Notify = silent) -> list[str]:
    """Invoke the migrate function and return the statements that it ran on the table.

    ``lambda_client`` is :meth:`~etl.aws.target.Target.invoking_client`, which waits: an index on a
    large table takes minutes. A table that another session has locked is tried again. Raises
    :class:`MigrationError` with the function's message.
    """
    _wait_until_updated(lambda_client, name)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            statements: list[str] = invoke(lambda_client, name, {}).get("table", [])
        except FunctionFailedError as error:
            if error.kind != DatabaseBusyError.__name__ or attempt == ATTEMPTS:
                raise MigrationError(f"The migration by {error}") from error
            notify(f"{error.message} Trying again ({attempt + 1} of {ATTEMPTS}).")
        else:
            return statements
    raise AssertionError("unreachable: the last attempt returns or raises")


def _wait_until_updated(lambda_client: LambdaClient, name: str) -> None:
    """Wait until Lambda has made the function ready to run, as it does after CloudFormation is
    done with it. Raises :class:`MigrationError` where it fails, or takes minutes."""
    from botocore.exceptions import WaiterError

    for waiter in ("function_active", "function_updated"):
        try:
            lambda_client.get_waiter(waiter).wait(FunctionName=name)
        except WaiterError as error:
            last = error.last_response
            reason = last.get("LastUpdateStatusReason") or last.get("StateReason") or str(error)
            raise MigrationError(f"The function {name} does not become ready: {reason}") from error


def publish_contract(s3: S3Client, bucket: str, settings: DeploySettings) -> None:
    """Put the contracts in force and their files into the data bucket, with the database's
    authorities if any.

    Every command reads them there. Objects of further contracts that are not in force any more are
    deleted.
    """
    objects = contract_objects(settings.contracts)
    for key, content in objects.items():
        s3.put_object(Bucket=bucket, Key=key, Body=content)
    stale = [one["Key"] for one in listed(s3, bucket, FURTHER) if one["Key"] not in objects]
    for key in stale:
        s3.delete_object(Bucket=bucket, Key=key)
    if settings.database.ca_file is not None:
        body = settings.database.ca_file.read_bytes()
        s3.put_object(Bucket=bucket, Key=DATABASE_CA_KEY, Body=body)
