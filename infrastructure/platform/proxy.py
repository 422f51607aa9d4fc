"""RDS Proxy between Load and PostgreSQL, which queues connections above a limit.

It is created in the second phase, when the core's loader secret exists and the first migration has
created the loader's role: CloudFormation waits until the proxy has logged in to the database, and
with a role that doesn't exist it would wait in vain. It knows only the loader's secret, so Migrate
connects directly to the database.

Load holds a connection for one transaction and pins it (``SET LOCAL``, a temporary table), so the
proxy shares few of them. Its benefits: a limit that queues instead of refusing, connections that
are already open, and failovers in which it waits for the new primary.

PostgreSQL has no session pinning filters, so there are none.
"""

from __future__ import annotations

from troposphere import GetAtt, If, NoValue, Ref, Sub, Template, rds

from infrastructure.core.policies import allow, inline, via
from infrastructure.platform.conditions import (
    GIVEN_CLUSTER,
    GIVEN_INSTANCE,
    HAS_PROXY,
    given_or_new,
)
from infrastructure.platform.key import log_group
from infrastructure.platform.network import subnets
from infrastructure.platform.roles import role_of_service

__all__ = ["add_proxy"]

# Load runs for at most 75 s: a client that is silent for longer has died.
IDLE_CLIENT_SECONDS = 120
# Share of PostgreSQL's max_connections; the rest is for people, analysts and Migrate.
MOST_CONNECTIONS_PERCENT = 75
# Share kept open between executions, so that a batch needn't wait for a login.
IDLE_CONNECTIONS_PERCENT = 10
# Longer than most batches take; Load still has time to report an error, and is retried.
BORROW_SECONDS = 15


def add_proxy(template: Template) -> None:
    """Add the proxy, its role, its target and its log."""
    name = "/aws/rds/proxy/${AWS::StackName}"
    template.add_resource(log_group("ProxyLogGroup", HAS_PROXY, name))
    read = allow(["secretsmanager:GetSecretValue"], Ref("LoaderSecretArn"))
    by = {"kms:ViaService": via("secretsmanager")}
    decrypt = allow(["kms:Decrypt"], Ref("CoreKeyArn"), StringLike=by)
    # RDS doesn't say for which proxy it acts. No proxy of another account can have the role: RDS
    # accepts it only from a principal that may pass it, which is one of this account.
    template.add_resource(
        role_of_service("ProxyRole", HAS_PROXY, "rds", inline("ReadLoaderSecret", read, decrypt))
    )
    template.add_resource(_proxy())
    template.add_resource(_target())


def _proxy() -> rds.DBProxy:
    return rds.DBProxy(
        "DatabaseProxy",
        Condition=HAS_PROXY,
        DependsOn=["ProxyLogGroup"],
        DBProxyName=Sub("${AWS::StackName}"),
        EngineFamily="POSTGRESQL",
        RequireTLS=True,
        # It would log statements, and so readings.
        DebugLogging=False,
        IdleClientTimeout=IDLE_CLIENT_SECONDS,
        RoleArn=GetAtt("ProxyRole", "Arn"),
        Auth=[
            rds.AuthFormat(
                AuthScheme="SECRETS",
                SecretArn=Ref("LoaderSecretArn"),
                ClientPasswordAuthType="POSTGRES_SCRAM_SHA_256",
                IAMAuth="DISABLED",
            )
        ],
        VpcSubnetIds=subnets(),
        VpcSecurityGroupIds=[GetAtt("ProxyGroup", "GroupId")],
    )


def _target() -> rds.DBProxyTargetGroup:
    return rds.DBProxyTargetGroup(
        "ProxyTarget",
        Condition=HAS_PROXY,
        # Without these rules the proxy can't log in, and CloudFormation waits for that.
        DependsOn=["DatabaseFromProxy", "SecretsFromProxy"],
        DBProxyName=Ref("DatabaseProxy"),
        # The only name that RDS accepts.
        TargetGroupName="default",
        DBInstanceIdentifiers=If(
            GIVEN_CLUSTER,
            NoValue,
            [given_or_new(GIVEN_INSTANCE, Ref("DatabaseInstanceId"), Ref("DatabaseInstance"))],
        ),
        DBClusterIdentifiers=If(GIVEN_CLUSTER, [Ref("DatabaseClusterId")], NoValue),
        ConnectionPoolConfigurationInfo=rds.ConnectionPoolConfigurationInfoFormat(
            MaxConnectionsPercent=MOST_CONNECTIONS_PERCENT,
            MaxIdleConnectionsPercent=IDLE_CONNECTIONS_PERCENT,
            ConnectionBorrowTimeout=BORROW_SECONDS,
        ),
    )
