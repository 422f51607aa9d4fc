"""Start, stop and find the local stack of one state folder.

A supervisor (:mod:`local.supervisor`) owns PostgreSQL, the emulator and the trace store, and says
where they are in ``<state>/stack.json``. Everything lies in the state folder, so that two copies
of the project never meet. The database and the account outlive :func:`stop`; :func:`delete` ends
them.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from layers.folders import ROOT, child_environment
from local.database import Database
from local.health import ServerHealth, read_health
from telemetry.errors import UserError

if TYPE_CHECKING:
    from local.emulator.launcher import EmulatorEndpoint
    from local.traces.launcher import TraceEndpoint

__all__ = [
    "LocalStack",
    "LocalStackError",
    "ProcessId",
    "clear_leftovers",
    "death_of",
    "delete",
    "down_servers",
    "has_data",
    "read",
    "start",
    "stop",
    "write",
]

_START_TIMEOUT = 120.0
_STOP_TIMEOUT = 60.0
_RESTART_TIMEOUT = 10.0
_DATA = ("postgres", "emulator", "traces", "devices", "database-ca", "reconciliation")
"""Folders with what the servers keep, and with what is worth nothing without it."""
_FILE = "stack.json"

_started: dict[Path, subprocess.Popen[bytes]] = {}
"""Supervisors that this process started, with the pipe whose end tells one to stop."""


class LocalStackError(UserError):
    """Raised when the local stack can't be started; the message quotes the supervisor's log."""


@dataclass(frozen=True)
class ProcessId:
    """A process, distinguished from a later one with the same number by its start time."""

    pid: int
    create_time: float

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """Identity of a running process."""
        return cls(pid, psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """The process, or ``None`` once it has ended."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.create_time) < 0.01
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


@dataclass(frozen=True)
class LocalStack:
    """Addresses and credentials of a running local stack; every address is on the loopback."""

    state: Path
    endpoint_url: str
    """Serves every AWS API except X-Ray."""
    xray_endpoint_url: str
    region: str
    access_key_id: str
    secret_access_key: str
    session_token: str
    """Secret of this run: who has it may run code as whoever started the stack."""
    mqtt_host: str
    mqtt_port: int
    mqtt_ca: Path
    """File with the CA certificate that devices verify the MQTT listener with."""
    database: Database
    processes: dict[str, ProcessId]
    """Processes by role: supervisor, postgres, emulator, traces."""
    log_files: dict[str, Path]

    @classmethod
    def of(
        cls,
        state: Path,
        emulator: EmulatorEndpoint,
        traces: TraceEndpoint,
        database: Database,
        processes: dict[str, ProcessId],
        log_files: dict[str, Path] | None = None,
    ) -> LocalStack:
        """The stack of servers that have been started."""
        return cls(
            state=state,
            endpoint_url=emulator.endpoint_url,
            xray_endpoint_url=traces.endpoint_url,
            region=emulator.region,
            access_key_id="test",
            secret_access_key="test",  # noqa: S106  # the session token is the secret
            session_token=emulator.session_token,
            mqtt_host=emulator.mqtt_host,
            mqtt_port=emulator.mqtt_port,
            mqtt_ca=emulator.mqtt_ca,
            database=database,
            processes=processes,
            log_files=log_files or {},
        )

    def client_settings(self, service: str) -> dict[str, str]:
        """Keyword arguments for ``boto3.client(service, ...)``."""
        return {
            "endpoint_url": self.xray_endpoint_url if service == "xray" else self.endpoint_url,
            "region_name": self.region,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "aws_session_token": self.session_token,
        }


def start(
    state: Path, *, die_with_parent: bool = False, emulator_python: Path | None = None
) -> LocalStack:
    """Start the stack of this state folder, or find it where it is running.

    With ``die_with_parent`` it stops when this process ends, however that happens; without, it
    runs until :func:`stop`. Raises :class:`LocalStackError`.
    """
    state = state.absolute()
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(state):
        running = read(state)
        if running is not None:
            return _once_whole(running)
        _let_go(state)
        command = [sys.executable, "-m", "local.supervisor", "--state", str(state)]
        if die_with_parent:
            command.append("--die-with-parent")
        if emulator_python is not None:
            command += ["--emulator-python", str(emulator_python)]
        log_file = state / "supervisor.log"
        log_file.touch(mode=0o600)
        with log_file.open("ab") as log:
            supervisor = subprocess.Popen(
                command,
                cwd=ROOT,
                env=child_environment(),
                stdin=subprocess.PIPE if die_with_parent else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # neither Ctrl-C nor a closed terminal reaches it
            )
        _started[state] = supervisor
        return _wait_until_up(state, supervisor, log_file)


