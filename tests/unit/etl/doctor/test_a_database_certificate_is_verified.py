"""TLS of a database, as libpq's verify-full sees it, against a server of this test."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from etl.doctor import postgres_tls
from etl.doctor.database import check_certificate
from etl.doctor.postgres_tls import SSL_REQUEST
from infrastructure.settings import DatabaseSettings
from local.certificates import write_certificates
from tests.unit.etl.doctor.stubbed import SETTINGS, account


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_tls, "SECONDS", 120.0)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    write_certificates(folder, "127.0.0.1")
    write_certificates(folder / "other", "127.0.0.1")
    write_certificates(folder / "elsewhere", "127.0.0.9")
    return folder


@contextmanager
def server(folder: Path | None) -> Iterator[int]:
    """One connection of a PostgreSQL server that has this certificate, or no TLS at all."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                assert connection.recv(8) == SSL_REQUEST
                connection.sendall(b"S" if folder else b"N")
                if folder:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(folder / "server.crt", folder / "server.key")
                    try:
                        context.wrap_socket(connection, server_side=True).close()
                    except OSError:
                        return  # refused by the client, as the test wants

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def checked(port: int, ca_file: Path | None, **members: object) -> tuple[str, str]:
    database = DatabaseSettings(host="127.0.0.1", port=port, ca_file=ca_file, **members)
    settings = replace(SETTINGS, database=database)
    with account() as aws:
        [found] = check_certificate(aws.examination(load_settings=lambda: (settings, None)))
    return found.status, found.finding


def test_chain_and_name_are_verified(certificates: Path) -> None:
    with server(certificates) as port:
        status, finding = checked(port, certificates / "ca.crt")
    assert status == "pass"
    assert finding.startswith("verified with TLSv1.3, valid until 20")


def test_another_authority_fails(certificates: Path) -> None:
    with server(certificates) as port:
        status, finding = checked(port, certificates / "other" / "ca.crt")
    assert status == "fail"
    assert "can't be verified" in finding


def test_another_name_fails(certificates: Path) -> None:
    elsewhere = certificates / "elsewhere"
    with server(elsewhere) as port:
        status, finding = checked(port, elsewhere / "ca.crt")
    assert status == "fail"
    assert "127.0.0.1" in finding


def test_a_server_without_tls_fails() -> None:
    with server(None) as port:
        status, finding = checked(port, None)
    assert (status, finding) == ("fail", f"127.0.0.1:{port} offers no TLS")


def test_a_database_out_of_reach_is_not_checked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    status, finding = checked(port, None)
    assert status == "not checked"
    assert "can't be reached from here" in finding


def test_a_mode_that_verifies_nothing_is_not_checked() -> None:
    assert checked(5432, None, ssl_mode="require")[0] == "not checked"
