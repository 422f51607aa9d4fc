"""Ports of the loopback for the laptop's servers."""

from __future__ import annotations

import secrets
import socket
from contextlib import closing

__all__ = ["HOST", "free_port", "is_free"]

HOST = "127.0.0.1"
_SERVER_PORTS = range(20_000, 32_768)
"""Below those that Linux and macOS give to outgoing connections, from 32,768 and 49,152 on."""
_PORTS_TRIED = 100


def free_port() -> int:
    """A TCP port on the loopback that was free a moment ago.

    None of those that the system gives to connections: one of them might be taken before the
    server listens, or while it is started again.
    """
    for _ in range(_PORTS_TRIED):
        port = secrets.choice(_SERVER_PORTS)
        if is_free(port):
            return port
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """True where a server may listen on this port of the loopback; ``False`` for port 0."""
    if port == 0:
        return False
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
