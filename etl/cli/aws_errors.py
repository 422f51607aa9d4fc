"""Messages for errors of AWS that say what to do: no login, an expired login, no permission."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["message_of"]

EXPIRED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "AuthFailure",
    }
)
DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}
)
LOGIN = "With SSO: `aws sso login{profile}`, then run the same command again."


def message_of(error: Exception, profile: str | None = None) -> str | None:
    """The message for an error of boto3; ``None`` for any other error."""
    from botocore.exceptions import BotoCoreError, ClientError

    login = LOGIN.format(profile=f" --profile {profile}" if profile else "")
    if isinstance(error, ClientError):
        return _refused(error, login)
    if not isinstance(error, BotoCoreError):
        return None
    for kinds, sentence in _sentences().items():
        if isinstance(error, kinds):
            return sentence.format(error=error, login=login)
    return f"AWS can't be reached: {error}"


def _sentences() -> dict[tuple[type[Exception], ...], str]:
    """Messages by error classes, the most specific first."""
    from botocore import exceptions as aws

    return {
        (aws.ProfileNotFound,): "{error}. `aws configure list-profiles` lists the profiles.",
        (aws.NoRegionError,): (
            "No region is set: give --region, or set `region` in the settings file or the profile."
        ),
        (aws.SSOError, aws.TokenRetrievalError): (
            "The SSO session has expired, or there is none. {login}"
        ),
        (aws.CredentialRetrievalError,): (
            "The profile's credentials can't be read: {error}. {login}"
        ),
        (aws.NoCredentialsError, aws.PartialCredentialsError): (
            "There are no AWS credentials. Name a profile (--profile), or set AWS_PROFILE or "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. {login}"
        ),
        (aws.EndpointConnectionError, aws.ConnectTimeoutError): (
            "AWS can't be reached: {error} Check the region's name and the network."
        ),
    }


def _refused(error: Any, login: str) -> str:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code in EXPIRED:
        return f"AWS no longer accepts these credentials ({code}). {login}"
    if code in DENIED:
        who = re.search(r"(arn:\S+)", message)
        action = re.search(r"perform: (\S+)", message)
        return (
            f"{who[1] if who else 'Your role'} is not allowed to call "
            f"{action[1] if action else error.operation_name}: {message} docs/deploy.md lists the "
            "permissions that a deployment needs."
        )
    return f"AWS refused {error.operation_name}: {error}"
