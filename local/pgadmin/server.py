"""One pgAdmin in one folder, as a child of this process."""

from __future__ import annotations

import fcntl
import html
import json
import os
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from local.die_with_parent import die_with_parent
from local.pgadmin import settings
from local.pgadmin.environment import program, python
from local.ports import HOST, free_port
from telemetry.errors import UserError

__all__ = ["PgAdmin", "PgAdminError"]

_START_TIMEOUT = 180.0
"""Seconds; the first start makes some hundred preferences, on a slow disk one by one."""
_STOP_TIMEOUT = 10.0
_FOREIGN = ("PG", "PYTHON", "FLASK_", "SQLITE_PATH", "SCRIPT_NAME")
"""Beginnings of variables that would change what pgAdmin, or libpq within it, does."""


class PgAdminError(UserError):
    """Raised when pgAdmin can't be prepared or started; the message says what to do."""


class PgAdmin:
    """pgAdmin of one state folder; call its methods from a thread that lives as long as it does."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder.absolute()
        self.log_file = self.folder / "output.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._key = secrets.token_urlsafe(32)
        self._port = port
        self._lock: IO[str] | None = None

    @property
    def url(self) -> str:
        """The page, with the key that this run asks for."""
        return f"http://{HOST}:{self._port}/?key={self._key}"

    @property
    def page(self) -> Path:
        """A file that opens the page, because every user can read a browser's command line."""
        return self.folder / "open.html"

    @property
    def passfile(self) -> Path:
        """File with the servers' passwords, for libpq."""
        return self.folder / "passfile"

    @property
    def queries(self) -> Path:
        """The folder of saved queries."""
        return self.folder / "queries"

    def prepare(
        self,
        servers: list[dict[str, Any]],
        passwords: list[str],
        queries: Mapping[str, tuple[str, str]],
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Register servers (entries of a servers file), passwords (lines of a passfile) and
        queries (file name to menu name and SQL). Raises :class:`PgAdminError`.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)
        self._lock_folder()
        self._write("config.py", settings.config_text(self.folder))
        self._write("passfile", "".join(f"{line}\n" for line in passwords))
        self.queries.mkdir(exist_ok=True)
        for file_name, (_, sql) in queries.items():
            (self.queries / file_name).write_text(sql, encoding="utf-8")
        database = self.folder / "pgadmin4.db"
        if not database.exists():
            notify("creating pgAdmin's settings, only once")
            self._run("setup-db")
        missing = settings.missing_servers(database, servers)
        if missing:
            file = self._write(
                "servers.json",
                json.dumps({"Servers": {str(n): one for n, one in enumerate(missing, start=1)}}),
            )
            self._run("load-servers", str(file))
        settings.update_servers(database, servers)
        settings.keep_queries(database, dict(queries.values()))

    def start(self) -> None:
        """Start it, and return when it answers. Raises :class:`PgAdminError`."""
        self._port = self._port or free_port()
        with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, self._port))
            except OSError as error:
                raise PgAdminError(
                    f"Port {self._port} can't be used ({error.strerror}): "
                    "choose another with --port, or leave it out for a free one."
                ) from error
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                die_with_parent([str(python()), str(program("pgAdmin4.py"))]),
                env=self._environment()
                | {"PGADMIN_INT_PORT": str(self._port), "PGADMIN_INT_KEY": self._key},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is the command's to handle
            )
        self._wait_until_ready(self.process)
        settings.open_files_in(self.folder / "pgadmin4.db", self.queries)
        target = html.escape(self.url)
        self._write(
            "open.html",
            f'<!doctype html><meta charset="utf-8"><title>pgAdmin</title>'
            f'<meta name="referrer" content="no-referrer">'
            f'<meta http-equiv="refresh" content="0; url={target}">'
            f'<p><a href="{target}">Open pgAdmin</a></p>\n',
        )

    def wait(self) -> None:
        """Wait until it ends, which is always an error: raises :class:`PgAdminError`."""
        if self.process is not None:
            status = self.process.wait()
            raise PgAdminError(f"pgAdmin ended with status {status}:\n{self._log_tail()}")

    def stop(self) -> None:
        """Stop it and delete the files with passwords and keys."""
        process, self.process = self.process, None
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._lock is not None:
            for file in (self.passfile, self.page):
                file.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def _lock_folder(self) -> None:
        """Lock this folder, because two pgAdmins would write one settings database."""
        lock = (self.folder / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise PgAdminError(
                f"pgAdmin is already running in this folder: open {self.page} in a browser, "
                "or stop it with Ctrl-C in its terminal."
            ) from None
        self._lock = lock

    def _write(self, name: str, text: str) -> Path:
        """Write a file as a whole, readable by its owner only."""
        fresh, file = self.folder / f"{name}.new", self.folder / name
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8") as out:
            out.write(text)
        fresh.replace(file)
        return file

    def _run(self, *arguments: str) -> None:
        """One of the commands of pgAdmin's ``setup.py``."""
        done = subprocess.run(
            [str(python()), str(program("setup.py")), *arguments],
            env=self._environment(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
            raise PgAdminError(f"pgAdmin's setup {arguments[0]} failed:\n{tail}")

    def _environment(self) -> dict[str, str]:
        kept = {name: v for name, v in os.environ.items() if not name.startswith(_FOREIGN)}
        ours = {
            "CONFIG_DISTRO_FILE_PATH": str(self.folder / "config.py"),
            "PGADMIN_SERVER_MODE": "OFF",
            "PYTHONWARNINGS": "ignore",
        }
        return kept | ours

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        # The loopback is never asked for by a proxy.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while True:
            try:
                with opener.open(
                    f"http://{HOST}:{self._port}/misc/ping?key={self._key}", timeout=5
                ):
                    return
            except (urllib.error.URLError, OSError):
                if process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise PgAdminError(f"pgAdmin did not start:\n{self._log_tail()}") from None
            time.sleep(0.2)

    def _log_tail(self) -> str:
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-12:])
