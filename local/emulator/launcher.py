"""Starts the emulator as a child of this process, on loopback ports of its own.

It gets a clean set of environment variables: the functions it runs inherit its environment, and a
developer's ``AWS_PROFILE`` or ``PYTHONPATH`` must not reach them. What it writes lies in one
folder, and its temporary files are removed when it starts and when it stops.

::

    <folder>/emulator.log
    <folder>/mqtt-ca.pem     signs the MQTT listener's certificate
    <folder>/ports.json      the ports of the last run, taken again while they are free
    <folder>/keys/           the state that is kept, and a signing key
    <folder>/s3/             objects, where they are kept
    <folder>/tmp/            temporary files: unpacked functions and small layers

Large layers are unpacked into ``.build/unpacked`` (:data:`layers.folders.BUILD`), once for all
emulators of this copy of the project.

With ``keep`` the account outlives the emulator, however it ends
(:mod:`local.emulator.patches.persistence` says what a kill may lose).
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from layers.folders import BUILD, INSTALLED, ROOT, environment_folder
from layers.notify import Notify
from local.die_with_parent import die_with_parent
from local.emulator.address import move_address
from local.environments import ensure
from local.ports import free_port, is_free
from telemetry.errors import UserError

__all__ = ["Emulator", "EmulatorEndpoint", "EmulatorError", "default_python", "ensure_environment"]

HOST = "127.0.0.1"
ENVIRONMENT = "emulator"
REGION = "us-east-1"
ACCOUNT = "000000000000"
_START_TIMEOUT = 120.0
_STOP_TIMEOUT = 30.0
"""Seconds; it writes its state, where that is kept."""
_PROGRAM = ROOT / "local" / "emulator" / "start.py"


class EmulatorError(UserError):
    """Raised when the emulator can't be started; the message quotes its log."""


@dataclass(frozen=True)
class EmulatorEndpoint:
    """Addresses of a running emulator."""

    endpoint_url: str
    session_token: str
    """Secret of this run, without which the emulator refuses every request."""
    region: str
    mqtt_host: str
    mqtt_port: int
    mqtt_ca: Path
    """File with the CA certificate that devices verify the listener with."""


def default_python() -> Path:
    """The interpreter of the emulator's environment; :func:`ensure_environment` makes one."""
    return environment_folder(ENVIRONMENT) / "bin" / "python"


def ensure_environment(notify: Notify) -> None:
    """Make the environment of an installed tool, once. The Makefile makes that of a clone.

    Raises ``EnvironmentBuildError``.
    """
    if INSTALLED:
        text = "making the AWS emulator's own Python environment, only once: 10 to 60 seconds"
        ensure(ENVIRONMENT, [["-r", f"{ENVIRONMENT}.txt"]], lambda: notify(text))


