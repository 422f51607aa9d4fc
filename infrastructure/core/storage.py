"""The customer-managed key and the data bucket, which is the source of truth."""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, Ref, Sub, Tags, Template, kms, s3

from functions.inventory import FunctionSpec
from infrastructure.core.findings import accepted
from infrastructure.core.policies import (
    allow,
    document,
    logs_principal,
    of_this_account,
    only_tls,
    own_arn,
    via,
)
from infrastructure.names import STACK_TAG
from infrastructure.settings import DeploySettings
from workflow.definition import MAP_RESULTS_PREFIX

__all__ = ["ALARMS", "add_storage"]

ACCOUNT = Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")
ALARMS = "cloudwatch:alarm:${AWS::StackName}-*"
"""The alarms of a pipeline, including those of its platform stack."""
KEY_SERVICES = ("s3", "sqs", "sns", "secretsmanager")
KEY_ADMINISTRATION = (
    "CancelKeyDeletion", "CreateAlias", "DeleteAlias", "DescribeKey", "DisableKey",
    "DisableKeyRotation", "EnableKey", "EnableKeyRotation", "GetKeyPolicy", "GetKeyRotationStatus",
    "ListGrants", "ListKeyPolicies", "ListKeyRotations", "ListResourceTags", "PutKeyPolicy",
    "RevokeGrant", "RotateKeyOnDemand", "ScheduleKeyDeletion", "TagResource", "UntagResource",
    "UpdateAlias", "UpdateKeyDescription",
)  # fmt: skip

DAYS_OF_INTERMEDIATES = 7
DAYS_OF_BOOKKEEPING = 90
DAYS_OF_OLD_VERSIONS = 30


def add_storage(template: Template, settings: DeploySettings) -> None:
    """Add key, alias, bucket and bucket policy."""
    policy = "Retain" if settings.retain_data else "Delete"
    template.add_resource(_key(policy, settings.functions))
    template.add_resource(
        kms.Alias(
            "DataKeyAlias",
            AliasName=Sub("alias/${AWS::StackName}"),
            TargetKeyId=Ref("DataKey"),
        )
    )
    template.add_resource(_bucket(policy, settings))
    template.add_resource(
        s3.BucketPolicy(
            "DataBucketPolicy",
            Bucket=Ref("DataBucket"),
            PolicyDocument=document(
                only_tls("s3:*", [GetAtt("DataBucket", "Arn"), Sub("${DataBucket.Arn}/*")])
            ),
        )
    )


def _key(policy: str, functions: tuple[FunctionSpec, ...]) -> kms.Key:
    return kms.Key(
        "DataKey",
        DeletionPolicy=policy,
        UpdateReplacePolicy=policy,
        Description=Sub("Data, queues, logs, alerts and secrets of ${AWS::StackName}"),
        EnableKeyRotation=True,
        Tags=Tags({STACK_TAG: Ref("AWS::StackName")}),
        KeyPolicy=document(_administration(), _use(), _logs(functions), _alarms()),
    )


def _administration() -> dict[str, Any]:
    """Statement that lets the account decide by IAM who administers the key, without using it.

    With ``PutKeyPolicy`` the account can't lock itself out.
    """
    return {
        **allow([f"kms:{action}" for action in KEY_ADMINISTRATION], "*", sid="Administration"),
        "Principal": {"AWS": ACCOUNT},
    }


def _use() -> dict[str, Any]:
    """Statement that lets the account decide by IAM who uses the key, through these services only.

    No one can decrypt with it directly, whatever their permissions are.
    """
    services = {"kms:ViaService": [via(service) for service in KEY_SERVICES]}
    return {
        **allow(
            ["kms:Decrypt", "kms:GenerateDataKey"], "*", sid="UseByServices", StringLike=services
        ),
        "Principal": {"AWS": ACCOUNT},
    }


def _logs(functions: tuple[FunctionSpec, ...]) -> dict[str, Any]:
    """Statement for CloudWatch Logs, limited to the log groups of this stack.

    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html, 2026-11.
    That page's ``Describe*`` has no effect: a description carries no encryption context.)
    """
    groups = [f"/aws/lambda/${{AWS::StackName}}-{spec.name}" for spec in functions]
    groups.append("/aws/vendedlogs/states/${AWS::StackName}")
    actions = ["Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey"]
    context = {
        "kms:EncryptionContext:aws:logs:arn": [own_arn(f"logs:log-group:{g}") for g in groups]
    }
    return {
        **allow(
            [f"kms:{action}" for action in actions],
            "*",
            sid="LogsOfThisStack",
            ArnEquals=context,
        ),
        "Principal": {"Service": logs_principal()},
    }


