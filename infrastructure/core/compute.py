"""Layers, functions, their roles and logs, and the queue's trigger.

- No reserved concurrency: it is taken from the account's pool, which a new account hardly has. The
  map's concurrency and the trigger's ``MaximumConcurrency`` bound the functions instead.
- No dead-letter queue on the functions: that is for asynchronous invocations, and every one here is
  synchronous, by the state machine, the queue's poller or the deployment; a sweep that is missed
  is made up for by the next one, and a notification (:mod:`infrastructure.core.channels`) also
  goes to the email address.
"""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, If, NoValue, Ref, Sub, Template, awslambda, logs

from functions.inventory import FunctionSpec
from infrastructure.core.findings import accepted
from infrastructure.core.observability import system_log_level, tracing_mode
from infrastructure.core.parameters import (
    HAS_OWNER_HOST,
    HAS_OWNER_KEY,
    HAS_VPC,
    MAPPING_TRIGGER,
)
from infrastructure.core.permissions import (
    function_statements,
    no_clean_zone_statement,
    owner_key_statement,
    partition_statement,
    vpc_statements,
)
from infrastructure.core.policies import (
    GOES_WITH_THE_STACK,
    allow,
    inline,
    own_arn,
    service_role,
    traces,
)
from infrastructure.core.troposphere_types import FunctionLoggingConfig, QueueScalingConfig
from infrastructure.names import QUEUE_BATCH_SIZE
from infrastructure.settings import DATABASE_CA, DeploySettings
from layers.target import LAYERS, OPTIONAL_LAYERS
from telemetry.contract import ContractSet
from telemetry.contract.packing import inflates
from telemetry.metric_table import NAMESPACE, OBSERVABILITY

__all__ = ["add_compute", "state_machine_arn"]

# Of lines in a micro-batch whose payloads are compressed: of what Transform inflates (64 MiB at
# most) a share of one to forty-three, three times what batches of readings shrink to.
COMPRESSED_BATCH_BYTES = 2 << 20


def state_machine_arn() -> Sub:
    """ARN of the state machine by name, which its role and Stage need before it exists."""
    return own_arn("states:stateMachine:${AWS::StackName}")


def add_compute(
    template: Template,
    contracts: ContractSet,
    settings: DeploySettings,
    layer_keys: dict[str, str],
    function_keys: dict[str, str],
) -> None:
    """Add layers, functions and the queue's trigger. ``layer_keys``, ``function_keys``: keys in the
    artifact bucket by layer and by package."""
    for layer in (name for name in (*LAYERS, *OPTIONAL_LAYERS) if name in layer_keys):
        template.add_resource(
            awslambda.LayerVersion(
                f"{layer.title()}Layer",
                LayerName=Sub(f"${{AWS::StackName}}-{layer}"),
                Content=awslambda.Content(S3Bucket=Ref("ArtifactBucket"), S3Key=layer_keys[layer]),
                CompatibleRuntimes=[settings.target.runtime],
                CompatibleArchitectures=[settings.target.architecture],
            )
        )
    for spec in settings.functions:
        template.add_resource(_log_group(spec))
        template.add_resource(_role(spec, contracts, settings))
        template.add_resource(_function(spec, contracts, settings, layer_keys, function_keys))
    template.add_resource(_queue_trigger())


def _log_group(spec: FunctionSpec) -> logs.LogGroup:
    return logs.LogGroup(
        f"{spec.title}LogGroup",
        **GOES_WITH_THE_STACK,
        LogGroupName=Sub(f"/aws/lambda/${{AWS::StackName}}-{spec.name}"),
        RetentionInDays=Ref("LogRetentionDays"),
        KmsKeyId=GetAtt("DataKey", "Arn"),
    )


def _role(spec: FunctionSpec, contracts: ContractSet, settings: DeploySettings) -> Any:
    write_logs = allow(
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        GetAtt(f"{spec.title}LogGroup", "Arn"),
        sid="Logs",
    )
    statements = [write_logs, traces(), *function_statements(spec.name)]
    policies: list[Any] = [inline("Own", *statements)]
    if spec.database:
        policies.append(If(HAS_VPC, inline("Vpc", *vpc_statements(spec.name)), NoValue))
    if spec.name == "transform" and not settings.clean:
        policies.append(inline("NoCleanZone", no_clean_zone_statement()))
    if spec.name == "migrate":
        if any(contract.partition != "none" for contract in contracts):
            policies.append(inline("Partitions", partition_statement()))
        policies.append(If(HAS_OWNER_KEY, inline("OwnerKey", owner_key_statement()), NoValue))
    return service_role(f"{spec.title}Role", "lambda", *policies)


