"""A process of its own for the work on a user's contract, with limits of time and memory.

A contract may hold anything: a pattern that takes minutes to compile, a range of 5,000 digits. In
a thread such work could not be stopped, and the other pages would wait for it.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import resource
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, ParamSpec, TypeVar

from telemetry.errors import UserError

__all__ = ["WorkError", "WorkProcess"]

SECONDS = 60.0
"""Time limit of one piece of work."""
START_SECONDS = 120.0
"""Time that a new process may take for its imports."""
MEMORY_BYTES = 4 << 30
MOST_WAITING = 4
"""Pieces of work that may wait for the process at once."""
P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger(__name__)


class WorkError(UserError):
    """Raised for work that reached a limit or failed; the message says which."""


class WorkProcess:
    """One process that does one piece of work at a time, and is replaced after it was stopped."""

    def __init__(self, prepare: Callable[[], None], seconds: float = SECONDS) -> None:
        """``prepare`` is run once in each process, before its first work."""
        self.seconds = seconds
        self._prepare = prepare
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Lock()
        self._waiting = threading.Semaphore(MOST_WAITING)
        self._closed = False

    def start(self) -> None:
        """Start the process in the background, so that the first work need not wait for it."""
        threading.Thread(target=self._start_quietly, daemon=True).start()

    def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The result of ``work``, a function of a module, in the process.

        Raises :class:`WorkError` at a limit, and for an error in the work; a ``UserError`` of the
        work keeps its message.
        """
        if not self._waiting.acquire(blocking=False):
            raise WorkError("Other checks are still running: try again in a moment.")
        try:
            with self._lock:
                return self._run(work, args, kwargs)
        finally:
            self._waiting.release()

    def close(self) -> None:
        """Stop the process."""
        self._closed = True
        self._stop()

    def _run(self, work: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        connection = self._started()
        try:
            connection.send((work, args, kwargs, self.seconds))
            if not connection.poll(self.seconds):
                self._stop()
                raise WorkError(
                    f"This took more than {self.seconds:g} seconds and was stopped. Try fewer "
                    "messages or a simpler contract, or use `etl contract check`."
                )
            kind, answer = connection.recv()
        except (EOFError, OSError) as error:
            self._stop()
            raise WorkError(
                "The check was stopped by the system; it may have needed too much memory. Try "
                "fewer messages or a simpler contract."
            ) from error
        if kind == "error":
            raise WorkError(answer)
        result: R = answer
        return result

    def _start_quietly(self) -> None:
        with self._lock, contextlib.suppress(WorkError):
            self._started()

    def _started(self) -> Connection:
        if self._connection is not None and self._process is not None and self._process.is_alive():
            return self._connection
        self._stop()
        if self._closed:
            raise WorkError("The control room is stopping.")
        context = multiprocessing.get_context("spawn")  # a fork would copy locks of other threads
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._prepare), daemon=True)
        process.start()
        theirs.close()
        self._process, self._connection = process, ours
        try:
            if ours.poll(START_SECONDS):
                ours.recv()
                return ours
        except (EOFError, OSError):
            pass
        self._stop()
        raise WorkError("The process for checks did not start; try again.")

    def _stop(self) -> None:
        with self._stopping:
            process, connection = self._process, self._connection
            self._process = self._connection = None
        if connection is not None:
            connection.close()
        if process is not None:
            process.kill()
            process.join()
            process.close()


def _serve(connection: Connection, prepare: Callable[[], None]) -> None:
    """Does work until the other end of the connection is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which stops us
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    prepare()
    connection.send(("ready", None))
    while True:
        try:
            work, args, kwargs, seconds = connection.recv()
        except EOFError:
            return
        # The signal ends this process even where the control room was killed during the work.
        signal.alarm(int(seconds) + 5)
        answer = _answer(work, args, kwargs)
        signal.alarm(0)
        connection.send(answer)


def _answer(
    work: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[str, Any]:
    try:
        return "result", work(*args, **kwargs)
    except UserError as error:
        return "error", str(error)
    except MemoryError:
        return "error", "This needs too much memory: try fewer messages or a simpler contract."
    except BaseException as error:  # a panic of polars is not an Exception
        log.error("work in the playground failed", exc_info=error)
        return "error", (
            f"Unexpected error in the check ({type(error).__name__}); the output of "
            "`etl dashboard` has details."
        )
