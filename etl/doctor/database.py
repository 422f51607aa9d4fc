"""Checks the database as far as this machine reaches it: TLS, login, version and privileges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from etl.deployment.deploy import FROM_PLATFORM
from etl.doctor.check_result import CheckResult, failed, not_checked, passed
from etl.doctor.examination import Examination
from etl.doctor.postgres_tls import TlsRefusedError, UnreachableError, verify_certificate
from telemetry.ddl import LEDGER, qualified

__all__ = ["check_certificate", "check_login"]

EXPIRES_SOON = timedelta(days=30)
LEAST_VERSION = 16
"""Oldest major version of PostgreSQL, as in docs/deploy.md."""
WITHIN_VPC = (
    "a database in a VPC is reached by the functions alone: run this on a machine in the VPC, or "
    "rely on the canary, which comes to the database"
)


def _address(examination: Examination) -> tuple[str, int, Path | None]:
    """Host, port and authorities: those of the settings, or of the stack where they name none."""
    settings = examination.settings[0].database
    host, port = settings.host, settings.port
    if host in {"", FROM_PLATFORM} and examination.deployed:
        values = examination.target.parameters
        host, port = values["DatabaseHost"], int(values["DatabasePort"])
    return host, port, settings.ca_file


def check_certificate(examination: Examination) -> Iterator[CheckResult]:
    """Verify the server's certificate with the authorities that the functions will have."""
    name = "database certificate"
    host, port, ca_file = _address(examination)
    mode = examination.settings[0].database.ssl_mode
    if mode != "verify-full":
        yield not_checked(
            name,
            f"database.ssl_mode is {mode}, so the certificate is not verified",
            "set it to verify-full",
        )
        return
    if host in {"", FROM_PLATFORM}:
        yield not_checked(name, "the platform stack has not created the database yet")
        return
    try:
        certificate = verify_certificate(host, port, ca_file)
    except UnreachableError as error:
        yield not_checked(name, str(error), WITHIN_VPC)
        return
    except TlsRefusedError as error:
        yield failed(
            name,
            str(error),
            "database.ca_file needs the authority that signed the server's certificate, and "
            "database.host the name in it: docs/deploy.md#3-get-the-certificate-authorities",
        )
        return
    finding = f"verified with {certificate.protocol}, valid until {certificate.expires:%Y-%m-%d}"
    soon = certificate.expires - datetime.now(UTC) < EXPIRES_SOON
    yield passed(name, finding, "renew the certificate: it expires soon" if soon else "")


def check_login(examination: Examination) -> Iterator[CheckResult]:
    """Log in as the loader, and compare version and privileges with what Load needs."""
    import psycopg2

    name = "database login"
    tables = [qualified(contract) for contract in examination.target.contracts]
    try:
        connection = examination.target.connect()
    except psycopg2.OperationalError as error:
        if "authentication failed" in str(error):
            yield failed(name, str(error).strip(), "run `etl deploy`: the migration sets passwords")
        else:
            yield not_checked(name, f"no connection: {str(error).strip()}", WITHIN_VPC)
        return
    with closing(connection), connection.cursor() as cursor:
        version = connection.server_version // 10_000
        closed = []
        for table in tables:
            cursor.execute(
                "SELECT to_regclass(%(table)s) IS NOT NULL AND to_regclass(%(ledger)s) IS NOT NULL",
                {"table": table, "ledger": LEDGER},
            )
            if not (cursor.fetchone() or (False,))[0]:
                yield failed(name, f"{table} or {LEDGER} does not exist", "run `etl deploy`")
                return
            cursor.execute(
                "SELECT has_table_privilege(%(table)s, 'INSERT')"
                " AND has_table_privilege(%(ledger)s, 'INSERT')",
                {"table": table, "ledger": LEDGER},
            )
            if not (cursor.fetchone() or (False,))[0]:
                closed.append(table)
    if version < LEAST_VERSION:
        yield failed(
            name, f"PostgreSQL {version}", f"upgrade to PostgreSQL {LEAST_VERSION} or newer"
        )
    elif closed:
        yield failed(
            name, f"the loader may not insert into {', '.join(closed)}", "run `etl deploy`"
        )
    else:
        into = ", ".join(tables)
        yield passed(name, f"PostgreSQL {version}; the loader may insert into {into}")
