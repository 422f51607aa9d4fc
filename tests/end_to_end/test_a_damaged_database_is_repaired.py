"""The database loses rows or ledger rows: reconcile names it, and the named command repairs it."""

from __future__ import annotations

import gzip
import json
import re
import shlex
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest
from typer.testing import CliRunner

from etl.aws.target import Target
from etl.cli.main import app
from etl.deployment.laptop import bring_up
from etl.operations.batches import batches_of, start_over
from etl.operations.executions import follow
from etl.operations.reconciliation import gather
from infrastructure.settings import TriggerMode
from tests.unit.functions.transform.envelopes_for import line

CONTRACT = "contracts/fleet.toml"
TRIGGER: TriggerMode = "schedule"  # which never comes: only this test starts anything
TABLE = '"telemetry"."fleet_readings"'

pytestmark = pytest.mark.slow


class Fleet:
    """Batches that share keys, on a pipeline whose database is damaged."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.day = datetime.now(UTC).date()

    def key(self, batch: str) -> str:
        return f"raw/{self.day:%Y/%m/%d}/run-1/{batch}.n2.ndjson.gz"

    def stage(self, batch: str, first: int) -> None:
        """Two messages of ten readings; the last five are also the first five of the next batch."""
        envelope = {"topic": "telemetry/fleet/box-1", "client_id": "box-1"}
        messages = [
            {
                "device_id": "box-1",
                "readings": [
                    {"ts": f"2026-11-23T06:{n // 60:02}:{n % 60:02}Z", "temperature_c": n / 10}
                    for n in range(start, start + 10)
                ],
            }
            for start in (first, first + 10)
        ]
        lines = [line(m, first + n, **envelope) for n, m in enumerate(messages)]
        body = gzip.compress(b"\n".join(lines), mtime=0)
        s3 = self.target.client("s3")
        s3.put_object(Bucket=self.target.bucket, Key=self.key(batch), Body=body)

    def load(self, *batches: str) -> None:
        chosen = batches_of(self.target, [self.key(batch) for batch in batches])
        arn = start_over(self.target, chosen, "load", name="run-1")
        *_, (execution, _) = follow(self.target, arn)
        assert execution.status == "SUCCEEDED"

    def damage(self, statement: str) -> None:
        """Run statements as the owner of the stack's own database."""
        assert self.target.local is not None
        database = self.target.local.database
        password = Path(database.owner_password_file).read_text(encoding="utf-8").strip()
        with closing(
            psycopg2.connect(
                host=database.host,
                port=database.port,
                dbname=self.target.parameters["DatabaseName"],
                user=database.owner,
                password=password,
            )
        ) as connection:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)

    def etl(self, command: str) -> tuple[int, str]:
        program, *arguments = shlex.split(command)
        assert program == "etl"
        given = ["--stack", self.target.stack, "--state", str(self.target.state), *arguments]
        result = CliRunner().invoke(app, given)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result.exit_code, result.output

    def rows(self) -> list[tuple[object, ...]]:
        connection = self.target.connect()
        with connection, connection.cursor() as cursor:
            columns = ", ".join(column.name for column in self.target.contract.columns)
            cursor.execute(f"SELECT {columns} FROM {TABLE} ORDER BY device_id, ts")
            found = cursor.fetchall()
        connection.close()
        return found

    def deploy(self) -> None:
        """Deploy the same contract again."""
        bring_up(
            self.target.state,
            self.target.stack,
            Path(CONTRACT),
            trigger=TRIGGER,
            schedule="rate(1 day)",
            window=1,
            sweep="rate(1 day)",
        )

    def repaired(self, reconcile: str = "etl reconcile") -> None:
        """Give the commands that reconcile names, until it balances."""
        for _ in range(3):
            status, said = self.etl(reconcile)
            if status == 0:
                break
            commands = re.findall(r"^ +(etl .*)$", said, re.MULTILINE)
            assert commands, said
            status, output = self.etl(f"{commands[0]} --yes")
            assert status == 0, output
        status, said = self.etl(reconcile)
        assert status == 0, said

    def repaired_deeply(self) -> None:
        """The same for values."""
        assert self.etl("etl reconcile --deep")[0] == 1
        self.repaired("etl reconcile --deep")


@pytest.fixture(scope="module")
def fleet(pipeline: Target) -> Fleet:
    found = Fleet(pipeline)
    for number in range(3):
        found.stage(f"b{number}", number * 15)
    found.load("b0", "b1", "b2")
    assert gather(pipeline).problems() == []
    return found


