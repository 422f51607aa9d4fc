"""Owns the laptop's servers: PostgreSQL, the trace store and the AWS emulator.

``python -m local.supervisor --state DIR`` starts them as its children, records where they are in
``DIR/stack.json`` and waits. SIGTERM or SIGINT stops them all in order; with
``--die-with-parent`` so does the end of its standard input, which happens when the process that
started it ends, in whatever way. When a child dies it is started again on the same data and the
same ports, again and again with growing pauses for as long as it takes, and ``DIR/health.json``
says what died, when and why.

The children die with it (:mod:`local.die_with_parent`), also when it is killed with SIGKILL.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from local.emulator.launcher import Emulator
from local.health import (
    HEARTBEAT_SECONDS,
    NO_SPACE,
    Health,
    ServerHealth,
    how_it_ended,
    touch_health,
    utc_now,
    write_health,
)
from local.postgres import PostgresServer
from local.stack import LocalStack, ProcessId, clear_leftovers, write
from local.traces.launcher import TraceDaemon

__all__ = ["Supervisor", "main"]

_POLL_SECONDS = 0.25
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
"""Seconds between two attempts to start a server again; each pause is twice the one before."""
_STEADY_SECONDS = 60.0
"""A server that ran so long is started again at once when it dies."""

Server = PostgresServer | TraceDaemon | Emulator


class Supervisor:
    """The three servers of one state folder, as children of this process."""

    def __init__(self, state: Path, emulator_python: Path | None = None) -> None:
        self.state = state.absolute()
        self._emulator_python = emulator_python
        self._postgres = PostgresServer(self.state / "postgres", tls=True)
        self._traces = TraceDaemon(self.state / "traces")
        self._emulator: Emulator | None = None
        self._stack: LocalStack
        self.health = Health()
        self._pauses: dict[str, float] = {}
        self._started_at = dict.fromkeys(("postgres", "traces", "emulator"), time.monotonic())
        self._next_attempt = dict.fromkeys(self._started_at, 0.0)
        self._next_heartbeat = 0.0

    def start(self) -> LocalStack:
        """Start everything, record it and return it; where a part fails, stop the others."""
        try:
            return self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> LocalStack:
        traces = self._traces.start()
        database = self._postgres.start()
        self._emulator = Emulator(
            self.state / "emulator",
            xray_port=traces.udp_port,
            session_token=traces.session_token,
            python=self._emulator_python,
            keep=True,
        )
        emulator = self._emulator.start()
        processes = {role: ProcessId.of(pid) for role, pid in self._pids().items()}
        log_files = {
            "supervisor": self.state / "supervisor.log",
            "postgres": self._postgres.log_file,
            "emulator": self._emulator.log_file,
            "traces": self._traces.log_file,
        }
        self._stack = LocalStack.of(self.state, emulator, traces, database, processes, log_files)
        now = utc_now()
        self.health = Health(
            {
                role: ServerHealth(role, since=now, log_file=str(owner.log_file))
                for role, owner in self._owners().items()
            }
        )
        write_health(self.state, self.health)
        write(self._stack)
        return self._stack

    def stop(self) -> None:
        """Stop everything; the emulator first, so that nothing writes to a closed database."""
        if self._emulator is not None:
            self._emulator.stop()
        self._traces.stop()
        self._postgres.stop()
        for name in ("stack.json", "health.json"):
            (self.state / name).unlink(missing_ok=True)

    def look_after(self) -> None:
        """Start again what has died, unless its pause has not passed yet."""
        now = time.monotonic()
        for role, owner in self._owners().items():
            process = owner.process
            if process is not None and process.poll() is None:
                continue
            if process is not None:
                self._note_death(role, owner, process.pid, process.returncode, now)
            if now >= self._next_attempt[role]:
                self._start_again(role, owner)
        if now > self._next_heartbeat:
            self._next_heartbeat = now + HEARTBEAT_SECONDS
            touch_health(self.state)

    def _note_death(self, role: str, owner: Server, pid: int, status: int, now: float) -> None:
        reason = how_it_ended(status, owner.log_file)
        _say(f"{role} (process {pid}) died: {reason}")
        owner.process = None
        if now - self._started_at.get(role, 0.0) > _STEADY_SECONDS:
            self._pauses[role] = 0.0
        self._next_attempt[role] = now + self._pauses.get(role, 0.0)
        self._record(self.health.of(role, running=False, reason=reason))

    def _start_again(self, role: str, owner: Server) -> None:
        pause = min(max(self._pauses.get(role, 0.0) * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
        self._pauses[role] = pause
        try:
            owner.restart()
        except Exception as error:  # a full disk, a file that is away: it may end
            owner.process = None
            reason = _why_not(error, owner.log_file)
            _say(f"{role} can't be started, next attempt in {pause:g} s: {error}")
            self._record(self.health.of(role, running=False, reason=reason))
            self._next_attempt[role] = time.monotonic() + pause
            return
        self._started_at[role] = time.monotonic()
        _say(f"{role} runs again as process {self._pids()[role]}")
        self._record(self.health.of(role, running=True))

    def _record(self, health: Health) -> None:
        """Write the record and the new process numbers; a full disk prevents neither restart."""
        self.health = health
        self._stack = replace(
            self._stack,
            processes={
                **self._stack.processes,
                **{role: ProcessId.of(pid) for role, pid in self._pids().items()},
            },
        )
        try:
            write_health(self.state, health)
            write(self._stack)
        except OSError as error:
            _say(f"the record can't be written: {error}")

    def _owners(self) -> dict[str, Server]:
        owners: dict[str, Server] = {
            "postgres": self._postgres,
            "traces": self._traces,
        }
        if self._emulator is not None:
            owners["emulator"] = self._emulator
        return owners

    def _pids(self) -> dict[str, int]:
        pids = {"supervisor": os.getpid()}
        for role, owner in self._owners().items():
            if owner.process is not None:
                pids[role] = owner.process.pid
        return pids


def _why_not(error: Exception, log_file: Path) -> str:
    """Return the reason for which a server can't be started, in one line."""
    if NO_SPACE in str(error):
        return f"the disk is full ({NO_SPACE})"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"it can't be started: {lines[-1]}" if lines else f"it can't be started, see {log_file}"