def stop(state: Path) -> bool:
    """Stop the stack of this state folder; ``False`` where none was running."""
    state = state.absolute()
    recorded = _read_file(state)
    if recorded is None:
        return False
    was_running = read(state) is not None
    identity = recorded.processes["supervisor"]
    supervisor = identity.find()
    if supervisor is not None:
        supervisor.terminate()
        _has_ended(identity, _STOP_TIMEOUT)
    _let_go(state)
    clear_leftovers(state)
    return was_running


def delete(state: Path) -> None:
    """Stop the stack and delete its account, its database and its traces for good."""
    state = state.absolute()
    stop(state)
    for name in _DATA:
        shutil.rmtree(state / name, ignore_errors=True)


def has_data(state: Path) -> bool:
    """True where a stack of this folder, running or not, has a database."""
    return (state / "postgres" / "data").exists()


def read(state: Path) -> LocalStack | None:
    """The running stack of this state folder, or ``None`` unless its supervisor lives.

    One of its servers may be down for a moment: :func:`down_servers`.
    """
    recorded = _read_file(state.absolute())
    if recorded is None or recorded.processes["supervisor"].find() is None:
        return None
    return recorded


def down_servers(state: Path) -> list[ServerHealth]:
    """The servers of a running stack that are dead and not started again yet."""
    health = read_health(state.absolute())
    return health.down if health is not None else []


def death_of(state: Path) -> str | None:
    """A sentence about a stack that ended without being stopped; ``None`` where it did not."""
    state = state.absolute()
    if _read_file(state) is None or read(state) is not None:
        return None
    health = read_health(state)
    seen = health.seen_at if health is not None else "an unknown time"
    boot = datetime.fromtimestamp(psutil.boot_time(), UTC).isoformat(timespec="seconds")
    why = (
        "this machine was restarted"
        if health is not None and boot > seen
        else f"its supervisor was killed, see {state / 'supervisor.log'}"
    )
    return (
        f"The local stack ended soon after {seen} without being stopped: {why}. Its data is kept: "
        "`etl up` starts it again."
    )


def write(stack: LocalStack) -> None:
    """Record a running stack for :func:`read`, all at once."""
    fresh = stack.state / f"{_FILE}.new"
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(asdict(stack), indent=2, default=str) + "\n", encoding="utf-8")
    os.replace(fresh, stack.state / _FILE)


def clear_leftovers(state: Path) -> list[str]:
    """End processes that an earlier, killed run of this folder left; returns their roles.

    A process counts as a leftover only where its number *and* its time of birth are on record.
    """
    recorded = _read_file(state)
    if recorded is None:
        return []
    found = []
    for role, identity in recorded.processes.items():
        process = identity.find()
        if process is not None:
            found.append(role)
            process.terminate()
            if not _has_ended(identity, 10.0):
                process.kill()
                _has_ended(identity, 10.0)
    (state / _FILE).unlink(missing_ok=True)
    return found


def _read_file(state: Path) -> LocalStack | None:
    try:
        content: dict[str, Any] = json.loads((state / _FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    database = dict(content["database"])
    for name in ("owner_password_file", "ca_file"):
        if database.get(name) is not None:
            database[name] = Path(database[name])
    return LocalStack(
        **{
            **content,
            # The folder may have been moved while the stack was down.
            "state": state,
            "mqtt_ca": Path(content["mqtt_ca"]),
            "database": Database(**database),
            "processes": {role: ProcessId(**one) for role, one in content["processes"].items()},
            "log_files": {role: Path(file) for role, file in content["log_files"].items()},
        }
    )


def _wait_until_up(state: Path, supervisor: subprocess.Popen[bytes], log: Path) -> LocalStack:
    deadline = time.monotonic() + _START_TIMEOUT
    while True:
        stack = read(state)
        if stack is not None and stack.processes["supervisor"].pid == supervisor.pid:
            return stack
        if supervisor.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
            supervisor.terminate()
            _let_go(state)
            raise LocalStackError("The local stack did not start:\n" + "\n".join(tail))
        time.sleep(0.05)


def _once_whole(running: LocalStack) -> LocalStack:
    """Wait until every server of a running stack runs. Raises :class:`LocalStackError`."""
    deadline = time.monotonic() + _RESTART_TIMEOUT
    while down := down_servers(running.state):
        if read(running.state) is None or time.monotonic() > deadline:
            raise LocalStackError(" ".join(one.sentence() for one in down))
        time.sleep(0.1)
    return read(running.state) or running


def _let_go(state: Path) -> None:
    """Close the pipe of a supervisor that this process started, which ends it, and reap it."""
    child = _started.pop(state, None)
    if child is not None:
        if child.stdin is not None:
            child.stdin.close()
        child.wait(_STOP_TIMEOUT)


def _has_ended(identity: ProcessId, patience: float) -> bool:
    """True where the process ended within ``patience`` seconds.

    A zombie counts as ended: process 1 of a container often reaps none.
    """
    deadline = time.monotonic() + patience
    while identity.find() is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Hold the lock that lets only one :func:`start` run at a time for this folder."""
    with (state / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
