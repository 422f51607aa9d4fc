"""Runs in each function process before the function's code, and writes down its requests of AWS.

One JSON object a line, into ``requests.ndjson`` in the folder of this file: the function and what a
request asks for. It counts what goes over the wire, whichever client sends it, and each attempt of
a request that is sent again. Imports the standard library only.
"""

from __future__ import annotations

import http.client
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

REQUESTS = Path(__file__).with_name("requests.ndjson")
FUNCTION = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "").rpartition("-")[2]
OF_OBJECTS = {"PUT": "PutObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}
TARGET = "x-amz-target"


def operation_of(method: str, url: str, target: str) -> str:
    """The operation's name in AWS's API: from the target header, else it is S3's."""
    if target:
        return target.rpartition(".")[2]
    parts = urlsplit(url)
    query = parse_qs(parts.query, keep_blank_values=True)
    _, _, key = parts.path.lstrip("/").partition("/")
    if method == "GET":
        return "ListObjectsV2" if "list-type" in query or not key else "GetObject"
    if method == "POST":
        return "DeleteObjects" if "delete" in query else "POST"
    return OF_OBJECTS.get(method, method)


def record(operation: str) -> None:
    """Append one request; a line is written at once, whoever else writes."""
    line = json.dumps({"function": FUNCTION, "operation": operation}).encode() + b"\n"
    with REQUESTS.open("ab", buffering=0) as requests:
        requests.write(line)


def wrap_requests() -> None:
    """Every request of every HTTP client that is built on the standard library's passes here."""
    connection = http.client.HTTPConnection
    put_request, put_header, end_headers = (
        connection.putrequest,
        connection.putheader,
        connection.endheaders,
    )

    def putrequest(self: Any, method: str, url: str, *rest: Any, **options: Any) -> Any:
        self._recorded = [method, url, ""]
        return put_request(self, method, url, *rest, **options)

    def putheader(self: Any, header: Any, *values: Any) -> Any:
        name = header.decode() if isinstance(header, bytes) else str(header)
        if name.lower() == TARGET:
            value = values[0]
            self._recorded[2] = value.decode() if isinstance(value, bytes) else str(value)
        return put_header(self, header, *values)

    def endheaders(self: Any, *rest: Any, **options: Any) -> Any:
        record(operation_of(*self._recorded))
        return end_headers(self, *rest, **options)

    connection.putrequest = putrequest  # type: ignore[method-assign]
    connection.putheader = putheader  # type: ignore[method-assign]
    connection.endheaders = endheaders  # type: ignore[method-assign]


if FUNCTION:
    wrap_requests()
