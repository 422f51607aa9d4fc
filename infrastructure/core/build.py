"""The whole template: a pure function of contracts, settings and the packaged artifacts.

Modules by concern: ``parameters``, ``storage`` (key, bucket), ``ingest`` (IoT, queues,
``device_policy``, ``topic_rules``, ``shared_topics``), ``provisioning``, ``compute`` (layers,
functions, ``permissions``), ``orchestration`` (state machine, schedules, topic), ``maintenance``,
``alarms``, ``channels``, ``dashboard``. Modules refer to each other's resources by logical id;
``cfn-lint`` checks that every reference holds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from troposphere import GetAtt, Output, Ref, Sub, Template, secretsmanager

from functions.inventory import FUNCTIONS
from infrastructure.core.alarms import add_alarms, alarms_of
from infrastructure.core.channels import add_channels
from infrastructure.core.compute import add_compute
from infrastructure.core.dashboard import add_dashboard
from infrastructure.core.device_policy import basic_ingest
from infrastructure.core.ingest import add_ingest
from infrastructure.core.maintenance import add_maintenance
from infrastructure.core.observability import add_sampling_rule
from infrastructure.core.orchestration import add_orchestration
from infrastructure.core.parameters import OBSERVES_FULL, add_conditions, add_parameters
from infrastructure.core.policies import GOES_WITH_THE_STACK
from infrastructure.core.provisioning import add_provisioning
from infrastructure.core.storage import add_storage
from infrastructure.core.topic_rules import rule_title, title_of
from infrastructure.names import CLEAN_OUTPUT, NO_CLEAN_ZONE
from infrastructure.role_settings import limit_roles
from infrastructure.settings import DeploySettings
from telemetry.contract import Contract, ContractSet

__all__ = ["Artifacts", "build_template", "database_role", "template_json"]

ROLE_BYTES = 63  # longest name that PostgreSQL keeps
PASSWORD_CHARACTERS = 40


@dataclass(frozen=True, kw_only=True)
class Artifacts:
    """Keys in the artifact bucket. A key contains a digest, so changed content has a new key."""

    functions: dict[str, str]
    """Keys by package."""
    layers: dict[str, str]
    """Keys by layer."""


def build_template(
    contracts: ContractSet,
    artifacts: Artifacts,
    settings: DeploySettings,
    definition: dict[str, Any],
) -> Template:
    """Build the template of one pipeline; ``definition``: the state machine with placeholders.

    Raises ``ContractError`` where one pipeline can't have these contracts.
    """
    names = ", ".join(contracts.names)
    template = Template(Description=f"Telemetry ETL: {names}, from MQTT to PostgreSQL")
    template.set_version("2010-09-09")
    template.set_metadata(_metadata(contracts))
    add_parameters(template)
    add_conditions(template)
    add_storage(template, settings)
    _add_database_secrets(template, settings.stack)
    add_ingest(template, contracts, settings.stack)
    add_compute(template, contracts, settings, artifacts.layers, artifacts.functions)
    add_orchestration(template, definition, settings.drain_minutes)
    if any(contract.partition != "none" for contract in contracts):
        add_maintenance(template, settings.maintenance_expression)
    add_alarms(template, contracts)
    add_dashboard(template, alarms_of(contracts))
    add_sampling_rule(template, settings.stack)
    _add_outputs(template, contracts)
    if not settings.clean:
        template.add_output(Output(CLEAN_OUTPUT, Value=NO_CLEAN_ZONE))
    if settings.fleet_provisioning:
        add_provisioning(template)
    if settings.channels:
        add_channels(template)
    limit_roles(template, settings.roles)
    return template


def template_json(template: Template) -> str:
    """Compact JSON with sorted keys, so that equal templates are equal texts."""
    return json.dumps(template.to_dict(), sort_keys=True, separators=(",", ":"))


def database_role(stack: str, what: str) -> str:
    """Name of a database role of this pipeline: ``telemetry_loader`` for the stack ``telemetry``.

    Roles belong to a server, not to a database: pipelines that share a server, each with its own
    database, would otherwise overwrite each other's passwords.
    """
    return f"{stack.lower().replace('-', '_')[: ROLE_BYTES - len(what) - 1]}_{what}"


def _add_database_secrets(template: Template, stack: str) -> None:
    """Add the secrets with the logins of the roles that the migration creates."""
    for title, role, purpose in (
        ("LoaderSecret", database_role(stack, "loader"), "loads rows"),
        ("AnalystSecret", database_role(stack, "analyst"), "is only read"),
    ):
        template.add_resource(
            secretsmanager.Secret(
                title,
                **GOES_WITH_THE_STACK,
                Description=Sub(f"Database role with which ${{AWS::StackName}} {purpose}"),
                KmsKeyId=GetAtt("DataKey", "Arn"),
                GenerateSecretString=secretsmanager.GenerateSecretString(
                    SecretStringTemplate=json.dumps({"username": role}),
                    GenerateStringKey="password",
                    PasswordLength=PASSWORD_CHARACTERS,
                    # Letters and digits alone are strong enough at this length, with no quoting.
                    ExcludePunctuation=True,
                    ExcludeCharacters="!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
                ),
            )
        )


def _metadata(contracts: ContractSet) -> dict[str, Any]:
    def about(contract: Contract) -> dict[str, str]:
        return {"Name": contract.name, "Digest": contract.digest}

    found: dict[str, Any] = {"Contract": about(contracts.first)}
    if contracts.further:
        found["FurtherContracts"] = [about(contract) for contract in contracts.further]
    return found


def _add_outputs(template: Template, contracts: ContractSet) -> None:
    values: dict[str, Any] = {
        "DataBucketName": Ref("DataBucket"),
        "QueueUrl": Ref("TelemetryQueue"),
        "QueueArn": GetAtt("TelemetryQueue", "Arn"),
        "DeadLetterQueueUrl": Ref("DeadLetterQueue"),
        "DeadLetterQueueArn": GetAtt("DeadLetterQueue", "Arn"),
        "RuleErrorQueueUrl": Ref("RuleErrorQueue"),
        "StateMachineArn": Ref("StateMachine"),
        "TopicArn": Ref("AlertTopic"),
        "DevicePolicyName": Ref("DevicePolicy"),
        "ProbeThingName": Ref("ProbeThing"),
        **_outputs_of(contracts, contracts.first),
        "ContractName": contracts.first.name,
        "LoaderSecretArn": GetAtt("LoaderSecret", "Id"),
        "AnalystSecretArn": GetAtt("AnalystSecret", "Id"),
        "KeyArn": GetAtt("DataKey", "Arn"),
        "StateMachineLogGroupName": Ref("StateMachineLogGroup"),
        "Observability": Ref("Observability"),
    }
    if contracts.further:
        values["FurtherContracts"] = ",".join(contracts.names[1:])
    for contract in contracts.further:
        values |= _outputs_of(contracts, contract)
    for spec in FUNCTIONS:
        values[f"{spec.title}FunctionName"] = Ref(f"{spec.title}Function")
        values[f"{spec.title}LogGroupName"] = Ref(f"{spec.title}LogGroup")
    for name, value in values.items():
        template.add_output(Output(name, Value=value))
    template.add_output(Output("DashboardName", Value=Ref("Dashboard"), Condition=OBSERVES_FULL))


def _outputs_of(contracts: ContractSet, contract: Contract) -> dict[str, Any]:
    """Outputs about one contract, which a further one's name ends."""
    title = title_of(contracts, contract)
    return {
        f"TopicFilter{title}": contract.topic_filter.mqtt,
        f"BasicIngestPrefix{title}": Sub(basic_ingest(rule_title(contracts, contract))),
        f"ContractDigest{title}": contract.digest,
    }
