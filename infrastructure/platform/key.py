"""The platform's own key, for the database, its secret and snapshots, and the logs.

It is not the core's key, since it has to outlive the stack, as the database's last snapshot does.
"""

from __future__ import annotations

from troposphere import GetAtt, Ref, Sub, Template, kms, logs

from infrastructure.core.policies import GOES_WITH_THE_STACK, document, logs_principal
from infrastructure.platform.conditions import HAS_KEY

__all__ = ["add_key", "log_group"]

LOG_PREFIXES = ("/aws/vpc/", "/aws/rds/instance/", "/aws/rds/proxy/")


def add_key(template: Template) -> None:
    """Add key and alias."""
    template.add_resource(
        kms.Key(
            "PlatformKey",
            Condition=HAS_KEY,
            # A snapshot can't be read without its key.
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            Description=Sub("Database and logs of ${AWS::StackName}"),
            EnableKeyRotation=True,
            KeyPolicy=document(_account(), _own_logs()),
        )
    )
    template.add_resource(
        kms.Alias(
            "PlatformKeyAlias",
            Condition=HAS_KEY,
            AliasName=Sub("alias/${AWS::StackName}"),
            TargetKeyId=Ref("PlatformKey"),
        )
    )


def log_group(title: str, condition: str, name: str) -> logs.LogGroup:
    """A log group that exists before the service writes to it, so that it is encrypted and
    expires."""
    return logs.LogGroup(
        title,
        Condition=condition,
        **GOES_WITH_THE_STACK,
        LogGroupName=Sub(name),
        RetentionInDays=Ref("LogRetentionDays"),
        KmsKeyId=GetAtt("PlatformKey", "Arn"),
    )


def _account() -> dict[str, object]:
    """Statement that lets the account decide by IAM who may use the key and change this policy."""
    return {
        "Sid": "Account",
        "Effect": "Allow",
        "Principal": {"AWS": Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")},
        "Action": "kms:*",
        "Resource": "*",
    }


def _own_logs() -> dict[str, object]:
    group = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:"
    return {
        "Sid": "LogsOfThisStack",
        "Effect": "Allow",
        "Principal": {"Service": logs_principal()},
        "Action": [
            "kms:Encrypt",
            "kms:Decrypt",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
            "kms:GenerateDataKey",
        ],
        "Resource": "*",
        "Condition": {
            "ArnLike": {
                "kms:EncryptionContext:aws:logs:arn": [
                    Sub(f"{group}{prefix}${{AWS::StackName}}*") for prefix in LOG_PREFIXES
                ]
            }
        },
    }