def _alarms() -> dict[str, Any]:
    """Statement for alarms: they publish to the encrypted topic as CloudWatch, which has no role.

    (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html, read 2026-11.) That page
    recommends the two conditions, and lists EventBridge as a service whose requests don't carry
    them; AWS's Modern Data Architecture Accelerator sets both for alarms. A request that carries
    neither is let through all the same: else a notification would be dropped without a word, and
    the topic's own policy, which AWS documents with these conditions, refuses other alarms before
    the key is asked.
    """
    conditions = {f"{operator}IfExists": keys for operator, keys in of_this_account(ALARMS).items()}
    return {
        **allow(
            ["kms:Decrypt", "kms:GenerateDataKey"],
            "*",
            sid="AlarmsOfThisStack",
            **conditions,
        ),
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
    }


def _bucket(policy: str, settings: DeploySettings) -> s3.Bucket:
    return s3.Bucket(
        "DataBucket",
        DeletionPolicy=policy,
        UpdateReplacePolicy=policy,
        BucketEncryption=s3.BucketEncryption(
            ServerSideEncryptionConfiguration=[
                s3.ServerSideEncryptionRule(
                    BucketKeyEnabled=True,
                    ServerSideEncryptionByDefault=s3.ServerSideEncryptionByDefault(
                        SSEAlgorithm="aws:kms", KMSMasterKeyID=GetAtt("DataKey", "Arn")
                    ),
                )
            ]
        ),
        PublicAccessBlockConfiguration=s3.PublicAccessBlockConfiguration(
            BlockPublicAcls=True,
            BlockPublicPolicy=True,
            IgnorePublicAcls=True,
            RestrictPublicBuckets=True,
        ),
        OwnershipControls=s3.OwnershipControls(
            Rules=[s3.OwnershipControlsRule(ObjectOwnership="BucketOwnerEnforced")]
        ),
        # Everything can be recreated from raw/, so raw/ must survive an accidental deletion: old
        # versions stay for a month. Objects are hardly ever overwritten, so this costs little.
        VersioningConfiguration=s3.VersioningConfiguration(Status="Enabled"),
        LifecycleConfiguration=s3.LifecycleConfiguration(Rules=_lifecycle(settings)),
        Metadata=accepted(
            CKV_AWS_18="The account's CloudTrail data events record who read which object, with "
            "identities and in order; the access logs of S3 have neither."
        ),
    )


def _lifecycle(settings: DeploySettings) -> list[s3.LifecycleRule]:
    # Instant retrieval: a replay must not wait for a restore.
    moves = {"STANDARD_IA": settings.infrequent_access_days, "GLACIER_IR": settings.glacier_days}
    transitions = [_transition(name, days) for name, days in moves.items() if days]
    colder = s3.LifecycleRule(
        Id="MoveRawToColderStorage", Status="Enabled", Prefix="raw/", Transitions=transitions
    )
    expiries = {
        "ExpireClean": ("clean/", settings.clean_days),
        "ExpireRejected": ("rejected/", settings.rejected_days),
    }
    return [
        *([colder] if transitions else []),
        *(_expiry(name, prefix, days) for name, (prefix, days) in expiries.items() if days),
        _expiry("ExpireCopy", "copy/", DAYS_OF_INTERMEDIATES),
        _expiry("ExpireMapResults", f"{MAP_RESULTS_PREFIX}/", DAYS_OF_INTERMEDIATES),
        # Outcomes stay as long as raw/ does: without them an old batch would look like a lost one.
        _expiry("ExpireManifests", "manifests/", DAYS_OF_BOOKKEEPING),
        _expiry("ExpireReceipts", "receipts/", DAYS_OF_BOOKKEEPING),
        s3.LifecycleRule(
            Id="CleanUpUploadsAndVersions",
            Status="Enabled",
            AbortIncompleteMultipartUpload=s3.AbortIncompleteMultipartUpload(DaysAfterInitiation=1),
            NoncurrentVersionExpiration=s3.NoncurrentVersionExpiration(
                NoncurrentDays=DAYS_OF_OLD_VERSIONS
            ),
            ExpiredObjectDeleteMarker=True,
        ),
    ]


def _transition(storage_class: str, days: int) -> s3.LifecycleRuleTransition:
    return s3.LifecycleRuleTransition(StorageClass=storage_class, TransitionInDays=days)


def _expiry(name: str, prefix: str, days: int) -> s3.LifecycleRule:
    fields: dict[str, Any] = {"Id": name, "Status": "Enabled", "Prefix": prefix}
    return s3.LifecycleRule(**fields, ExpirationInDays=days)
