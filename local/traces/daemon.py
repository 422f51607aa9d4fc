"""The program: segments in over UDP, the X-Ray API out over HTTP, both on the loopback.

``python -m local.traces.daemon FOLDER`` chooses free ports, writes them to
``FOLDER/ports.json`` and serves until SIGTERM; with ``FOLDER UDP HTTP`` it takes those ports. The
API is the part that boto3's ``xray`` client needs here: ``PutTraceSegments``,
``BatchGetTraces``, ``GetTraceSummaries``. It answers who has the secret of this run
(:mod:`local.request_check`), which the environment holds; segments come without one, as X-Ray's own
daemon takes them.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from local.request_check import TOKEN, hosts_of, page_refusal, token_refusal
from local.traces.store import BadFilterError, Document, TraceStore, parse_filter

__all__ = ["TOKEN_VARIABLE", "TraceApi", "receive"]

HOST = "127.0.0.1"
TOKEN_VARIABLE = "TRACE_STORE_TOKEN"  # noqa: S105  # a name, no secret
_LARGEST_DATAGRAM = 65535
_RECEIVE_BUFFER = 8 * 1024 * 1024
_MOST_TRACE_IDS = 5
"""BatchGetTraces takes five ids a call."""
_LONGEST_RANGE = 24 * 3600
"""Seconds that GetTraceSummaries may span."""


class BadRequestError(ValueError):
    """Raised for what X-Ray answers with InvalidRequestException."""


class TraceApi:
    """The operations, from request body to response body."""

    def __init__(self, store: TraceStore) -> None:
        self._store = store
        self.operations = {
            "/TraceSegments": self.put_segments,
            "/Traces": self.batch_get_traces,
            "/TraceSummaries": self.get_summaries,
        }

    def put_segments(self, request: Document) -> Document:
        """PutTraceSegments: documents as JSON texts."""
        refused = self._store.add(json.loads(text) for text in request["TraceSegmentDocuments"])
        unprocessed = [{"Id": one.get("id"), "ErrorCode": "MissingField"} for one in refused]
        return {"UnprocessedTraceSegments": unprocessed}

    def batch_get_traces(self, request: Document) -> Document:
        """BatchGetTraces: whole traces by id; ids without a segment come back as unprocessed."""
        wanted = request["TraceIds"]
        if len(wanted) > _MOST_TRACE_IDS:
            raise BadRequestError(f"Number of trace IDs cannot exceed {_MOST_TRACE_IDS}")
        traces, missing = [], []
        for trace_id in wanted:
            segments = self._store.trace(trace_id)
            if not segments:
                missing.append(trace_id)
                continue
            documents = [{"Id": one["id"], "Document": json.dumps(one)} for one in segments]
            duration = _duration(segments)
            traces.append({"Id": trace_id, "Duration": duration, "Segments": documents})
        return {"Traces": traces, "UnprocessedTraceIds": missing}

    def get_summaries(self, request: Document) -> Document:
        """GetTraceSummaries: traces that began in a time range and match a filter expression."""
        start, end = _seconds(request["StartTime"]), _seconds(request["EndTime"])
        if end - start > _LONGEST_RANGE:
            raise BadRequestError("Time range cannot be longer than 24 hours")
        found = self._store.find(start, end, parse_filter(request.get("FilterExpression")))
        return {
            "TraceSummaries": [self._summary(trace_id) for trace_id in found],
            "ApproximateTime": end,
            "TracesProcessedCount": len(found),
        }

    def _summary(self, trace_id: str) -> Document:
        segments = self._store.trace(trace_id)
        annotations = {
            key: [{"AnnotationValue": _typed(value), "ServiceIds": []} for value in values]
            for key, values in self._store.annotations(trace_id).items()
        }
        return {
            "Id": trace_id,
            "StartTime": min(one["start_time"] for one in segments),
            "Duration": _duration(segments),
            "HasFault": any(one.get("fault", False) for one in segments),
            "HasError": any(one.get("error", False) for one in segments),
            "HasThrottle": any(one.get("throttle", False) for one in segments),
            "IsPartial": any("end_time" not in one for one in segments),
            "Annotations": annotations,
        }


def _duration(segments: list[Document]) -> float:
    """Seconds from the first start to the last end known."""
    starts = [float(one["start_time"]) for one in segments]
    ends = [float(one.get("end_time") or one["start_time"]) for one in segments]
    return round(max(ends) - min(starts), 6)


def _typed(value: Any) -> Document:
    if isinstance(value, bool):
        return {"BooleanValue": value}
    if isinstance(value, int | float):
        return {"NumberValue": value}
    return {"StringValue": value}


def _seconds(moment: str | float) -> float:
    """Epoch seconds of a timestamp, which botocore sends as a number and others as text."""
    if isinstance(moment, int | float):
        return float(moment)
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    api: TraceApi
    hosts: set[bytes]
    token: str

    def do_POST(self) -> None:
        refusal = self._refusal()
        if refusal is not None:
            self.close_connection = True  # its body was not read
            self._answer(403, {"Message": refusal}, "AccessDeniedException")
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        operation = self.api.operations.get(self.path)
        if operation is None:
            self._answer(404, {"Message": f"No operation at {self.path}"}, "UnknownOperation")
            return
        try:
            self._answer(200, operation(json.loads(body or b"{}")))
        except (BadRequestError, BadFilterError, KeyError, ValueError) as error:
            self._answer(400, {"Message": str(error)}, "InvalidRequestException")

    def _refusal(self) -> str | None:
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        given = [value for name, value in headers if name.lower() == TOKEN.encode()]
        return page_refusal(headers, self.hosts) or token_refusal(given, self.token)

    def _answer(self, status: int, content: Document, error: str | None = None) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if error is not None:
            self.send_header("x-amzn-ErrorType", error)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing for each request."""


