"""The record of the servers says in words what died and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local import certificates
from local.health import Health, ServerHealth, how_it_ended, read_health, write_health


@pytest.mark.parametrize(
    ("status", "log", "words"),
    [
        (-9, "", "it was killed by SIGKILL"),
        (0, "", "it was stopped from outside (exit status 0)"),
        (
            1,
            "starting\nFATAL:  no pg_control\n",
            "it ended with exit status 1: FATAL:  no pg_control",
        ),
        (2, "PANIC:  could not write: No space left on device\n", "the disk is full"),
        (-9, "No space left on device\n", "it was killed by SIGKILL"),
        (-6, "PANIC:  could not write: No space left on device\nshut down\n", "the disk is full"),
    ],
)
def test_the_reason_is_the_signal_the_log_or_the_full_disk(
    tmp_path: Path, status: int, log: str, words: str
) -> None:
    file = tmp_path / "server.log"
    file.write_text(log)
    assert how_it_ended(status, file).startswith(words)


def test_an_old_full_disk_is_not_the_reason_of_a_new_death(tmp_path: Path) -> None:
    file = tmp_path / "server.log"
    file.write_text("No space left on device\n" + "ready\n" * 100)
    assert how_it_ended(-11, file) == "it was killed by SIGSEGV"


def test_the_record_is_read_as_it_was_written_and_tells_down_from_back(tmp_path: Path) -> None:
    health = Health({"postgres": ServerHealth("postgres", since="t0", log_file="pg.log")})
    assert health.servers["postgres"].sentence() == ""
    dead = health.of("postgres", running=False, reason="it was killed by SIGKILL")
    write_health(tmp_path, dead)
    found = read_health(tmp_path)
    assert found is not None
    assert found.servers == dead.servers
    [down] = found.down
    assert down.sentence().startswith("PostgreSQL is down since")
    assert "it was killed by SIGKILL" in down.sentence()
    again = found.of("postgres", running=True)
    assert again.down == []
    assert "runs again since" in again.servers["postgres"].sentence()
    assert again.servers["postgres"].restarts == 1


def test_certificates_are_kept_while_they_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not certificates.still_valid(tmp_path)
    certificates.write_certificates(tmp_path, "127.0.0.1")
    assert certificates.still_valid(tmp_path)
    key = (tmp_path / "server.key").read_bytes()
    certificates.write_certificates(tmp_path, "127.0.0.1")
    (tmp_path / "server.key").write_bytes(key)
    assert not certificates.still_valid(tmp_path), "a key of other certificates"
    certificates.write_certificates(tmp_path, "127.0.0.1")

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(days=340)

    monkeypatch.setattr(certificates, "datetime", Later)
    assert not certificates.still_valid(tmp_path), "they end within a month"