class Emulator:
    """One emulator in one folder, owned by this process."""

    def __init__(
        self,
        folder: Path,
        *,
        xray_port: int,
        session_token: str | None = None,
        python: Path | None = None,
        keep: bool = False,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """``xray_port`` is the UDP port on the loopback that takes trace segments;
        ``session_token`` is the secret of this run, where another server has it too.

        With ``keep`` the next emulator of this folder has the state of this one. ``variables`` are
        more environment variables, or others: MiniStack's own, such as ``PERSIST_STATE``,
        and ``EMULATOR_PRELOAD``, a file that each function process runs first.
        """
        self.folder = folder.absolute()
        self.log_file = self.folder / "emulator.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._python = python or default_python()
        self._xray_port = xray_port
        self._keep = keep
        self._variables = {**(self._kept() if keep else {}), **(variables or {})}
        self._ports: tuple[int, int] | None = None
        self._session_token = session_token or secrets.token_urlsafe(32)

    def start(self) -> EmulatorEndpoint:
        """Start it and return once it serves both HTTP and MQTT; again on the same ports.

        Raises :class:`EmulatorError`. Call it from a thread that lives as long as the program.
        """
        if not self._python.exists():
            raise EmulatorError(f"The emulator's environment is missing: no {self._python}")
        self._clear_temporary_files()
        (self.folder / "tmp").mkdir(parents=True)
        self.folder.chmod(0o700)
        http_port, mqtt_port = self._ports = self._ports or self._choose_ports()
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                die_with_parent([str(self._python), "-I", str(_PROGRAM)]),
                env=self._environment(http_port, mqtt_port),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is the supervisor's to handle
            )
        url = f"http://{HOST}:{http_port}"
        self._wait_until_ready(f"{url}/_ministack/ready")
        authority = self.folder / "mqtt-ca.pem"
        authority.write_bytes(_get(f"{url}/_ministack/iot/ca.pem"))
        return EmulatorEndpoint(url, self._session_token, REGION, HOST, mqtt_port, authority)

    def restart(self) -> None:
        """Start it again after it has died, on the same ports. Raises :class:`EmulatorError`."""
        self.process = None
        self.start()

    def stop(self) -> None:
        """Stop it and remove its temporary files."""
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._clear_temporary_files()

    def _kept(self) -> dict[str, str]:
        return {
            "PERSIST_STATE": "1",
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.folder / "s3"),
        }

    def _choose_ports(self) -> tuple[int, int]:
        """The ports of the last run where nothing else has them by now.

        The account knows its own address, in the URLs of queues; where that changes, so do they.
        """
        file = self.folder / "ports.json"
        if not self._keep:
            return free_port(), free_port()
        last: list[int] = json.loads(file.read_text()) if file.exists() else [0, 0]
        http_port, mqtt_port = (one if is_free(one) else free_port() for one in last)
        if last[0] not in (0, http_port):
            move_address(self.folder / "keys", f"{HOST}:{last[0]}", f"{HOST}:{http_port}")
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps([http_port, mqtt_port]))
        fresh.replace(file)
        return http_port, mqtt_port

    def _clear_temporary_files(self) -> None:
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)

    def _environment(self, http_port: int, mqtt_port: int) -> dict[str, str]:
        temporary = str(self.folder / "tmp")
        return {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "HOME": temporary,
            "TMPDIR": temporary,
            "STATE_DIR": str(self.folder / "keys"),
            "S3_DATA_DIR": str(self.folder / "tmp" / "s3"),
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(http_port),
            "IOT_MTLS_PORT": str(mqtt_port),
            "MINISTACK_HOST": HOST,
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "AWS_ENDPOINT_URL": f"http://{HOST}:{http_port}",
            # The emulator hands it on to the functions, and demands it of everyone.
            "AWS_SESSION_TOKEN": self._session_token,
            "EMULATOR_UNPACKED": str(BUILD / "unpacked"),
            "AWS_XRAY_DAEMON_ADDRESS": f"{HOST}:{self._xray_port}",
            "LOG_LEVEL": "WARNING",
            "SFTP_ENABLED": "0",
            "LAMBDA_EXECUTOR": "local",
            # Idle environments of a burst; AWS keeps them for minutes too, and a cold
            # start takes a second of a processor. The first of a function is always kept.
            "LAMBDA_WARM_TTL_SECONDS": "300",
            # No Docker socket: the emulator must never look at the containers of this machine.
            "DOCKER_HOST": "unix:///nonexistent/docker.sock",
            **self._variables,
        }

    def _wait_until_ready(self, url: str) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        while True:
            if self.process is None or self.process.poll() is not None:
                raise EmulatorError(f"The emulator ended while starting:\n{self._log_tail()}")
            try:
                if json.loads(_get(url)).get("iot_mtls") == "listening":
                    return
            except (OSError, urllib.error.URLError):
                pass
            if time.monotonic() > deadline:
                self.stop()
                raise EmulatorError(f"The emulator is not ready:\n{self._log_tail()}")
            time.sleep(0.03)

    def _log_tail(self) -> str:
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-12:])


def _get(url: str) -> bytes:
    """Body of a GET on the loopback; never through the proxy that the environment may name."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=60) as response:
        body: bytes = response.read()
        return body
