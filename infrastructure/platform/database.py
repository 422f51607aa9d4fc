"""RDS for PostgreSQL: encrypted, TLS only, with an owner's password that RDS creates and rotates.

No one ever types the owner's password: RDS keeps it in a secret (rotated every week), which Migrate
reads at each deployment. Instance and secret are encrypted with the platform's key, so the core
stack gets that key along with the secret (``OwnerKeyArn``).
"""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, Ref, Sub, Template, rds
from troposphere.iam import Role

from infrastructure.platform.conditions import NEW_DATABASE
from infrastructure.platform.key import log_group
from infrastructure.platform.network import subnets
from infrastructure.platform.roles import role_of_service

__all__ = ["OWNER", "PARAMETERS", "add_database"]

OWNER = "telemetry_owner"
SLOW_STATEMENT_MS = 5_000
IDLE_TRANSACTION_MS = 5 * 60 * 1000

PARAMETERS = {
    # Connections without TLS are refused before the password is asked for.
    "rds.force_ssl": "1",
    "password_encryption": "scram-sha-256",
    # Log sessions, schema changes, slow statements and lock waits. No readings: they arrive by
    # COPY, which is not logged. Refused logins are logged in any case; log_connections became a
    # list of words in 18, and no page of RDS says which of them it accepts.
    "log_disconnections": "1",
    "log_statement": "ddl",
    "log_min_duration_statement": str(SLOW_STATEMENT_MS),
    "log_lock_waits": "1",
    "log_autovacuum_min_duration": str(SLOW_STATEMENT_MS),
    # A forgotten session must not block vacuum; Load sets its own, shorter limit.
    "idle_in_transaction_session_timeout": str(IDLE_TRANSACTION_MS),
}


def add_database(template: Template) -> None:
    """Add the instance, its parameters, subnets, logs and the role for its monitoring."""
    template.add_resource(
        rds.DBSubnetGroup(
            "DatabaseSubnets",
            Condition=NEW_DATABASE,
            DBSubnetGroupDescription=Sub("Private subnets of ${AWS::StackName}"),
            SubnetIds=subnets(),
        )
    )
    template.add_resource(
        rds.DBParameterGroup(
            "DatabaseParameters",
            Condition=NEW_DATABASE,
            Description=Sub("PostgreSQL of ${AWS::StackName}"),
            Family=Sub("postgres${EngineVersion}"),
            Parameters=PARAMETERS,
        )
    )
    template.add_resource(_monitoring_role())
    for title, log in (("DatabaseLogGroup", "postgresql"), ("UpgradeLogGroup", "upgrade")):
        name = f"/aws/rds/instance/${{AWS::StackName}}/{log}"
        template.add_resource(log_group(title, NEW_DATABASE, name))
    template.add_resource(_instance())


def _instance() -> rds.DBInstance:
    return rds.DBInstance(
        "DatabaseInstance",
        Condition=NEW_DATABASE,
        DependsOn=["DatabaseLogGroup", "UpgradeLogGroup"],
        DeletionPolicy="Snapshot",
        UpdateReplacePolicy="Snapshot",
        # By name, since RDS names the log groups after it.
        DBInstanceIdentifier=Sub("${AWS::StackName}"),
        Engine="postgres",
        # The major alone: RDS chooses the minor version and keeps it up to date.
        EngineVersion=Ref("EngineVersion"),
        AutoMinorVersionUpgrade=True,
        DBInstanceClass=Ref("InstanceClass"),
        DBName=Ref("DatabaseName"),
        Port=Ref("DatabasePort"),
        DBParameterGroupName=Ref("DatabaseParameters"),
        MultiAZ=Ref("MultiAz"),
        **_network(),
        **_login(),
        **_storage(),
        **_monitoring(),
    )


def _network() -> dict[str, Any]:
    return {
        "DBSubnetGroupName": Ref("DatabaseSubnets"),
        "VPCSecurityGroups": [GetAtt("DatabaseGroup", "GroupId")],
        "PubliclyAccessible": False,
        "CACertificateIdentifier": "rds-ca-rsa2048-g1",
    }


def _login() -> dict[str, Any]:
    secret = rds.MasterUserSecret(KmsKeyId=GetAtt("PlatformKey", "Arn"))
    return {
        "MasterUsername": OWNER,
        "ManageMasterUserPassword": True,
        "MasterUserSecret": secret,
        # For people, who need no password then; the functions use secrets.
        "EnableIAMDatabaseAuthentication": True,
    }


def _storage() -> dict[str, Any]:
    return {
        "StorageType": "gp3",
        "AllocatedStorage": Ref("StorageGb"),
        "MaxAllocatedStorage": Ref("MostStorageGb"),
        "StorageEncrypted": True,
        "KmsKeyId": GetAtt("PlatformKey", "Arn"),
        "BackupRetentionPeriod": Ref("BackupDays"),
        "CopyTagsToSnapshot": True,
        "DeleteAutomatedBackups": False,
        "DeletionProtection": Ref("DeletionProtection"),
    }


def _monitoring() -> dict[str, Any]:
    return {
        "EnableCloudwatchLogsExports": ["postgresql", "upgrade"],
        "MonitoringInterval": 60,
        "MonitoringRoleArn": GetAtt("MonitoringRole", "Arn"),
        "EnablePerformanceInsights": True,
        "PerformanceInsightsKMSKeyId": GetAtt("PlatformKey", "Arn"),
        # Seven days cost nothing.
        "PerformanceInsightsRetentionPeriod": 7,
    }


def _monitoring_role() -> Role:
    """Role with AWS's own policy, which lets RDS write to the log groups ``RDS*`` and nothing
    else."""
    role = role_of_service(
        "MonitoringRole", NEW_DATABASE, "monitoring.rds", acts_for="rds:db:${AWS::StackName}"
    )
    role.ManagedPolicyArns = [
        Sub("arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole")
    ]
    return role
