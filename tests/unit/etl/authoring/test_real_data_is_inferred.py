"""The contract inferred from the shared real data loads it, with nothing edited by hand."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import polars as pl
import pytest

from etl.authoring.check import check, envelopes
from etl.authoring.infer import infer, parse_draft
from etl.authoring.samples import Message, read_sample
from etl.authoring.toml_writer import write_contract
from functions.transform.clean import clean

ROOT = Path(__file__).parents[4]
SHARED = Path(os.environ.get("TELEMETRY_SHARED_DATA", ROOT.parent / "shared" / "data"))
DATA = SHARED / "sensor_community" / "readings.ndjson.gz"

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.exists(), reason=f"the shared real data is absent ({DATA})"),
]

MESSAGES_PER_BATCH = 100_000


def batches() -> Iterator[list[Message]]:
    with gzip.open(DATA) as file:
        while found := [Message(line.rstrip(b"\n")) for line in islice(file, MESSAGES_PER_BATCH)]:
            yield found


def test_the_contract_inferred_from_a_sample_takes_that_sample() -> None:
    sample = read_sample([DATA], 3_000)
    found = infer(sample, "sensors")
    contract = parse_draft(found)
    types = {column.name: column.type for column in contract.columns}
    assert contract.key == ("sensor_id", "timestamp")
    assert types["temperature"] == types["p1"] == types["pressure"] == "float"
    assert contract.column("pressure").unit == "Pa"
    assert "durP1: always ''" in write_contract(found)
    checked = check(contract, sample)
    assert (checked.read, checked.rejected, checked.verdict) == (3_000, 0, "pass")


@pytest.mark.slow
def test_the_inferred_contract_gives_the_known_answer_for_all_of_the_data() -> None:
    contract = parse_draft(infer(read_sample([DATA], 20_000), "sensors"))
    read = lost = 0
    rejects: list[tuple[str, ...]] = []
    keys = []
    for messages in batches():
        batch = clean(envelopes(messages, contract), contract)
        read += batch.read
        rejects += [reject.reasons for reject in batch.rejects]
        lost += sum(faults.total() for faults in batch.faults.values())
        keys.append(batch.rows.select(contract.key))
    rows = pl.concat(keys).unique().height
    assert read == 1_281_504
    assert rejects == [("missing:timestamp",)]
    assert rows == 898_047
    assert read - rows - len(rejects) == 383_456
    assert lost == 0  # no guessed limit costs a real value
