"""The disk of PostgreSQL is full, as far as the readings' table is concerned."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from psycopg2 import sql

from etl.rehearsals.database_failures import superuser
from etl.rehearsals.model import Expected, Rehearsal, Step
from etl.rehearsals.scene import Scene, measurements
from local.small_disk import SmallDisk, owner_of_cluster, why_none

__all__ = ["DiskFull"]

OBJECT = sql.Identifier("game_day_full")
"""Name of the index and of its tablespace."""


class DiskFull(Rehearsal):
    """The table gets an index on a disk of a megabyte, which is filled.

    PostgreSQL then answers a load as it does with any full disk: "could not extend file: No space
    left on device", SQLSTATE 53100. The index holds no data of its own, so nothing is lost where
    the small disk goes away before the index.
    """

    name = "disk-full"
    sentence = "PostgreSQL's disk is full."
    advice = (
        "Executions fail with DatabaseUnavailableError, whose text says: No space left on device. "
        "Make room. The sweep then loads what failed without a command; the replay only saves the "
        "wait."
    )
    messages = 60

    def __init__(self) -> None:
        self._disk: SmallDisk | None = None

    def unavailable(self) -> str:
        """Say why there can be no small disk here."""
        return why_none(owner_of_cluster())

    def provoke(self, scene: Scene) -> Expected:
        """Put an index of the table on a small disk, and fill that."""
        self._disk = disk = SmallDisk(owner_of_cluster(scene.state))
        contract = scene.target.contract
        table = sql.Identifier(contract.schema, contract.table)
        columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in contract.columns)
        with closing(superuser(scene)) as connection, connection.cursor() as cursor:
            create = sql.SQL("CREATE TABLESPACE {} LOCATION {}")
            cursor.execute(create.format(OBJECT, sql.Literal(str(disk.folder))))
            index = sql.SQL("CREATE INDEX {} ON {} ({}) TABLESPACE {}")
            cursor.execute(index.format(OBJECT, table, columns, OBJECT))
        disk.fill()
        messages = [measurements(10) for _ in range(self.messages)]
        receipt = scene.send(self.name, "box-1", messages)
        return Expected(rows=receipt.readings)

    def await_symptom(self, scene: Scene) -> None:
        """Wait for a batch to fail."""
        scene.await_status("failed", "a batch has failed in all its retries")

    def looks(self, scene: Scene) -> Sequence[Step]:
        """The executions that failed, with the server's text."""
        return (scene.etl("executions", "--failed", "--from", "10m"),)

    def repairs(self, scene: Scene) -> Sequence[Step]:
        """Make room, and load what failed."""
        disk = self._disk
        assert disk is not None  # noqa: S101 - provoke() has made it
        return (
            Step(f"rm '{disk.ballast}'", disk.clear),
            scene.etl("replay", "--failed", "--yes"),
        )

    def undo(self, scene: Scene) -> None:
        """Drop the index, its tablespace, and the small disk."""
        with closing(superuser(scene)) as connection, connection.cursor() as cursor:
            schema = sql.Identifier(scene.target.contract.schema)
            cursor.execute(sql.SQL("DROP INDEX IF EXISTS {}.{}").format(schema, OBJECT))
            cursor.execute(sql.SQL("DROP TABLESPACE IF EXISTS {}").format(OBJECT))
        if self._disk is not None:
            self._disk.close()
            self._disk = None
