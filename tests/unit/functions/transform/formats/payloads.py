"""Contracts of a format, and payloads read both ways."""

from __future__ import annotations

import gzip
import json
from typing import Any

from functions.transform.clean import clean
from functions.transform.clean_batch import CleanBatch
from functions.transform.rejects import rejected_lines
from telemetry.contract import Contract, parse_contract
from tests.unit.functions.transform.envelopes_for import lines

COLUMNS = """
[columns.id]
type = "integer"
required = true
[columns.t]
type = "float"
[columns.s]
type = "text"
max_length = 40
"""


def contract_in(message: str, columns: str = COLUMNS) -> Contract:
    """A contract with these lines in ``[message]``."""
    return parse_contract(
        f'name = "test"\ntopic = "lab/+"\n[message]\n{message}\n'
        f'[table]\nname = "test"\nkey = ["id"]\n{columns}'.encode(),
        "test.toml",
    )


def read_both_ways(contract: Contract, *payloads: bytes) -> CleanBatch:
    """The batch of these payloads, read in bulk and carefully with the same result."""
    raw = lines(*payloads)
    fast, slow = clean(raw, contract), clean(raw, contract, bulk=False)
    assert fast.rejects == slow.rejects
    assert fast.rows.equals(slow.rows)
    assert fast.conflicts == slow.conflicts
    assert fast.empty_messages == slow.empty_messages
    ended = fast.rows.height + fast.duplicates + fast.conflicting + fast.rejected
    assert fast.read == ended + fast.set_aside
    return fast


def reasons(batch: CleanBatch) -> list[tuple[int, int | None, str]]:
    """Message, index and first reason of each reject."""
    return [(reject.message, reject.index, reject.reasons[0]) for reject in batch.rejects]


def rejected(batch: CleanBatch, contract: Contract) -> list[dict[str, Any]]:
    """The lines of the object of rejects."""
    body = gzip.decompress(rejected_lines(batch, contract))
    return [json.loads(text) for text in body.splitlines()]
