from contextlib import closing
from dataclasses import replace

import psycopg2
import pytest

from functions.migrate import handler
from functions.migrate.migration import migrate
from telemetry import database as shared
from telemetry.contract import Contract, ContractSet
from telemetry.database import Credentials
from telemetry.errors import ConfigurationError, ContractError, DatabaseUnavailableError
from telemetry.settings import DatabaseSettings
from tests.fixtures.aws_fakes import FakeAws
from tests.fixtures.telemetry_database import CONTRACT, TABLE, TelemetryDatabase, column


def grown(contract: Contract, *columns):
    return replace(contract, columns=(*contract.columns, *columns))


def test_a_fresh_database_gets_everything(empty_database: TelemetryDatabase):
    done = empty_database.migrate()
    assert done.table[0] == 'CREATE SCHEMA IF NOT EXISTS "telemetry"'
    assert empty_database.rows() == []
    assert empty_database.ledger() == {}


def test_the_second_time_changes_nothing(database: TelemetryDatabase):
    done = database.migrate()
    assert (done.table, done.role) == ([], "updated")


def test_a_new_column_is_added_and_the_rows_stay(database: TelemetryDatabase):
    database.query(f"INSERT INTO {TABLE} VALUES ('a', now(), 1, NULL)")
    done = database.migrate(grown(CONTRACT, column("co2", "float", unit="ppm")))
    assert len(done.table) == 2
    assert database.query(f"SELECT device_id, co2 FROM {TABLE}") == [("a", None)]
    assert database.query(f"SELECT col_description('{TABLE}'::regclass, 5)") == [("[ppm]",)]


def test_a_ledger_of_before_gets_what_is_new(database: TelemetryDatabase):
    database.query(
        "ALTER TABLE etl.ledger DROP CONSTRAINT every_reading_is_accounted_for, DROP set_aside CASCADE, "
        "ADD CONSTRAINT every_reading_is_accounted_for "
        "CHECK (read = accepted + duplicates + rejected)"
    )
    columns = (
        "batch_id, raw_key, execution, contract, contract_digest, status, messages, read, "
        "accepted, duplicates, rejected, inserted, updated, unchanged"
    )
    row = "'', '', '', '', 'loaded', 1, %s, 1, 0, 0, 1, 0, 0"
    database.query(f"INSERT INTO etl.ledger ({columns}) VALUES ('old', {row})", 1)
    for _ in range(2):
        database.migrate()
    assert database.query("SELECT batch_id, set_aside FROM etl.ledger") == [("old", 0)]
    database.query(f"INSERT INTO etl.ledger ({columns}, set_aside) VALUES ('new', {row}, 4)", 5)
    with pytest.raises(psycopg2.errors.CheckViolation, match="every_reading_is_accounted_for"):
        database.query(f"INSERT INTO etl.ledger ({columns}) VALUES ('bad', {row})", 5)


def test_a_ledger_without_discarded_batches_learns_of_them(database: TelemetryDatabase):
    database.query(
        "ALTER TABLE etl.ledger DROP inserted_before CASCADE, DROP loads, "
        "DROP CONSTRAINT ledger_status_check, "
        "ADD CHECK (status IN ('loaded', 'quarantined'))"
    )
    columns = (
        "batch_id, raw_key, execution, contract, contract_digest, status, messages, read, "
        "accepted, duplicates, rejected, inserted, updated, unchanged"
    )
    row = "'', '', '', '', %s, 1, 1, 1, 0, 0, 0, 0, 0"
    statement = f"INSERT INTO etl.ledger ({columns}) VALUES (%s, {row})"
    database.query(statement, "old", "quarantined")
    with pytest.raises(psycopg2.errors.CheckViolation):
        database.query(statement, "new", "discarded")
    for _ in range(2):
        database.migrate()
    database.query(statement, "new", "discarded")
    with pytest.raises(psycopg2.errors.CheckViolation):
        database.query(statement, "bad", "lost")
    found = database.query("SELECT batch_id, inserted_before, loads FROM etl.ledger ORDER BY 1")
    assert found == [("new", 0, 1), ("old", 0, 1)]


def test_the_loader_has_only_so_many_connections(database: TelemetryDatabase):
    limit = "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'telemetry_loader'"
    assert database.query(limit) == [(50,)]
    with closing(database.connect_owner()) as connection:
        migrate(connection, CONTRACT, database.loader, connections=2)
    assert database.query(limit) == [(2,)]
    server = database.server
    settings = DatabaseSettings(
        host=server.host, name=server.name, port=server.port, sslmode="prefer"
    )
    with closing(database.connect_loader()), closing(database.connect_loader()):
        with pytest.raises(DatabaseUnavailableError, match="too many connections"):
            shared.connect_as(settings, database.loader, "one too many")


def test_a_refused_change_leaves_all_as_it_was(database: TelemetryDatabase):
    changed = (*CONTRACT.columns[:2], column("value", "integer"), CONTRACT.columns[3])
    contract = grown(replace(CONTRACT, columns=changed), column("co2", "float"))
    with pytest.raises(ContractError, match="TYPE integer"):
        database.migrate(contract)
    assert database.migrate().table == []


