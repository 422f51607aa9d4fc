"""The server: on the loopback, on a port that is free, until Ctrl-C."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable

import uvicorn

from dashboard.app import application
from dashboard.app_state import Room
from telemetry.errors import UserError

__all__ = ["PortTakenError", "address", "listen", "serve"]

HOST = "127.0.0.1"
FIRST_PORT, PORTS = 8710, 20
"""The same port as last time where it is free, so that a bookmark holds."""


class PortTakenError(UserError):
    """Raised when the port that was asked for is in use."""


def listen(port: int | None) -> socket.socket:
    """A bound socket: of this port, else of the first free one. Raises :class:`PortTakenError`."""
    wanted = [port] if port else [*range(FIRST_PORT, FIRST_PORT + PORTS), 0]
    for number in wanted:
        found = socket.socket()
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((HOST, number))
            found.listen()  # only now is it ours: two may be bound
        except OSError:
            found.close()
            continue
        return found
    raise PortTakenError(f"Port {port} is in use: name another with --port, or leave it out.")


def address(port: int, key: str) -> str:
    """Where the control room is, with a key to it."""
    return f"http://{HOST}:{port}/?key={key}"


def serve(
    room: Room, listening: socket.socket, *, open_browser: bool, told: Callable[[str], None]
) -> None:
    """Serve until Ctrl-C or SIGTERM. ``told`` gets the address once it answers."""
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

    def up() -> None:
        told(address(port, room.keys.access))
        if open_browser:
            webbrowser.open(address(port, room.keys.ticket()))

    _Server(config, up).run([listening])


class _Server(uvicorn.Server):
    """Says when it is up."""

    def __init__(self, config: uvicorn.Config, up: Callable[[], None]) -> None:
        super().__init__(config)
        self._up = up

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._up()
