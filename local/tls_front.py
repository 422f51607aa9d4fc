"""TLS in front of a PostgreSQL that was built without it, as PostgreSQL itself would speak it.

The wheel's server has no TLS compiled in. So that the laptop runs the same ``verify-full`` as an
account does, this answers a client's ``SSLRequest``, does the handshake with a certificate, and
passes the decrypted bytes on to the server, both on the loopback. A client that does not ask for
TLS is refused, as by a server that has only ``hostssl`` rules.

Protocol: https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-SSL (read 2026-11).
"""

from __future__ import annotations

import asyncio
import ssl
import struct
import threading
from contextlib import suppress
from pathlib import Path

__all__ = ["TlsFront"]

CANCEL_REQUEST, SSL_REQUEST, GSS_REQUEST = 80877102, 80877103, 80877104
CHUNK = 1 << 18
"""Bytes passed on at a time."""
HANDSHAKE_SECONDS = 60.0
_START_SECONDS = 60.0
_REFUSAL = b"SFATAL\0VFATAL\0C28000\0Mthis port speaks TLS only: use sslmode=verify-full\0\0"


class TlsFront:
    """One listener with a thread of its own."""

    def __init__(self, host: str, server_port: int, certificates: Path) -> None:
        self._host = host
        self._server_port = server_port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="TLS front", daemon=True)
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_port = 0
        self.port = 0

    def start(self, last_port: int = 0) -> int:
        """Listen on the port of the last run, or a free one where that is taken; return it."""
        self._last_port = last_port
        self._thread.start()
        if not self._ready.wait(_START_SECONDS) or not self.port:
            raise RuntimeError("The TLS front of PostgreSQL did not start.")
        return self.port

    def stop(self) -> None:
        """Close the listener and all connections."""
        with suppress(RuntimeError):  # the loop may have ended by itself
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_SECONDS)

    def _run(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        # A client that hangs up in the middle of a handshake is not reported.
        loop.set_exception_handler(lambda _loop, _context: None)
        try:
            server = loop.run_until_complete(self._listen())
            self.port = int(server.sockets[0].getsockname()[1])
            self._ready.set()
            loop.run_forever()
            server.close()
            for task in self._tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        finally:
            self._ready.set()
            loop.close()

    async def _listen(self) -> asyncio.Server:
        try:
            return await asyncio.start_server(
                self._accept, self._host, self._last_port, limit=CHUNK
            )
        except OSError:
            return await asyncio.start_server(self._accept, self._host, 0, limit=CHUNK)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        with suppress(OSError, EOFError, ssl.SSLError, asyncio.CancelledError):
            try:
                async with asyncio.timeout(HANDSHAKE_SECONDS):
                    opening = await self._greet(reader, writer)
                if opening is not None:
                    await self._connect(opening, reader, writer)
            finally:
                writer.close()

    async def _greet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes | None:
        """Do the handshake; what to send to the server first, ``None`` to hang up."""
        while True:
            head = await reader.readexactly(8)
            length, code = struct.unpack("!ii", head)
            if code == SSL_REQUEST and length == 8:
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(self._context)
                return b""
            if code == GSS_REQUEST and length == 8:
                writer.write(b"N")
            elif code == CANCEL_REQUEST and length == 16:  # libpq before 17 sends it in the clear
                return head + await reader.readexactly(8)
            else:
                writer.write(b"E" + struct.pack("!i", len(_REFUSAL) + 4) + _REFUSAL)
                await writer.drain()
                return None

    async def _connect(
        self, opening: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        from_server, to_server = await asyncio.open_connection(
            self._host, self._server_port, limit=CHUNK
        )
        try:
            to_server.write(opening)
            ways = {
                asyncio.ensure_future(_pass_on(reader, to_server)),
                asyncio.ensure_future(_pass_on(from_server, writer)),
            }
            # Neither side of PostgreSQL's protocol closes only half of a connection.
            _, left = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in left:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        finally:
            to_server.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