def test_the_statement_of_a_refusal_does_what_is_needed(database: TelemetryDatabase):
    database.query(f"INSERT INTO {TABLE} VALUES ('a', now(), 1.6, NULL)")
    changed = (*CONTRACT.columns[:2], column("value", "integer"), CONTRACT.columns[3])
    contract = replace(CONTRACT, columns=changed)
    with pytest.raises(ContractError) as caught:
        database.migrate(contract)
    database.query("\n".join(str(caught.value).splitlines()[1:]))
    assert database.migrate(contract).table == []
    assert database.query(f"SELECT value FROM {TABLE}") == [(2,)]


def test_a_view_of_that_name_is_refused(empty_database: TelemetryDatabase):
    empty_database.query('CREATE SCHEMA telemetry CREATE VIEW "readings" AS SELECT 1 AS x')
    with pytest.raises(ContractError, match="not a table"):
        empty_database.migrate()


@pytest.mark.parametrize("word", ["SELECT", "INSERT", "UPDATE"])
def test_the_loader_may_load(database: TelemetryDatabase, word):
    found = database.query(
        "SELECT has_table_privilege(%s, %s, %s)", "telemetry_loader", TABLE, word
    )
    assert found == [(True,)]


@pytest.mark.parametrize(
    "statement",
    [
        f"DELETE FROM {TABLE}",
        f"TRUNCATE {TABLE}",
        f"DROP TABLE {TABLE}",
        f"ALTER TABLE {TABLE} ADD COLUMN x int",
        "CREATE TABLE telemetry.mine (x int)",
        "CREATE TABLE etl.mine (x int)",
        "CREATE ROLE mine",
        "DELETE FROM etl.ledger",
        "CREATE SCHEMA mine",
    ],
)
def test_the_loader_may_do_nothing_else(database: TelemetryDatabase, statement):
    connection = database.connect_loader()
    with connection.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute(statement)
    connection.close()


@pytest.mark.parametrize("password", ["it's", 'a"b\\c', "pass word;--", "пароль", "p%s{}$$"])
def test_the_loaders_password_may_hold_anything(database: TelemetryDatabase, password):
    database.loader = Credentials("telemetry_loader", password)
    database.migrate()
    server = database.server
    psycopg2.connect(
        host=server.host,
        port=server.port,
        dbname=server.name,
        user="telemetry_loader",
        password=password,
    ).close()


def test_the_server_never_sees_the_password(database: TelemetryDatabase, monkeypatch):
    seen = []
    real = psycopg2.extensions.cursor.execute

    class Spy(psycopg2.extensions.cursor):
        def execute(self, statement, values=None):
            seen.append(str(statement))
            return real(self, statement, values)

    monkeypatch.setattr(
        database,
        "connect_owner",
        lambda: psycopg2.connect(database.server.dsn(), cursor_factory=Spy),
    )
    done = database.migrate()
    assert any("PASSWORD 'SCRAM-SHA-256$" in statement for statement in seen)
    assert not any(database.loader.password in text for text in [*seen, str(done)])


def test_the_owner_can_not_be_the_loader(database: TelemetryDatabase):
    database.loader = Credentials(database.server.owner, "x")
    with pytest.raises(ConfigurationError, match="a role of its own"):
        database.migrate()


def test_the_function_reads_all_secrets(
    empty_database: TelemetryDatabase, aws: FakeAws, monkeypatch, capsys
):
    server = empty_database.server
    monkeypatch.setattr(handler, "load_contracts", lambda: ContractSet((CONTRACT,)))
    monkeypatch.setenv("LOADER_SECRET_ARN", "arn:loader")
    monkeypatch.setenv("OWNER_SECRET_ARN", "arn:owner")
    monkeypatch.setenv("ANALYST_SECRET_ARN", "arn:analyst")
    for name, value in (
        ("HOST", server.host),
        ("PORT", str(server.port)),
        ("NAME", server.name),
        ("SSLMODE", "prefer"),
    ):
        monkeypatch.setenv(f"DATABASE_{name}", value)
    aws.secrets.hold("arn:loader", "telemetry_loader", "not to be logged")
    aws.secrets.hold("arn:owner", server.owner, server.owner_password)
    aws.secrets.hold("arn:analyst", "telemetry_analyst", "nor is this")
    monkeypatch.setattr(handler, "DEPLOY_SECONDS", 240.0)
    done = handler.handle({}, None)
    assert done["role"] in ("created", "updated")
    assert len(done["table"]) >= 2
    assert done["left"] == 0
    output = capsys.readouterr().out
    assert "not to be logged" not in output + str(done)
    assert server.owner_password not in output + str(done)
    assert "nor is this" not in output + str(done)
    shared.forget_credentials()
    psycopg2.connect(server.dsn("telemetry_loader", "'not to be logged'")).close()
