"""The web server: on the loopback, on a free port, until Ctrl-C."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable

import uvicorn

from dashboard.app import application
from dashboard.app_state import ControlRoom
from telemetry.errors import UserError

__all__ = ["PortTakenError", "address", "listen", "serve"]

HOST = "127.0.0.1"
FIRST_PORT, PORTS = 8710, 20
"""Ports that are tried in order, so that a bookmark usually stays valid."""


class PortTakenError(UserError):
    """Raised when the port that was asked for is in use."""


def listen(port: int | None) -> socket.socket:
    """A listening socket on this port, or on the first free one where none is given.

    Raises :class:`PortTakenError`.
    """
    candidates = [port] if port else [*range(FIRST_PORT, FIRST_PORT + PORTS), 0]
    for number in candidates:
        found = socket.socket()
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((HOST, number))
            found.listen()  # two sockets may be bound to a port, but only one listens
        except OSError:
            found.close()
            continue
        return found
    raise PortTakenError(
        f"Port {port} is in use: choose another with --port, or leave the option out."
    )


def address(port: int, key: str) -> str:
    """Address of the control room with a key that gives access."""
    return f"http://{HOST}:{port}/?key={key}"


def serve(
    room: ControlRoom,
    listening: socket.socket,
    *,
    open_browser: bool,
    notify: Callable[[str], None],
) -> None:
    """Serve until Ctrl-C or SIGTERM; ``notify`` gets the address once the server is ready."""
    port = listening.getsockname()[1]
    config = uvicorn.Config(
        application(room, port),
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="on",
        timeout_graceful_shutdown=2,
    )

    def ready() -> None:
        notify(address(port, room.keys.access))
        if open_browser:
            webbrowser.open(address(port, room.keys.ticket()))

    _Server(config, ready).run([listening])


class _Server(uvicorn.Server):
    """A server that calls ``ready`` once it accepts connections."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections."""
        await super().startup(sockets)
        self._ready()