BATCHES = "batch_id IN ('b0', 'b1')"


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (f"TRUNCATE {TABLE}", "0 rows in the table, 50 inserted"),
        (f"DELETE FROM {TABLE} WHERE ts >= '2026-11-23T06:00:12Z'", "12 rows in the table"),
        (f"DELETE FROM etl.ledger WHERE {BATCHES}", "2 batches that ended before have no row"),
        # The database as it was before the last two batches came.
        (
            f"DELETE FROM etl.ledger WHERE {BATCHES}; "
            f"DELETE FROM {TABLE} WHERE ts < '2026-11-23T06:00:30Z'",
            "2 batches that ended before have no row",
        ),
        (f"TRUNCATE {TABLE}, etl.ledger", "3 batches that ended before have no row"),
    ],
)
def test_what_was_lost_is_named_and_the_named_command_brings_it_back(
    fleet: Fleet, damage: str, named: str
) -> None:
    before = fleet.rows()
    fleet.damage(damage)
    found = gather(fleet.target)
    assert found.verdict.status == "not balanced"
    assert any(named in problem for problem in found.problems()), found.problems()
    fleet.repaired()
    assert fleet.rows() == before


def test_a_range_that_was_done_before_is_really_loaded_again(fleet: Fleet) -> None:
    span = f"--from {fleet.day} --to {fleet.day + timedelta(days=365)}"
    assert fleet.etl(f"etl backfill {span} --yes")[0] == 0
    assert "3 done, 0 left" in fleet.etl(f"etl backfill {span} --dry-run")[1].replace("\n", " ")
    before = fleet.rows()
    fleet.damage(f"DELETE FROM etl.ledger WHERE batch_id = 'b1'; DELETE FROM {TABLE}"
                 " WHERE ts BETWEEN '2026-11-23T06:00:20Z' AND '2026-11-23T06:00:29Z'")  # fmt: skip
    assert "2 done, 1 left" in fleet.etl(f"etl backfill {span} --dry-run")[1].replace("\n", " ")
    assert fleet.etl(f"etl backfill {span} --yes")[0] == 0
    assert fleet.rows() == before
    assert gather(fleet.target).problems() == []


def test_a_replay_loads_what_the_ledger_has_lost(fleet: Fleet) -> None:
    before = fleet.rows()
    fleet.damage(f"TRUNCATE {TABLE}, etl.ledger")
    assert fleet.etl("etl replay --batch b0 --batch b1 --batch b2 --yes")[0] == 0
    assert fleet.rows() == before
    assert gather(fleet.target).problems() == []


def test_changed_values_are_named_by_the_deep_check_alone(fleet: Fleet) -> None:
    before = fleet.rows()
    fleet.damage(f"UPDATE {TABLE} SET temperature_c = 84 WHERE ts <= '2026-11-23T06:00:03Z'")
    assert fleet.etl("etl reconcile")[0] == 0
    status, said = fleet.etl("etl reconcile --deep --json")
    assert status == 1
    found = json.loads(said)["deep"]
    assert (found["different"], found["columns"]) == (4, {"temperature_c": {"rows": 4, "nulls": 0}})
    assert found["command"] == "etl replay --repair --batch b0"
    fleet.repaired_deeply()
    assert fleet.rows() == before


def test_values_that_a_trigger_changed_are_refilled(fleet: Fleet) -> None:
    before = fleet.rows()
    fleet.damage(
        "CREATE FUNCTION telemetry.spoil() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.temperature_c := 84; NEW.seq := 1; RETURN NEW; END $$; "
        f"CREATE TRIGGER spoil BEFORE INSERT ON {TABLE} "
        "FOR EACH ROW EXECUTE FUNCTION telemetry.spoil(); "
        f"DELETE FROM {TABLE} WHERE ts <= '2026-11-23T06:00:17Z'"
    )
    fleet.repaired()
    assert fleet.rows() != before
    fleet.damage(f"DROP TRIGGER spoil ON {TABLE}; DROP FUNCTION telemetry.spoil()")
    assert fleet.etl("etl reconcile")[0] == 0
    fleet.repaired_deeply()
    assert fleet.rows() == before


def test_a_column_that_was_dropped_and_added_again_is_refilled(fleet: Fleet) -> None:
    before = fleet.rows()
    columns = "temperature_c", "received_at"
    fleet.damage("; ".join(f"ALTER TABLE {TABLE} DROP COLUMN {name} CASCADE" for name in columns))
    assert "has no column" in fleet.etl("etl reconcile --deep")[1]
    fleet.deploy()
    fleet.repaired_deeply()
    assert fleet.rows() == before


EVERYTHING = """
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT nspname FROM pg_namespace
        WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('information_schema', 'public')
    LOOP EXECUTE format('DROP SCHEMA %I CASCADE', name); END LOOP;
END $$
"""
"""Statement that leaves a database without tables, ledger and views; roles are the server's."""


def test_a_new_and_empty_database_is_filled_from_s3(fleet: Fleet) -> None:
    """The last resort, without any backup: deploy, then load all of `raw/`."""
    before = fleet.rows()
    fleet.damage(EVERYTHING)
    with pytest.raises(psycopg2.Error):
        fleet.rows()
    fleet.deploy()
    assert fleet.rows() == []
    span = f"--from {fleet.day} --to {fleet.day + timedelta(days=365)}"
    status, said = fleet.etl(f"etl backfill {span} --yes")
    assert status == 0, said
    assert fleet.rows() == before
    assert gather(fleet.target).problems() == []
