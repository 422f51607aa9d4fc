"""The template: its golden table, cfn-lint, and the promises it makes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from functions.inventory import FUNCTIONS, function
from infrastructure.core.build import build_template, template_json
from telemetry.contract import ContractSet, load_contract
from tests.fixtures.golden_files import check_golden_text
from tests.fixtures.template_table import template_table
from workflow.limits import TEMPLATE

CONTRACTS = sorted(Path("contracts").glob("*.toml"))
# The program `cfn-lint` without its script, whose first line may hold a path with spaces.
CFN_LINT = "import sys; from cfnlint.runner import main; sys.exit(main())"
ELSEWHERE = {
    "AWS::CloudWatch::Dashboard.DashboardBody": "dashboard.json",
    "AWS::IAM::Role.Policies": "roles.json",
    "AWS::StepFunctions::StateMachine.DefinitionString": "tests/unit/workflow/golden/definition.json",
}
"""Properties that have a golden file of their own."""
OUTPUTS_THE_CLI_READS = {
    "DataBucketName",
    "QueueUrl",
    "QueueArn",
    "DeadLetterQueueUrl",
    "StateMachineArn",
    "TopicArn",
    "DevicePolicyName",
    "LoaderSecretArn",
    "MigrateFunctionName",
    "TopicFilter",
    "BasicIngestPrefix",
    "RuleErrorQueueUrl",
}


def of_type(resources: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {n: r.get("Properties", {}) for n, r in resources.items() if r["Type"] == kind}


def test_the_template_is_the_reviewed_one(template):
    check_golden_text(__file__, "template.md", template_table(template, ELSEWHERE))


@pytest.mark.parametrize("partition", ["none", "day"])
def test_cfn_lint_finds_nothing(partition, artifacts, settings, definition, tmp_path):
    changed = replace(settings, clean_days=30 if partition == "day" else 0)
    files = [tmp_path / f"{path.stem}.json" for path in CONTRACTS]
    for path, file in zip(CONTRACTS, files, strict=True):
        contract = replace(load_contract(path), partition=partition)
        template = build_template(ContractSet((contract,)), artifacts, changed, definition)
        file.write_text(template_json(template))
    command = [sys.executable, "-c", CFN_LINT, "--include-checks", "I", "-t", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_template_is_far_from_the_limit(template):
    # Too large for a request, which takes 51,200 bytes: deploy() sends it by way of the bucket.
    assert len(json.dumps(template, separators=(",", ":"))) < TEMPLATE.most / 4


def test_every_output_that_commands_read_is_there(template):
    names = set(template["Outputs"])
    assert names >= OUTPUTS_THE_CLI_READS
    assert names >= {f"{spec.title}LogGroupName" for spec in FUNCTIONS}


def test_the_data_bucket_is_encrypted_private_versioned_and_tls_only(resources):
    bucket = resources["DataBucket"]["Properties"]
    rule = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    denied = resources["DataBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"][0]
    assert (denied["Effect"], denied["Principal"]) == ("Deny", "*")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_raw_data_is_never_expired_nor_what_became_of_it(resources):
    rules = resources["DataBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    expired = {rule.get("Prefix") for rule in rules if "ExpirationInDays" in rule}
    assert expired == {"copy/", "map-results/", "manifests/", "receipts/"}


def test_a_table_with_partitions_is_maintained_by_the_migrate_function(
    contract, artifacts, settings, definition, resources
):
    assert not {"MaintenanceSchedule", "MaintenanceFailedAlarm"} & set(resources)
    assert "Partitions" not in json.dumps(resources["MigrateRole"])
    monthly = replace(contract, partition="month")
    own = replace(settings, maintenance_expression="rate(6 hours)")
    built = build_template(ContractSet((monthly,)), artifacts, own, definition).to_dict()[
        "Resources"
    ]
    schedule = built["MaintenanceSchedule"]["Properties"]
    assert schedule["ScheduleExpression"] == "rate(6 hours)"
    assert schedule["Target"]["Arn"] == {"Fn::GetAtt": ["MigrateFunction", "Arn"]}
    assert json.loads(schedule["Target"]["Input"]) == {"partitions": "maintain"}
    alarm = built["MaintenanceFailedAlarm"]["Properties"]
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": "MigrateFunction"}}]
    assert (alarm["MetricName"], alarm["Threshold"], alarm["Period"]) == ("Errors", 3, 3600)
    (listing,) = [
        statement
        for policy in built["MigrateRole"]["Properties"]["Policies"]
        if policy.get("PolicyName") == "Partitions"
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    assert listing["Action"] == ["s3:ListBucket"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["raw/*", "clean/*"]}}


def test_the_lifecycle_follows_the_settings(contract, artifacts, settings, definition):
    def rules(**days):
        changed = replace(settings, **days)
        built = build_template(ContractSet((contract,)), artifacts, changed, definition).to_dict()[
            "Resources"
        ]
        found = built["DataBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
        return {rule["Id"]: rule for rule in found}

    moved = rules(infrequent_access_days=0, glacier_days=200, clean_days=400, rejected_days=60)
    assert moved["MoveRawToColderStorage"]["Transitions"] == [
        {"StorageClass": "GLACIER_IR", "TransitionInDays": 200}
    ]
    assert moved["ExpireClean"]["ExpirationInDays"] == 400
    assert moved["ExpireRejected"]["ExpirationInDays"] == 60
    assert moved.keys() - rules().keys() == {"ExpireClean", "ExpireRejected"}
    stays = rules(infrequent_access_days=0, glacier_days=0)
    assert "MoveRawToColderStorage" not in stays


def test_data_outlives_the_stack_unless_set_otherwise(contract, artifacts, settings, definition):
    from dataclasses import replace

    kept = build_template(ContractSet((contract,)), artifacts, settings, definition).to_dict()[
        "Resources"
    ]
    gone = replace(settings, retain_data=False)
    given_up = build_template(ContractSet((contract,)), artifacts, gone, definition).to_dict()[
        "Resources"
    ]
    for name in ("DataBucket", "DataKey"):
        assert kept[name]["DeletionPolicy"] == "Retain"
        assert given_up[name]["DeletionPolicy"] == "Delete"


def test_every_queue_and_the_topic_refuse_callers_without_tls(resources):
    policies = {
        **of_type(resources, "AWS::SQS::QueuePolicy"),
        **of_type(resources, "AWS::SNS::TopicPolicy"),
    }
    assert len(policies) == len(of_type(resources, "AWS::SQS::Queue")) + 1
    for name, policy in policies.items():
        denied = policy["PolicyDocument"]["Statement"][0]
        assert denied["Effect"] == "Deny", name
        assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}, name


def test_every_queue_is_encrypted_and_keeps_messages_for_two_weeks(resources):
    for name, queue in of_type(resources, "AWS::SQS::Queue").items():
        if name != "RuleErrorQueue":  # encrypted by SQS: a test of its own
            assert queue["KmsMasterKeyId"] == {"Fn::GetAtt": ["DataKey", "Arn"]}, name
            assert queue["KmsDataKeyReusePeriodSeconds"] == 3600, name
        assert queue["MessageRetentionPeriod"] == 14 * 86400, name


def test_no_policy_of_a_queue_lets_anybody_in(resources):
    for name, policy in of_type(resources, "AWS::SQS::QueuePolicy").items():
        effects = [statement["Effect"] for statement in policy["PolicyDocument"]["Statement"]]
        assert effects == ["Deny"], name


def test_one_key_is_on_everything_that_holds_data(resources):
    key = {"Fn::GetAtt": ["DataKey", "Arn"]}
    named = {
        "AWS::SQS::Queue": "KmsMasterKeyId",
        "AWS::SNS::Topic": "KmsMasterKeyId",
        "AWS::Logs::LogGroup": "KmsKeyId",
        "AWS::SecretsManager::Secret": "KmsKeyId",
    }
    for kind, member in named.items():
        for name, properties in of_type(resources, kind).items():
            if name != "RuleErrorQueue":
                assert properties[member] == key, name


def test_what_the_rule_can_not_deliver_depends_on_neither_its_role_nor_its_key(resources):
    payload = resources["TopicRule"]["Properties"]["TopicRulePayload"]
    (action,) = payload["Actions"]
    error = payload["ErrorAction"]["Sqs"]
    assert error["RoleArn"] != action["Sqs"]["RoleArn"]
    queue = resources[error["QueueUrl"]["Ref"]]["Properties"]
    assert queue["SqsManagedSseEnabled"] is True  # encrypted, with a key of SQS
    role = resources[error["RoleArn"]["Fn::GetAtt"][0]]
    for part in (queue, role):
        assert "DataKey" not in str(part)
        assert "kms" not in str(part).lower()


def test_the_key_lets_those_who_look_after_it_not_use_it(resources):
    statements = resources["DataKey"]["Properties"]["KeyPolicy"]["Statement"]
    administration, use, *services = statements
    assert not {"kms:Decrypt", "kms:GenerateDataKey"} & set(administration["Action"])
    assert "kms:PutKeyPolicy" in administration["Action"]
    assert "kms:ViaService" in use["Condition"]["StringLike"]
    for statement in services:
        assert statement["Condition"], statement["Sid"]
    assert not [s["Sid"] for s in statements if "*" in "".join(s["Action"])]
    assert resources["DataKey"]["Properties"]["EnableKeyRotation"] is True


def test_a_message_stays_hidden_six_function_timeouts_plus_the_longest_window(template):
    parameters = template["Parameters"]
    longest_window = parameters["QueueWindowSeconds"]["MaxValue"]
    least = 6 * function("stage").timeout + longest_window
    assert parameters["VisibilityTimeoutSeconds"]["Default"] >= least


def test_the_rule_keeps_every_payload_and_says_where_failures_go(resources):
    payload = resources["TopicRule"]["Properties"]["TopicRulePayload"]
    assert payload["Sql"] == (
        "SELECT encode(*, 'base64') AS payload, topic() AS topic, clientid() AS client_id, "
        "timestamp() AS received_at FROM 'telemetry/golden/+'"
    )
    assert payload["Actions"][0]["Sqs"]["QueueUrl"] == {"Ref": "TelemetryQueue"}
    assert payload["ErrorAction"]["Sqs"]["QueueUrl"] == {"Ref": "RuleErrorQueue"}


def test_every_function_is_traced_and_logs_to_its_own_encrypted_group(resources):
    functions = of_type(resources, "AWS::Lambda::Function")
    assert len(functions) == len(FUNCTIONS)
    for name, properties in functions.items():
        assert properties["TracingConfig"]["Mode"] in (
            "Active",
            # What nothing traced calls begins no trace below the level full.
            {"Fn::If": ["ObservesFull", "Active", "PassThrough"]},
        ), name
        group = resources[properties["LoggingConfig"]["LogGroup"]["Ref"]]["Properties"]
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name
        assert "KmsKeyId" in group, name


def test_each_function_has_the_layers_it_needs_and_no_other(resources):
    for spec in FUNCTIONS:
        layers = resources[f"{spec.title}Function"]["Properties"]["Layers"]
        assert layers == [{"Ref": f"{layer.title()}Layer"} for layer in spec.layers]


def test_no_secret_is_in_an_environment_variable(resources):
    for name, function_ in of_type(resources, "AWS::Lambda::Function").items():
        variables = function_["Environment"]["Variables"]
        assert not [key for key in variables if "PASSWORD" in key], name


def test_batches_of_compressed_payloads_are_staged_smaller(
    contract, artifacts, settings, definition
):
    compressing = replace(contract, compression="gzip")
    for one, size in ((contract, None), (compressing, "2097152")):
        built = build_template(ContractSet((one,)), artifacts, settings, definition).to_dict()[
            "Resources"
        ]
        for title in ("ExtractFunction", "StageFunction"):
            variables = built[title]["Properties"]["Environment"]["Variables"]
            assert variables.get("BATCH_BYTES") == size


def test_only_functions_that_connect_to_postgresql_enter_the_vpc(resources):
    functions = of_type(resources, "AWS::Lambda::Function")
    inside = {name for name, properties in functions.items() if "VpcConfig" in properties}
    assert inside == {"LoadFunction", "MigrateFunction"}


def test_each_trigger_depends_on_the_mode(template):
    resources, conditions = template["Resources"], template["Conditions"]
    assert resources["Schedule"]["Condition"] == "ScheduleTrigger"
    assert resources["QueueTriggerMapping"]["Condition"] == "MappingTrigger"
    assert resources["DrainSchedule"]["Condition"] == "DrainTrigger"
    for name, delivery in (("MappingTrigger", "mapping"), ("DrainTrigger", "drain")):
        assert conditions[name]["Fn::And"] == [
            {"Condition": "QueueTrigger"},
            {"Fn::Equals": [{"Ref": "QueueDelivery"}, delivery]},
        ]
    both = {"Fn::Equals": [{"Ref": "TriggerMode"}, "both"]}
    assert both in conditions["ScheduleTrigger"]["Fn::Or"]
    assert both in conditions["QueueTrigger"]["Fn::Or"]


def test_the_drain_loop_is_started_with_its_time_and_for_its_interval(
    contract, artifacts, settings, definition
):
    minutes = (
        (1, "rate(1 minute)", '"seconds":60}'),
        (10, "rate(10 minutes)", '"seconds":600}'),
    )
    for count, expression, seconds in minutes:
        changed = replace(settings, drain_minutes=count)
        built = build_template(ContractSet((contract,)), artifacts, changed, definition)
        schedule = built.to_dict()["Resources"]["DrainSchedule"]["Properties"]
        assert schedule["ScheduleExpression"] == expression
        text = schedule["Target"]["Input"]["Fn::Sub"]
        assert seconds in text
        given = json.loads(text.replace("${QueueWindowSeconds}", "25"))
        assert given["drains"]["scheduled"] == "<aws.scheduler.scheduled-time>"
        assert given["drains"]["every"] == 25


def test_the_sweep_is_scheduled_in_every_mode(resources):
    schedule = resources["SweepSchedule"]
    assert "Condition" not in schedule
    assert schedule["Properties"]["ScheduleExpression"] == {"Ref": "SweepExpression"}
    assert schedule["Properties"]["Target"]["Arn"] == {"Fn::GetAtt": ["SweepFunction", "Arn"]}


def test_the_queue_trigger_reports_the_messages_that_failed(resources):
    mapping = resources["QueueTriggerMapping"]["Properties"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BatchSize"] == 10_000
    assert mapping["MaximumBatchingWindowInSeconds"] == {"Ref": "QueueWindowSeconds"}


def test_the_state_machine_is_logged_and_traced_in_full_at_the_level_full(resources):
    machine = resources["StateMachine"]["Properties"]
    assert machine["StateMachineType"] == "STANDARD"
    assert machine["LoggingConfiguration"]["Level"] == {"Fn::If": ["ObservesFull", "ALL", "ERROR"]}
    assert machine["TracingConfiguration"] == {"Enabled": True}


def test_every_placeholder_of_the_definition_is_substituted(resources):
    import re

    machine = resources["StateMachine"]["Properties"]
    used = set(re.findall(r"\$\{(\w+)\}", machine["DefinitionString"]))
    assert used == set(machine["DefinitionSubstitutions"])
