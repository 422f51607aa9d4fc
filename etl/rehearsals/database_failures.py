"""Failures of PostgreSQL: the server away, the loader's password changed."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import sql

from etl.operations.loader_rotation import rotate_loader
from etl.rehearsals.model import Expected, Rehearsal, Step
from etl.rehearsals.scene import Scene, measurements
from local.database import superuser_connection
from local.stack import down_servers, read

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

__all__ = ["DatabaseAway", "WrongPassword", "publish_batch", "superuser"]

MESSAGES, READINGS = 20, 10


def publish_batch(scene: Scene, name: str) -> Expected:
    """Publish messages without a flaw."""
    messages = [measurements(READINGS) for _ in range(MESSAGES)]
    receipt = scene.send(name, "box-1", messages)
    return Expected(rows=receipt.readings)


def superuser(scene: Scene) -> Connection:
    """A connection of PostgreSQL's superuser, each statement committed by itself."""
    local = scene.target.local
    assert local is not None  # noqa: S101 - rehearsals have local stacks only
    return superuser_connection(
        local.database.port, scene.state / "postgres", scene.target.parameters["DatabaseName"]
    )


class DatabaseAway(Rehearsal):
    """PostgreSQL is killed and can't start: a file of its cluster was moved."""

    name = "database-away"
    sentence = "PostgreSQL dies and doesn't come back."
    advice = (
        "`etl status` names the server that is down; executions fail with "
        "DatabaseUnavailableError. Bring the server back. The sweep then loads what failed "
        "without a command; the replay only saves the wait."
    )

    def provoke(self, scene: Scene) -> Expected:
        """Kill the server, with a file away that it can't start without."""
        control, away = _control_file(scene.state)
        control.rename(away)
        running = read(scene.state)
        assert running is not None  # noqa: S101 - it was started a moment ago
        os.kill(running.processes["postgres"].pid, signal.SIGKILL)
        return publish_batch(scene, self.name)

    def await_symptom(self, scene: Scene) -> None:
        """Wait for the supervisor to notice, and for a batch to fail."""
        scene.wait("the supervisor reports PostgreSQL as down", lambda: _is_down(scene.state))
        scene.await_status("failed", "a batch has failed in all its retries")

    def looks(self, scene: Scene) -> Sequence[Step]:
        """The server that is down, and the executions that failed."""
        return scene.etl("status"), scene.etl("executions", "--failed", "--from", "10m")

    def repairs(self, scene: Scene) -> Sequence[Step]:
        """Put the file back; the supervisor starts the server."""
        control, away = _control_file(scene.state)
        return (
            Step(f"mv '{away}' '{control}'", lambda: self._bring_back(scene)),
            scene.etl("replay", "--failed", "--yes"),
        )

    def _bring_back(self, scene: Scene) -> None:
        self.restore(scene.state)
        scene.wait("PostgreSQL runs again", lambda: not _is_down(scene.state))

    def restore(self, state: Path) -> None:
        """Put the file back."""
        control, away = _control_file(state)
        if away.exists():
            away.rename(control)

    def undo(self, scene: Scene) -> None:
        """Put the file back, and wait for the server."""
        self._bring_back(scene)


def _control_file(state: Path) -> tuple[Path, Path]:
    control = state / "postgres" / "data" / "global" / "pg_control"
    return control, control.with_name("pg_control.away")


def _is_down(state: Path) -> bool:
    return any(one.role == "postgres" for one in down_servers(state))


class WrongPassword(Rehearsal):
    """The loader's password is changed in PostgreSQL, and not in its secret."""

    name = "wrong-password"
    sentence = "The loader's password in PostgreSQL is not the one in its secret."
    advice = (
        "Executions fail with SchemaBehindError, whose text says that the loader's role has "
        "another password than its secret. A rotation makes a new login and stores it."
    )

    def provoke(self, scene: Scene) -> Expected:
        """Change the password of the role that loads, and end its sessions."""
        role = scene.target.database_settings("loader")["user"]
        with closing(superuser(scene)) as connection, connection.cursor() as cursor:
            changed = sql.SQL("ALTER ROLE {} PASSWORD 'not the one in the secret'")
            cursor.execute(changed.format(sql.Identifier(role)))
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (role,)
            )
        return publish_batch(scene, self.name)

    def await_symptom(self, scene: Scene) -> None:
        """Wait for a batch to fail."""
        scene.await_status("failed", "a batch has failed in all its retries")

    def looks(self, scene: Scene) -> Sequence[Step]:
        """The executions that failed, with the cause."""
        return (scene.etl("executions", "--failed", "--from", "10m"),)

    def repairs(self, scene: Scene) -> Sequence[Step]:
        """Make a new login, and load what failed."""
        return (
            scene.etl("database", "rotate", "--yes"),
            scene.etl("replay", "--failed", "--yes"),
        )

    def undo(self, scene: Scene) -> None:
        """Make a new login where the secret's is refused."""
        try:
            scene.target.connect().close()
        except psycopg2.OperationalError:
            rotate_loader(scene.target)
