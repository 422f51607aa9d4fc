"""1,281,504 real messages through the transform alone, in batches: the known answer."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import polars as pl
import pytest

from functions.transform.clean import clean
from telemetry.contract import load_contract
from tests.unit.functions.transform.envelopes_for import line

ROOT = Path(__file__).parents[4]
SHARED = Path(os.environ.get("TELEMETRY_SHARED_DATA", ROOT.parent / "shared" / "data"))
DATA = SHARED / "sensor_community" / "readings.ndjson.gz"

READINGS_PER_MESSAGE = 50
MESSAGES_PER_BATCH = 4000


def batches() -> Iterator[bytes]:
    with gzip.open(DATA) as file:
        number = 0
        while True:
            found = []
            while len(found) < MESSAGES_PER_BATCH:
                readings = [text.rstrip(b"\n") for text in islice(file, READINGS_PER_MESSAGE)]
                if not readings:
                    break
                number += 1
                found.append(line(b'{"readings":[' + b",".join(readings) + b"]}", number))
            if not found:
                return
            yield b"\n".join(found)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(not DATA.exists(), reason=f"the shared real data is absent ({DATA})")
def test_the_real_data_has_its_known_answer() -> None:
    contract = load_contract(ROOT / "contracts" / "sensor_community.toml")
    read = 0
    rejects = []
    keys = []
    nulled = 0
    for raw in batches():
        batch = clean(raw, contract)
        read += batch.read
        rejects += [reject.reasons for reject in batch.rejects]
        keys.append(batch.rows.select(contract.key))
        nulled += sum(faults.total() for faults in batch.faults.values())
    distinct = pl.concat(keys).unique().height
    assert read == 1_281_504
    assert rejects == [("missing:ts",)]
    assert distinct == 898_047
    assert read - distinct - len(rejects) == 383_456
    assert nulled == 0  # no limit of the contract costs a real value
