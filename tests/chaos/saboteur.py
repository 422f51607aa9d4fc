"""Faults of the database, committed while a load waits at a point (see ``preload.ask``)."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2

from telemetry.contract import Contract
from tests.chaos.judging import table_of
from tests.chaos.rig import Rig

__all__ = ["Saboteur"]

HOLD_SECONDS = 1.0


class Saboteur:
    """A thread that does what ``preload.py`` asks for; it outlives every server it starts."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._stop = threading.Event()
        self._busy = threading.Event()
        self._thread = threading.Thread(target=self._run, name="saboteur")
        self.failures: dict[str, str] = {}
        """Faults that could not be committed, by their number: they have not happened."""
        self._acts: dict[str, Callable[[str, Callable[[], None]], None]] = {
            "db_cut": self._cut,
            "db_crash": self._crash,
            "db_restart": self._restart,
            "db_freeze": self._freeze,
            "db_lock": self._lock,
            "db_deadlock": self._deadlock,
        }

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def is_busy(self) -> bool:
        return self._busy.is_set()

    def _run(self) -> None:
        asked = self._rig.injector.folder / "asked"
        while not self._stop.is_set():
            requests = sorted(asked.glob("*.json"))
            if not requests:
                self._stop.wait(0.01)
            for file in requests:
                self._busy.set()
                request = json.loads(file.read_text())
                self._act(request)
                file.unlink()
            self._busy.clear()

    def _act(self, request: dict[str, str]) -> None:
        answered = self._rig.injector.folder / "answered" / request["id"]
        batch = request["subject"].removeprefix("batch ")
        try:
            self._acts[request["kind"]](batch, answered.touch)
        except Exception as error:
            self.failures[request["id"]] = f"{request}: {type(error).__name__}: {error}"
        answered.touch()

    def connect(self) -> Any:
        """As the superuser, in the pipeline's database; waits while another fault has it away."""
        self._rig.wait_for_database()
        database = self._rig.postgres.database
        password = (self._rig.postgres.folder / "superuser_password").read_text().strip()
        connection = psycopg2.connect(
            host=database.host,
            port=database.port,
            dbname=database.name,
            user="postgres",
            password=password,
            application_name="chaos",
            connect_timeout=60,
        )
        connection.autocommit = True
        return connection

    def _backend(self, batch: str) -> int | None:
        """Process id of the server process that loads the batch; ``None`` where a crash on behalf
        of another batch has ended it already, or it has committed and is gone."""
        application = f"telemetry load {batch}"[:63]
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = %s "
                "ORDER BY backend_start DESC LIMIT 1",
                (application,),
            )
            found = cursor.fetchone()
            return int(found[0]) if found else None

    def _wanted(self, batch: str) -> int:
        """As :meth:`_backend`; where there is none, the fault does not happen."""
        pid = self._backend(batch)
        if pid is None:
            raise ProcessLookupError("the load's connection is gone already")
        return pid

    def _cut(self, batch: str, _: Callable[[], None]) -> None:
        pid = self._wanted(batch)
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 60000)", (pid,))
            assert cursor.fetchone()[0]

    def _crash(self, batch: str, _: Callable[[], None]) -> None:
        """One server process dies: PostgreSQL cuts all others, and replays its log."""
        pid = self._backend(batch)
        if pid is None:  # any other will do
            with closing(self.connect()) as connection, connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                os.kill(cursor.fetchone()[0], signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)

    def _restart(self, _: str, answer: Callable[[], None]) -> None:
        self._rig.kill_postgres()
        answer()  # the load goes on, and finds nobody there
        time.sleep(HOLD_SECONDS)
        self._rig.revive_postgres()

    def _freeze(self, batch: str, answer: Callable[[], None]) -> None:
        pid = self._wanted(batch)
        os.kill(pid, signal.SIGSTOP)
        try:
            answer()
            time.sleep(HOLD_SECONDS)
        finally:
            os.kill(pid, signal.SIGCONT)

    def _lock(self, batch: str, answer: Callable[[], None]) -> None:
        contract, _ = self._copy_of(batch)
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN")
            # Others' uncommitted rows would make this wait for them: they are waiting for us.
            cursor.execute("SET LOCAL lock_timeout = '200ms'")
            try:
                cursor.execute(f"LOCK TABLE {table_of(contract)} IN SHARE MODE")
            except psycopg2.errors.LockNotAvailable:
                cursor.execute("ROLLBACK; BEGIN")
                cursor.execute("LOCK TABLE etl.ledger IN SHARE MODE")
            answer()
            time.sleep(HOLD_SECONDS)
            cursor.execute("ROLLBACK")

    def _deadlock(self, batch: str, answer: Callable[[], None]) -> None:
        """We hold the batch's line of the ledger and want a row that the load has inserted."""
        contract, key = self._copy_of(batch)
        values = self._first_key(contract, key)
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            # The server ends the one whose patience ends first: the load.
            cursor.execute("SET deadlock_timeout = '10min'")
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE etl.ledger IN SHARE ROW EXCLUSIVE MODE")
            answer()
            cursor.execute(
                f"INSERT INTO {table_of(contract)} ({', '.join(contract.key)}, received_at) "
                f"VALUES ({', '.join(['%s'] * len(values))}, now()) ON CONFLICT DO NOTHING",
                values,
            )
            cursor.execute("ROLLBACK")

    def _copy_of(self, batch: str) -> tuple[Contract, str]:
        """The contract that a batch was made with, and the key of its COPY-ready object."""
        s3, bucket = self._rig.client("s3"), self._rig.target.bucket
        found = s3.list_objects_v2(Bucket=bucket, Prefix=f"copy/{batch}.")["Contents"]
        key = next(entry["Key"] for entry in found if entry["Key"].endswith(".csv"))
        digest = key.split(".")[1]
        return next(one for one in self._rig.contracts if one.digest == digest), key

    def _first_key(self, contract: Contract, key: str) -> list[str]:
        """Values of the contract's key in the first row of a COPY-ready object."""
        answer = self._rig.client("s3").get_object(Bucket=self._rig.target.bucket, Key=key)
        row = next(csv.reader(io.StringIO(answer["Body"].readline().decode())))
        names = [column.name for column in contract.columns]
        return [row[names.index(name)] for name in contract.key]
