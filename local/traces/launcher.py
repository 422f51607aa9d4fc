"""Starts the trace store as a child of this process."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from layers.folders import ROOT, child_environment
from local.die_with_parent import die_with_parent
from local.traces.daemon import TOKEN_VARIABLE
from telemetry.errors import UserError

__all__ = ["TraceDaemon", "TraceDaemonError", "TraceEndpoint"]

_START_TIMEOUT = 120.0
_STOP_TIMEOUT = 5.0


class TraceDaemonError(UserError):
    """Raised when the trace store can't be started; the message quotes its log."""


@dataclass(frozen=True)
class TraceEndpoint:
    """Addresses of a running trace store."""

    endpoint_url: str
    """The X-Ray API, for boto3's ``endpoint_url``."""
    udp_port: int
    """Takes segments on 127.0.0.1, like the X-Ray daemon."""
    session_token: str = field(repr=False)
    """Secret of this run: who sends it is answered."""


class TraceDaemon:
    """One trace store in one folder, owned by this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.log_file = self.folder / "traces.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._session_token = secrets.token_urlsafe(32)
        self._ports: tuple[int, ...] = ()

    def restart(self) -> None:
        """Start it again after it has died, on its ports. Raises :class:`TraceDaemonError`."""
        self.process = None
        self.start()

    def start(self) -> TraceEndpoint:
        """Start it and return once it listens. Raises :class:`TraceDaemonError`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        ports_file = self.folder / "ports.json"
        ports_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "local.traces.daemon", str(self.folder)]
        command += [str(port) for port in self._ports]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                die_with_parent(command),
                cwd=ROOT,
                env={**child_environment(), TOKEN_VARIABLE: self._session_token},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_TIMEOUT
        while not ports_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                tail = self.log_file.read_text(encoding="utf-8", errors="replace")[-2000:]
                raise TraceDaemonError(f"The trace store did not start:\n{tail}")
            time.sleep(0.02)
        ports = json.loads(ports_file.read_text(encoding="utf-8"))
        self._ports = (ports["udp"], ports["http"])
        url = f"http://127.0.0.1:{ports['http']}"
        return TraceEndpoint(url, ports["udp"], self._session_token)

    def stop(self) -> None:
        """Stop it; what it took stays in its folder."""
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
