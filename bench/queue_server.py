"""A queue that costs its clients nothing but their own work: prepared answers over HTTP.

It speaks as much of SQS's JSON protocol as Extract uses. Signatures are not looked at, and each
answer was made before the clock runs, in a process of its own.
"""

from __future__ import annotations

import json
import multiprocessing
import socketserver
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

__all__ = ["serving"]

BATCH = 10
"""Messages in one answer."""
DELETED = json.dumps({"Successful": [{"Id": str(place)} for place in range(BATCH)]}).encode()
EMPTY = b"{}"
RECEIPT = "AQEB" + "w" * 180
"""A receipt handle of the length that SQS gives."""


def answers(bodies: Sequence[str]) -> list[bytes]:
    """The answers of ReceiveMessage that hand over these messages."""
    messages = [
        {
            "MessageId": f"{number:08x}-0000-4000-8000-000000000000",
            "ReceiptHandle": f"{RECEIPT}{number}",
            "MD5OfBody": "0" * 32,
            "Body": body,
            "Attributes": {"SentTimestamp": "1795414200000"},
        }
        for number, body in enumerate(bodies)
    ]
    groups = [messages[start : start + BATCH] for start in range(0, len(messages), BATCH)]
    return [json.dumps({"Messages": group}).encode() for group in groups]


class Handler(socketserver.StreamRequestHandler):
    """One kept-alive connection."""

    disable_nagle_algorithm = True
    waiting: Iterator[bytes]
    """Answers not yet given; shared by all connections."""

    def handle(self) -> None:
        """Answer until the client hangs up."""
        while self.rfile.readline():
            size, action = 0, b""
            while (line := self.rfile.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    size = int(value)
                elif name.lower() == b"x-amz-target":
                    action = value.strip()
            self.rfile.read(size)
            receives = action.endswith(b"ReceiveMessage")
            body = next(self.waiting, EMPTY) if receives else DELETED
            head = b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: %d" % len(body)
            self.wfile.write(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (head, body))


class Server(socketserver.ThreadingTCPServer):
    """The queue."""

    daemon_threads = True


def serve(bodies: Sequence[str], port: Connection) -> None:
    """Serve until the process is ended; the port goes out through the pipe."""
    handler: Any = type("Prepared", (Handler,), {"waiting": iter(answers(bodies))})
    with Server(("127.0.0.1", 0), handler) as server:
        port.send(server.server_address[1])
        server.serve_forever()


@contextmanager
def serving(bodies: Sequence[str]) -> Iterator[str]:
    """The address of a server with a queue of these messages; it ends with the block."""
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=serve, args=(bodies, there), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.terminate()
        process.join()