def _function(
    spec: FunctionSpec,
    contracts: ContractSet,
    settings: DeploySettings,
    layer_keys: dict[str, str],
    function_keys: dict[str, str],
) -> awslambda.Function:
    properties: dict[str, Any] = {}
    if spec.database:
        properties["VpcConfig"] = If(
            HAS_VPC,
            awslambda.VPCConfig(
                SubnetIds=Ref("SubnetIds"), SecurityGroupIds=Ref("SecurityGroupIds")
            ),
            NoValue,
        )
    return awslambda.Function(
        f"{spec.title}Function",
        FunctionName=Sub(f"${{AWS::StackName}}-{spec.name}"),
        Runtime=settings.target.runtime,
        Architectures=[settings.target.architecture],
        Handler=spec.handler,
        Code=awslambda.Code(S3Bucket=Ref("ArtifactBucket"), S3Key=function_keys[spec.package]),
        Layers=[Ref(f"{layer.title()}Layer") for layer in spec.layers_among(layer_keys)],
        MemorySize=spec.memory,
        Timeout=spec.timeout,
        Role=GetAtt(f"{spec.title}Role", "Arn"),
        Environment=awslambda.Environment(Variables=_environment(spec, contracts, settings)),
        TracingConfig=awslambda.TracingConfig(Mode=tracing_mode(spec.name)),
        LoggingConfig=FunctionLoggingConfig(
            LogFormat="JSON",
            ApplicationLogLevel="INFO",
            # INFO keeps Lambda's REPORT line: duration, memory and cold start of each invocation.
            SystemLogLevel=system_log_level(),
            LogGroup=Ref(f"{spec.title}LogGroup"),
        ),
        Metadata=_accepted(spec),
        **properties,
    )


def _accepted(spec: FunctionSpec) -> dict[str, Any]:
    reasons = {
        "CKV_AWS_115": "Reserved concurrency is taken from the account's pool, which a new account "
        "hardly has; the map's concurrency and the queue trigger's maximum bound the functions.",
        "CKV_AWS_116": "A dead-letter queue is for asynchronous invocations that matter; callers "
        "here wait for the answer, the next sweep makes up for a missed one, and an email is sent "
        "beside each channel.",
        "CKV_AWS_173": "The variables hold names, ARNs and numbers, no secret; Lambda encrypts "
        "them with its own key, and the role of each function needs one permission fewer.",
    }
    if not spec.database:
        reasons["CKV_AWS_117"] = (
            "It calls only AWS, over TLS; a VPC would add costs for endpoints and no protection. "
            "Only functions that connect to PostgreSQL run in one."
        )
    return accepted(**reasons)


def _environment(
    spec: FunctionSpec, contracts: ContractSet, settings: DeploySettings
) -> dict[str, Any]:
    variables: dict[str, Any] = {
        "DATA_BUCKET": Ref("DataBucket"),
        # Not the contract's name: two stacks of one contract are two pipelines.
        "PIPELINE": Ref("AWS::StackName"),
        "POWERTOOLS_SERVICE_NAME": spec.name,
        "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE,
        OBSERVABILITY: Ref("Observability"),
    }
    if spec.name in {"extract", "stage"}:
        variables["QUEUE_URL"] = Ref("TelemetryQueue")
    if spec.name in {"extract", "stage", "sweep"}:
        variables["MAX_CONCURRENCY"] = Ref("MaxConcurrency")
    if spec.name in {"extract", "stage"} and any(map(inflates, contracts)):
        variables["BATCH_BYTES"] = str(COMPRESSED_BATCH_BYTES)
    if spec.name == "transform" and not settings.clean:
        variables["WRITE_CLEAN"] = "false"
    if spec.name in {"stage", "sweep"}:
        variables["STATE_MACHINE_ARN"] = state_machine_arn()
    if spec.name == "summarize":
        variables["TOLERATED_FAILURE_SHARE"] = Ref("ToleratedFailureShare")
    if spec.database:
        variables |= {
            "DATABASE_HOST": Ref("DatabaseHost"),
            "DATABASE_PORT": Ref("DatabasePort"),
            "DATABASE_NAME": Ref("DatabaseName"),
            "DATABASE_SSLMODE": Ref("DatabaseSslMode"),
            "LOADER_SECRET_ARN": GetAtt("LoaderSecret", "Id"),
        }
        if settings.database.ca_file is not None:
            variables["DATABASE_SSLROOTCERT"] = DATABASE_CA
    if spec.name == "migrate":
        # Straight to the database: a proxy knows the loader's secret alone.
        variables["DATABASE_HOST"] = If(
            HAS_OWNER_HOST, Ref("OwnerDatabaseHost"), Ref("DatabaseHost")
        )
        variables["OWNER_SECRET_ARN"] = Ref("OwnerSecretArn")
        variables["ANALYST_SECRET_ARN"] = GetAtt("AnalystSecret", "Id")
        variables["LOADER_CONNECTIONS"] = Ref("LoaderConnections")
    if spec.name == "notify":
        variables |= {
            "CHANNELS_SECRET_ARN": GetAtt("ChannelsSecret", "Id"),
            "QUEUE_NAME": GetAtt("TelemetryQueue", "QueueName"),
            "DEAD_LETTER_QUEUE_NAME": GetAtt("DeadLetterQueue", "QueueName"),
            "RUNBOOK_URL": settings.runbook_url,
        }
    return variables | settings.tuning


def _queue_trigger() -> awslambda.EventSourceMapping:
    return awslambda.EventSourceMapping(
        "QueueTriggerMapping",
        Condition=MAPPING_TRIGGER,
        EventSourceArn=GetAtt("TelemetryQueue", "Arn"),
        FunctionName=Ref("StageFunction"),
        BatchSize=QUEUE_BATCH_SIZE,
        MaximumBatchingWindowInSeconds=Ref("QueueWindowSeconds"),
        FunctionResponseTypes=["ReportBatchItemFailures"],
        ScalingConfig=QueueScalingConfig(MaximumConcurrency=Ref("QueueConcurrency")),
    )
