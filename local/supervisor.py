"""Owns the laptop's servers: PostgreSQL, the trace store and the AWS emulator.

``python -m local.supervisor --state DIR`` starts them as its children, records where they are in
``DIR/stack.json`` and waits. SIGTERM or SIGINT stops them all in order; with
``--die-with-parent`` so does the end of its standard input, which happens when the process that
started it ends, in whatever way. When a child dies it reports it and stops the rest: half a stack
misleads more than none.

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
from pathlib import Path

from local.emulator.launcher import Emulator
from local.postgres import PostgresServer
from local.stack import LocalStack, ProcessId, clear_leftovers, write
from local.traces.launcher import TraceDaemon

__all__ = ["Supervisor", "main"]

_POLL_SECONDS = 0.25


class Supervisor:
    """The three servers of one state folder, as children of this process."""

    def __init__(self, state: Path, emulator_python: Path | None = None) -> None:
        self.state = state.absolute()
        self._emulator_python = emulator_python
        self._postgres = PostgresServer(self.state / "postgres", tls=True)
        self._traces = TraceDaemon(self.state / "traces")
        self._emulator: Emulator | None = None

    def start(self) -> LocalStack:
        """Start everything, record it and return it; where a part fails, stop the others."""
        try:
            return self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> LocalStack:
        traces = self._traces.start()
        self._emulator = Emulator(
            self.state / "emulator",
            xray_port=traces.udp_port,
            session_token=traces.session_token,
            python=self._emulator_python,
        )
        emulator = self._emulator.start()
        database = self._postgres.start()
        stack = LocalStack(
            state=self.state,
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
            processes={role: ProcessId.of(pid) for role, pid in self._pids().items()},
            log_files={
                "supervisor": self.state / "supervisor.log",
                "postgres": self._postgres.log_file,
                "emulator": self._emulator.log_file,
                "traces": self._traces.log_file,
            },
        )
        write(stack)
        return stack

    def stop(self) -> None:
        """Stop everything; the emulator first, so that nothing writes to a closed database."""
        if self._emulator is not None:
            self._emulator.stop()
        self._traces.stop()
        self._postgres.stop()
        (self.state / "stack.json").unlink(missing_ok=True)

    def dead_child(self) -> str | None:
        """A sentence about a child that has ended, or ``None`` while all of them live."""
        for role, owner in self._owners().items():
            process = owner.process
            if process is not None and process.poll() is not None:
                return f"{role} (process {process.pid}) ended with status {process.returncode}"
        return None

    def _owners(self) -> dict[str, PostgresServer | TraceDaemon | Emulator]:
        owners: dict[str, PostgresServer | TraceDaemon | Emulator] = {
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


def _watch(supervisor: Supervisor, stopping: Callable[[], bool], die_with_parent: bool) -> str:
    """Wait for a reason to stop and return it."""
    while not stopping():
        ended = supervisor.dead_child()
        if ended is not None:
            return ended
        if die_with_parent:
            ready, _, _ = select.select([sys.stdin], [], [], _POLL_SECONDS)
            if ready and not os.read(sys.stdin.fileno(), 1024):
                return "the process that started this one ended"
        else:
            time.sleep(_POLL_SECONDS)
    return "asked to stop"


def main() -> int:
    """Run the stack of one folder until asked to stop; 1 where a child died, 2 where one runs."""
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
    return 1 if "ended with status" in reason else 0


def _say(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