def receive(endpoint: socket.socket, store: TraceStore) -> None:
    """Keep what arrives on a UDP socket until it is closed; many datagrams to a transaction."""
    while True:
        try:
            datagrams = [endpoint.recv(_LARGEST_DATAGRAM)]
        except OSError:
            return
        while len(datagrams) < 1000:
            try:
                datagrams.append(endpoint.recv(_LARGEST_DATAGRAM, socket.MSG_DONTWAIT))
            except OSError:
                break
        store.add([one for one in map(_document, datagrams) if one is not None])


def _document(datagram: bytes) -> Document | None:
    """The document of ``{"format": "json", "version": 1}\\n{...}``; ``None`` where it isn't one."""
    header, _, body = datagram.partition(b"\n")
    try:
        document = json.loads(body)
        known = json.loads(header).get("format") == "json"
    except (ValueError, AttributeError, RecursionError):
        return None
    return document if known and isinstance(document, dict) else None


def main() -> None:
    """Serve until SIGTERM."""
    folder = Path(sys.argv[1])
    udp_port, http_port = (int(text) for text in sys.argv[2:4] or ("0", "0"))
    store = TraceStore(folder / "traces.sqlite")
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    udp.bind((HOST, udp_port))
    http = ThreadingHTTPServer((HOST, http_port), _Handler)
    _Handler.api, _Handler.token = TraceApi(store), os.environ[TOKEN_VARIABLE]
    _Handler.hosts = hosts_of(http.server_address[1])
    http.daemon_threads = True
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=http.shutdown).start())
    threading.Thread(target=receive, args=(udp, store), daemon=True).start()
    ports = {"udp": udp.getsockname()[1], "http": http.server_address[1]}
    fresh = folder / "ports.json.new"
    fresh.write_text(json.dumps(ports), encoding="utf-8")
    os.replace(fresh, folder / "ports.json")
    http.serve_forever(poll_interval=0.1)
    udp.close()
    store.close()


if __name__ == "__main__":
    main()
