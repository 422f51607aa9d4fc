"""RDS for PostgreSQL: encrypted, TLS only, its owner's password made and rotated by RDS itself.

Nobody ever types the owner's password: RDS keeps it in a secret (rotated every week), which Migrate
reads anew at each deployment. Instance and secret are encrypted by the platform's key, so the core
is told that key along with the secret (``OwnerKeyArn``).
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
    # Whoever comes without TLS is refused before the password is asked.
    "rds.force_ssl": "1",
    "password_encryption": "scram-sha-256",
    # Who was there, what changed the schema, what was slow or in the way. No readings: those come
    # by COPY, which is not logged. Refused logins are logged in any case; log_connections became a
    # list of words in 18, and no page of RDS says which of them it takes.
    "log_disconnections": "1",
    "log_statement": "ddl",
    "log_min_duration_statement": str(SLOW_STATEMENT_MS),
    "log_lock_waits": "1",
    "log_autovacuum_min_duration": str(SLOW_STATEMENT_MS),
    # A forgotten session must not hold back vacuum; Load sets its own, shorter limit.
    "idle_in_transaction_session_timeout": str(IDLE_TRANSACTION_MS),
}


def add_database(template: Template) -> None:
    """Instance, its parameters, subnets, logs and the role that reports on its machine."""
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
        # The major alone: RDS chooses the minor version, and keeps it new.
        EngineVersion=Ref("EngineVersion"),
        AutoMinorVersionUpgrade=True,
        DBInstanceClass=Ref("InstanceClass"),
        DBName=Ref("DatabaseName"),
        Port=Ref("DatabasePort"),
        DBParameterGroupName=Ref("DatabaseParameters"),
        MultiAZ=Ref("MultiAz"),
        **_reach(),
        **_login(),
        **_storage(),
        **_watching(),
    )


def _reach() -> dict[str, Any]:
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


def _watching() -> dict[str, Any]:
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
    """With AWS's own policy: it lets RDS write to the log groups ``RDS*``, and nothing else."""
    role = role_of_service(
        "MonitoringRole", NEW_DATABASE, "monitoring.rds", acts_for="rds:db:${AWS::StackName}"
    )
    role.ManagedPolicyArns = [
        Sub("arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole")
    ]
    return role
