"""Raw objects for tests: payloads in envelopes, one a line."""

from __future__ import annotations

import base64
import json
from typing import Any

from telemetry.contract import Contract, parse_contract

KEY = "raw/2026/03/01/execution/batch.n1.ndjson.gz"


def line(sent: Any, number: int = 1, **members: Any) -> bytes:
    """One envelope around what is sent: bytes as they are, anything else as JSON."""
    body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    envelope = {
        "message_id": f"m{number:04}",
        "topic": "lab/box",
        "client_id": "box",
        "received_at": 1772366400000 + number,
        "payload": base64.b64encode(body).decode(),
    }
    return json.dumps({**envelope, **members}).encode()


def lines(*payloads: Any) -> bytes:
    """A raw object's lines, one for each payload, in order of arrival."""
    return b"\n".join(line(payload, number) for number, payload in enumerate(payloads, 1))


def contract_of(columns: str, table: str = 'key = ["id"]', message: str = "") -> Contract:
    """A contract with the whole number ``id`` and the columns given as TOML."""
    return parse_contract(
        f"""
        name = "test"
        topic = "lab/+"
        {f"message = {{readings = '{message}'}}" if message else ""}
        [table]
        name = "test"
        {table}
        [columns.id]
        type = "integer"
        required = true
        {columns}
        """.encode(),
        "test.toml",
    )
