"""Rejects as a file: NDJSON with the original bytes, or CSV that is safe to open in a spreadsheet.

Both are written line by line. CSV is for reading: its texts are escaped and cut to the length of a
cell. NDJSON is for programs: ``payload`` is the base64 of exactly the bytes that the device sent.
"""

from __future__ import annotations

import base64
import csv
import gzip
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

from etl.operations.escaping import escape_cell
from etl.operations.rejects import Reject

__all__ = ["Format", "as_dict", "output", "write"]

Format = Literal["ndjson", "csv"]

COLUMNS = (
    "day", "batch_id", "message_id", "device", "topic", "client_id", "received_at", "index",
    "readings", "reasons", "reading", "payload_text", "payload_bytes",
)  # fmt: skip


def as_dict(reject: Reject) -> dict[str, Any]:
    """A reject as plain data, with the payload in base64."""
    payload = None if reject.payload is None else base64.b64encode(reject.payload).decode()
    return {
        "day": reject.day,
        "batch_id": reject.batch_id,
        "message_id": reject.message_id,
        "device": reject.device,
        "topic": reject.topic,
        "client_id": reject.client_id,
        "received_at": reject.received_at,
        "index": reject.index,
        "readings": reject.readings,
        "reasons": list(reject.reasons),
        "reading": reject.reading,
        "payload": payload,
        **({"contract": reject.contract} if reject.contract is not None else {}),
    }


def write(
    rejects: Iterator[Reject], file: IO[str], form: Format, *, with_contract: bool = False
) -> Iterator[int]:
    """Write the rejects; yields the number written so far after each.

    ``with_contract``: a column of CSV has the contract, as those of a pipeline of several need it.
    """
    if form == "ndjson":
        for number, reject in enumerate(rejects, 1):
            file.write(json.dumps(as_dict(reject), separators=(",", ":")) + "\n")
            yield number
        return
    table = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    table.writerow((*COLUMNS, "contract") if with_contract else COLUMNS)
    for number, reject in enumerate(rejects, 1):
        cells = [*_cells(reject), reject.contract] if with_contract else _cells(reject)
        table.writerow([escape_cell(text) for text in cells])
        yield number


def _cells(reject: Reject) -> Iterator[str | bytes | None]:
    yield from (reject.day, reject.batch_id, reject.message_id)
    yield from (reject.device, reject.topic, reject.client_id)
    yield reject.received
    yield None if reject.index is None else str(reject.index)
    yield str(reject.readings)
    yield " ".join(reject.reasons)
    yield reject.reading
    yield reject.payload
    yield None if reject.payload is None else str(len(reject.payload))


@contextmanager
def output(path: Path | None) -> Iterator[IO[str]]:
    """A text file to write, compressed where its name ends in ``.gz``, or standard output.

    The file appears only once it is complete.
    """
    if path is None:
        yield sys.stdout
        return
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(part, "wt", encoding="utf-8", newline="") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
