"""Ports of the loopback for the laptop's servers."""

from __future__ import annotations

import socket
from contextlib import closing

__all__ = ["HOST", "free_port", "is_free"]

HOST = "127.0.0.1"


def free_port() -> int:
    """A TCP port on the loopback that was free a moment ago."""
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
