"""The customer-managed key and the data bucket, which is the source of truth."""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, Ref, Sub, Template, kms, s3

from workflow.definition import MAP_RESULTS_PREFIX
from workflow.template.policies import document, for_alarms_of_this_stack, only_tls

__all__ = ["add_storage"]

DAYS_OF_INTERMEDIATES = 7
DAYS_TO_INFREQUENT = 30
DAYS_TO_GLACIER = 90
DAYS_OF_BOOKKEEPING = 90
DAYS_OF_OLD_VERSIONS = 30


def add_storage(template: Template, *, retain: bool) -> None:
    """Key, alias, bucket and bucket policy. ``retain`` keeps key and bucket beyond the stack."""
    policy = "Retain" if retain else "Delete"
    template.add_resource(_key(policy))
    template.add_resource(
        kms.Alias(
            "DataKeyAlias",
            AliasName=Sub("alias/${AWS::StackName}"),
            TargetKeyId=Ref("DataKey"),
        )
    )
    template.add_resource(_bucket(policy))
    template.add_resource(
        s3.BucketPolicy(
            "DataBucketPolicy",
            Bucket=Ref("DataBucket"),
            PolicyDocument=document(
                only_tls("s3:*", [GetAtt("DataBucket", "Arn"), Sub("${DataBucket.Arn}/*")])
            ),
        )
    )


def _key(policy: str) -> kms.Key:
    return kms.Key(
        "DataKey",
        DeletionPolicy=policy,
        UpdateReplacePolicy=policy,
        Description=Sub("Data, logs, alerts and secrets of ${AWS::StackName}"),
        EnableKeyRotation=True,
        KeyPolicy=document(
            # The account decides by IAM who may use the key; without this statement nobody could,
            # nor could anybody ever change this policy.
            {
                "Sid": "Account",
                "Effect": "Allow",
                "Principal": {"AWS": Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")},
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Sid": "LogsOfThisStack",
                "Effect": "Allow",
                "Principal": {"Service": Sub("logs.${AWS::Region}.amazonaws.com")},
                "Action": [
                    "kms:Encrypt",
                    "kms:Decrypt",
                    "kms:ReEncryptFrom",
                    "kms:ReEncryptTo",
                    "kms:GenerateDataKey",
                    "kms:DescribeKey",
                ],
                "Resource": "*",
                "Condition": {
                    "ArnLike": {
                        "kms:EncryptionContext:aws:logs:arn": Sub(
                            "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:"
                            "log-group:*${AWS::StackName}*"
                        )
                    }
                },
            },
            # The topic that alarms tell is encrypted with this key
            # (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html, read 2026-11).
            {
                "Sid": "AlarmsOfThisStack",
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                "Resource": "*",
                "Condition": for_alarms_of_this_stack(),
            },
        ),
    )


def _bucket(policy: str) -> s3.Bucket:
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
        # Everything can be made again from raw/, so raw/ must survive a slip of the hand: old
        # versions stay for a month. Objects are hardly ever overwritten, so this costs little.
        VersioningConfiguration=s3.VersioningConfiguration(Status="Enabled"),
        LifecycleConfiguration=s3.LifecycleConfiguration(Rules=_lifecycle()),
    )


def _lifecycle() -> list[s3.LifecycleRule]:
    return [
        s3.LifecycleRule(
            Id="RawGrowsCold",
            Status="Enabled",
            Prefix="raw/",
            Transitions=[
                _transition("STANDARD_IA", DAYS_TO_INFREQUENT),
                # Instant retrieval: a replay must not wait for a restore.
                _transition("GLACIER_IR", DAYS_TO_GLACIER),
            ],
        ),
        _expiry("CopyIsMadeAgain", "copy/", DAYS_OF_INTERMEDIATES),
        _expiry("MapResultsAreUnread", f"{MAP_RESULTS_PREFIX}/", DAYS_OF_INTERMEDIATES),
        # Outcomes stay as long as raw/ does: without them an old batch would look like a lost one.
        _expiry("ManifestsAreDealtWith", "manifests/", DAYS_OF_BOOKKEEPING),
        _expiry("ReceiptsAreReconciled", "receipts/", DAYS_OF_BOOKKEEPING),
        s3.LifecycleRule(
            Id="NothingHalfDone",
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
