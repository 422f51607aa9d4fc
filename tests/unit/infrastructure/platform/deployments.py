"""Deployments that the platform's tests look at, from the least to everything at once."""

from __future__ import annotations

from dataclasses import replace

from infrastructure.platform.settings import PlatformSettings

ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
OWNER = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:owner-AbCdEf"
LOADER = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:loader-AbCdEf"
ANALYST = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:analyst-AbCdEf"
QUICKSIGHT_USER = f"arn:aws:quicksight:eu-central-1:{ACCOUNT}:user/default/ana"
TOPIC = f"arn:aws:sns:eu-central-1:{ACCOUNT}:golden-AlertTopic"

NEW = PlatformSettings(stack="golden-platform", s3_prefix_list_id="pl-6ea54007")
WITH_CORE = {
    "core_stack": "golden",
    "trace_group_name": "golden",
    "alert_topic_arn": TOPIC,
    "queue_name": "golden-TelemetryQueue",
    "loader_secret_arn": LOADER,
    "core_key_arn": KEY,
    "analyst_secret_arn": ANALYST,
}
GIVEN_DATABASE = {
    "database": "given",
    "database_host": "db.example.com",
    "owner_secret_arn": OWNER,
}
GIVEN_NETWORK = {
    "network": "given",
    "vpc_id": "vpc-0123456789abcdef0",
    "subnet_ids": ("subnet-0123456789abcdef0", "subnet-0123456789abcdef1"),
}
ALARMS_ONLY = PlatformSettings(
    stack="golden-platform", network="none", **GIVEN_DATABASE, **WITH_CORE
)
EVERYTHING = replace(
    NEW,
    zones=3,
    proxy=True,
    xray_endpoint=True,
    monthly_budget=200,
    budget_email="ops@example.com",
    budget_tag="user:Pipeline$golden",
    quicksight_user=QUICKSIGHT_USER,
    **WITH_CORE,
)

SETTINGS: dict[str, PlatformSettings] = {
    "new network and database": NEW,
    "everything": EVERYTHING,
    "alarms only": ALARMS_ONLY,
    "given network with endpoints, given database by address": replace(
        NEW,
        **GIVEN_NETWORK,
        **GIVEN_DATABASE,
        database_cidr="10.0.3.7/32",
        secrets_security_group_id="sg-0123456789abcdef0",
    ),
    "given network, given cluster with a proxy": replace(
        NEW,
        **GIVEN_NETWORK,
        **GIVEN_DATABASE,
        **WITH_CORE,
        route_table_ids=("rtb-0123456789abcdef0",),
        database_security_group_id="sg-0123456789abcdef1",
        database_cluster_id="readings",
        proxy=True,
    ),
    "given network, given instance with a proxy": replace(
        NEW,
        **GIVEN_NETWORK,
        **GIVEN_DATABASE,
        **WITH_CORE,
        database_security_group_id="sg-0123456789abcdef1",
        database_instance_id="readings",
        proxy=True,
    ),
}