def _watch(supervisor: Supervisor, stopping: Callable[[], bool], die_with_parent: bool) -> str:
    """Wait for a reason to stop and return it."""
    while not stopping():
        supervisor.look_after()
        if die_with_parent:
            ready, _, _ = select.select([sys.stdin], [], [], _POLL_SECONDS)
            if ready and not os.read(sys.stdin.fileno(), 1024):
                return "the process that started this one ended"
        else:
            time.sleep(_POLL_SECONDS)
    return "asked to stop"


def main() -> int:
    """Run the stack of one folder until asked to stop; 1 where it can't start, 2 where one runs."""
    parser = argparse.ArgumentParser(description="Run the local stack of one state folder.")
    parser.add_argument("--state", type=Path, required=True, help="folder for data and logs")
    parser.add_argument(
        "--die-with-parent", action="store_true", help="stop when standard input ends"
    )
    parser.add_argument("--emulator-python", type=Path, help="interpreter that has the emulator")
    options = parser.parse_args()
    # No other user reads what the servers write: readings, code, keys that the emulator makes.
    os.umask(0o077)
    state: Path = options.state.absolute()
    state.mkdir(parents=True, exist_ok=True)
    with (state / "supervisor.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"another supervisor runs the stack of {state}")
            return 2
        return _run(state, options.emulator_python, die_with_parent=options.die_with_parent)


def _run(state: Path, emulator_python: Path | None, *, die_with_parent: bool) -> int:
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: asked.append(received))
    for role in clear_leftovers(state):
        _say(f"ended the {role} that an earlier, killed run had left")
    supervisor = Supervisor(state, emulator_python)
    began = time.monotonic()
    try:
        stack = supervisor.start()
    except Exception as error:
        _say(f"start failed: {error}")
        return 1
    _say(f"up in {time.monotonic() - began:.1f} s: {stack.endpoint_url}")
    reason = _watch(supervisor, lambda: bool(asked), die_with_parent)
    _say(f"stopping: {reason}")
    supervisor.stop()
    _say("stopped")
    return 0


def _say(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
