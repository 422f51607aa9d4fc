"""``verify-full`` on the laptop: who is trusted, who is not, and that rows pass unharmed."""

from __future__ import annotations

import io
import json
import stat
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from local.certificates import write_certificates
from local.database import Database
from local.postgres import temporary_server
from telemetry import database as shared
from telemetry.errors import ConfigurationError, DatabaseRefusedError
from telemetry.settings import DatabaseSettings


@pytest.fixture(scope="module")
def server() -> Iterator[Database]:
    with temporary_server(tls=True) as database:
        yield database


def connect(server: Database, **changed: Any) -> Any:
    options = {
        "host": server.host,
        "port": server.tls_port,
        "dbname": server.name,
        "user": server.owner,
        "password": server.owner_password,
        "sslmode": "verify-full",
        "sslrootcert": str(server.ca_file),
        "connect_timeout": 60,
    }
    return psycopg2.connect(**{**options, **changed})


def test_verify_full_connects_and_copies_both_ways(server: Database) -> None:
    rows = "".join(f"{number},{'x' * 90}\n" for number in range(50_000))
    with closing(connect(server)) as connection, connection.cursor() as cursor:
        assert connection.info.ssl_in_use
        cursor.execute("CREATE TEMPORARY TABLE t (a int, b text)")
        cursor.copy_expert("COPY t FROM STDIN (FORMAT csv)", io.StringIO(rows), size=1 << 18)
        back = io.StringIO()
        cursor.copy_expert("COPY (SELECT * FROM t ORDER BY a) TO STDOUT (FORMAT csv)", back)
    assert back.getvalue() == rows


def test_localhost_is_in_the_certificate_as_well(server: Database) -> None:
    connect(server, host="localhost", hostaddr=server.host).close()


def test_another_name_is_refused(server: Database) -> None:
    with pytest.raises(psycopg2.OperationalError, match="does not match host name"):
        connect(server, host="db.example", hostaddr=server.host)


def test_another_authority_is_refused(server: Database, tmp_path: Any) -> None:
    write_certificates(tmp_path, server.host)
    with pytest.raises(psycopg2.OperationalError, match="certificate verify failed"):
        connect(server, sslrootcert=str(tmp_path / "ca.crt"))


def test_a_client_without_tls_is_refused(server: Database) -> None:
    with pytest.raises(psycopg2.OperationalError, match="speaks TLS only"):
        connect(server, sslmode="disable", sslrootcert="")


def test_the_servers_key_is_private_and_the_authoritys_is_nowhere(server: Database) -> None:
    assert server.ca_file is not None
    folder = server.ca_file.parent
    assert stat.S_IMODE((folder / "server.key").stat().st_mode) == 0o600
    assert sorted(path.name for path in folder.iterdir()) == ["ca.crt", "server.crt", "server.key"]


@pytest.fixture
def variables(server: Database, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A function's environment, its zip being the folder of the certificates."""
    assert server.ca_file is not None
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(server.ca_file.parent))
    monkeypatch.setenv("DATABASE_SSLROOTCERT", "ca.crt")
    for name, value in (
        ("HOST", server.host),
        ("PORT", str(server.tls_port)),
        ("NAME", server.name),
        ("SSLMODE", "verify-full"),
    ):
        monkeypatch.setenv(f"DATABASE_{name}", value)
    login = {"username": server.owner, "password": server.owner_password}
    monkeypatch.setitem(shared._cache, "arn:owner", shared._parse("arn:owner", json.dumps(login)))
    return monkeypatch


@pytest.mark.usefixtures("variables")
def test_a_function_finds_the_authorities_in_its_zip() -> None:
    with closing(shared.connect(DatabaseSettings.from_environment(), "arn:owner", "test")) as found:
        assert found.info.ssl_in_use


def test_a_function_without_the_authorities_says_so(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("DATABASE_SSLROOTCERT", "gone.pem")
    with pytest.raises(ConfigurationError, match="DATABASE_SSLROOTCERT names"):
        DatabaseSettings.from_environment()
    variables.delenv("DATABASE_SSLROOTCERT")
    variables.setenv("HOME", "/nowhere")
    variables.setattr(
        shared, "credentials", lambda _secret, fresh=False: shared._cache["arn:owner"]
    )
    with pytest.raises(DatabaseRefusedError, match="root certificate file"):
        shared.connect(DatabaseSettings.from_environment(), "arn:owner", "test")
