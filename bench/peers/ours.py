"""Our transform, as the function runs it."""

from __future__ import annotations

from bench.peers.result import Transformed
from functions.transform.clean import clean
from functions.transform.copy import copy_csv
from functions.transform.rejects import rejected_lines
from telemetry.contract import Contract

__all__ = ["transform"]


def transform(raw: bytes, contract: Contract) -> Transformed:
    """Makes what the peers make, without Parquet object, groups and report."""
    batch = clean(raw, contract)
    return Transformed(copy_csv(batch.rows), rejected_lines(batch, contract), batch.duplicates)
