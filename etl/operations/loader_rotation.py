"""Rotates the loader's login between two roles of PostgreSQL, so that none is ever refused.

One role alone can't change its password without a gap: for a moment, secret and server differ. So
the role that is not in use gets a new password and all permissions, and only then does the secret
name it. Functions that are warm go on with the role of before, which stays as it is until the next
rotation.
"""

from __future__ import annotations

import json
import secrets
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.aws.invocation import FunctionFailedError, invoke
from etl.aws.target import Target
from telemetry.errors import UserError

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

__all__ = ["Rotation", "RotationError", "other_role", "rotate_loader"]

SECOND = "_2"
"""End of the second role's name."""
PASSWORD_CHARACTERS = 40
ALPHABET = string.ascii_letters + string.digits
CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"


class RotationError(UserError):
    """Raised where the new login could not be made; the secret has the old one still."""


@dataclass(frozen=True)
class Rotation:
    """Names of the roles before and after; no password."""

    before: str
    after: str


def other_role(role: str) -> str:
    """Name the other of the two roles."""
    return role.removesuffix(SECOND) if role.endswith(SECOND) else role + SECOND


def rotate_loader(target: Target) -> Rotation:
    """Give the other role a new password, then let the secret name it. Safe to run again.

    Interrupted before the last step it has changed nothing that is in use. Raises
    :class:`RotationError`.
    """
    client, secret = target.client("secretsmanager"), target.outputs["LoaderSecretArn"]
    now = client.get_secret_value(SecretId=secret)
    before = str(json.loads(now["SecretString"])["username"])
    after = other_role(before)
    password = "".join(secrets.choice(ALPHABET) for _ in range(PASSWORD_CHARACTERS))
    pending = client.put_secret_value(
        SecretId=secret,
        SecretString=json.dumps({"username": after, "password": password}),
        VersionStages=[PENDING],
    )["VersionId"]
    try:
        _make_login(target.invoking_client(), target.outputs["MigrateFunctionName"], pending)
        # Secrets Manager keeps the version of before as AWSPREVIOUS.
        client.update_secret_version_stage(
            SecretId=secret,
            VersionStage=CURRENT,
            MoveToVersionId=pending,
            RemoveFromVersionId=now["VersionId"],
        )
    finally:
        client.update_secret_version_stage(
            SecretId=secret, VersionStage=PENDING, RemoveFromVersionId=pending
        )
    return Rotation(before, after)


def _make_login(client: LambdaClient, function: str, version: str) -> None:
    """Let the migrate function create or change this version's login, and log in with it."""
    try:
        invoke(client, function, {"loader_version": version})
    except FunctionFailedError as error:
        raise RotationError(
            f"{error} Nothing in use has changed; try again once the cause is fixed."
        ) from error
