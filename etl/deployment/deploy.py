"""Ships a pipeline: artifacts, stack, schema. Takes it down again.

:func:`etl.deployment.stack_build.plan_deployment` decides, this module acts: it uploads what is
missing, applies the template by a change set, and has the migrate function bring the database's
schema up to the contract, a copy of which it then leaves in the data bucket: what lies there is in
force. Repeating a deployment is safe and changes nothing. Nothing is printed; ``told`` gets one
line for each phase.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from etl.aws.cloudformation import StackRequest, apply_stack, outputs
from etl.aws.s3 import listed
from etl.aws.target import CONTRACT_KEY, DATABASE_CA_KEY
from etl.deployment.stack_build import DeploymentPlan, plan_deployment
from infrastructure.settings import DeploySettings
from layers.build import BUILD_FOLDER
from telemetry.errors import UserError

__all__ = [
    "MigrationError",
    "deploy",
    "leave_contract",
    "present_keys",
    "run_migration",
    "stack_request",
    "upload",
]

Told = Callable[[str], None]


class MigrationError(UserError):
    """Raised when the stack is there but the migrate function failed; says what it said."""


def _silent(_: str) -> None:
    """Tell nobody."""


def deploy(
    session: Any,
    settings: DeploySettings,
    told: Told = _silent,
    *,
    endpoint_url: str | None = None,
    migrate: bool = True,
    folder: Path = BUILD_FOLDER,
) -> dict[str, str]:
    """Create or update a pipeline; returns the stack's outputs.

    ``session`` is a boto3 session; ``endpoint_url`` sends its calls elsewhere than AWS. ``migrate``
    can be left out where the database is someone else's. Raises what ``plan_deployment`` raises,
    ``StackError`` and :class:`MigrationError`.
    """

    def client(service: str) -> Any:
        return session.client(service, endpoint_url=endpoint_url)

    account = client("sts").get_caller_identity()["Account"]
    told("packaging functions and layers")
    plan = plan_deployment(
        settings, account=account, region=session.region_name, folder=folder, progress=told
    )
    s3 = client("s3")
    upload(s3, plan, session.region_name, told)
    told(f"applying the template to stack {plan.stack}")
    formation = client("cloudformation")
    outcome = apply_stack(formation, stack_request(s3, plan), told)
    told(f"stack {plan.stack} {outcome}")
    found = outputs(formation, plan.stack)
    if migrate:
        told("bringing the schema up to the contract")
        run_migration(client("lambda"), found["MigrateFunctionName"])
    leave_contract(s3, found["DataBucketName"], settings)
    return found


def leave_contract(s3: Any, bucket: str, settings: DeploySettings) -> None:
    """Put the contract in force, and what the database is verified with, where commands look."""
    s3.put_object(Bucket=bucket, Key=CONTRACT_KEY, Body=settings.contract.read_bytes())
    if settings.database.ca_file is not None:
        body = settings.database.ca_file.read_bytes()
        s3.put_object(Bucket=bucket, Key=DATABASE_CA_KEY, Body=body)


def upload(
    s3: Any,
    plan: DeploymentPlan,
    region: str,
    told: Told = _silent,
    sent: Callable[[int], None] = lambda _: None,
) -> None:
    """Put into the artifact bucket what is not there yet; ``sent`` gets bytes as they go."""
    ensure_artifact_bucket(s3, plan.artifact_bucket, region)
    present = present_keys(s3, plan.artifact_bucket)
    missing = plan.missing(present)
    if missing:
        size = sum(path.stat().st_size for path in missing.values())
        told(f"uploading {len(missing)} zips, {size / 1e6:.1f} MB")
    for key, path in missing.items():
        s3.upload_file(str(path), plan.artifact_bucket, key, Callback=sent)
    if not plan.template_fits_request and plan.template_key not in present:
        s3.put_object(
            Bucket=plan.artifact_bucket, Key=plan.template_key, Body=plan.template.encode()
        )


def present_keys(s3: Any, bucket: str) -> set[str]:
    """What the artifact bucket holds; nothing where there is no such bucket."""
    from botocore.exceptions import ClientError

    try:
        return {item["Key"] for item in listed(s3, bucket, "")}
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            return set()
        raise


def ensure_artifact_bucket(s3: Any, bucket: str, region: str) -> None:
    """Create the bucket where it is missing: encrypted, never public, TLS only.

    Zips are not expired: a rollback needs the ones before.
    """
    from botocore.exceptions import ClientError

    try:
        s3.head_bucket(Bucket=bucket)
        return
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
    # us-east-1 is the one region that S3 refuses to hear by name.
    where = {} if region == "us-east-1" else {"LocationConstraint": region}
    s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": where} if where else {}))
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(_tls_only(bucket)))


def _tls_only(bucket: str) -> dict[str, Any]:
    arn = f"arn:aws:s3:::{bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OnlyTls",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, f"{arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }


def stack_request(s3: Any, plan: DeploymentPlan) -> StackRequest:
    """The plan as CloudFormation takes it; a large template by its address in the bucket."""
    url = f"{s3.meta.endpoint_url}/{plan.artifact_bucket}/{plan.template_key}"
    body = {"TemplateBody": plan.template}
    return StackRequest(
        stack=plan.stack,
        template=body if plan.template_fits_request else {"TemplateURL": url},
        parameters=plan.parameters,
        tags=plan.tags,
        resources=len(json.loads(plan.template)["Resources"]),
        role=plan.role,
    )


def run_migration(functions: Any, name: str) -> list[str]:
    """Invoke the migrate function; the statements that it ran on the table.

    Raises :class:`MigrationError` with its message.
    """
    answer = functions.invoke(FunctionName=name, Payload=b"{}")
    payload = json.loads(answer["Payload"].read() or b"null")
    if answer.get("FunctionError"):
        said = payload if isinstance(payload, dict) else {"errorMessage": str(payload)}
        raise MigrationError(
            f"The stack is deployed, but {name} failed with {said.get('errorType', 'an error')}: "
            f"{said.get('errorMessage', '')}\nRepair the cause and deploy again; this changes "
            "nothing else."
        )
    statements: list[str] = (payload or {}).get("table", [])
    return statements
