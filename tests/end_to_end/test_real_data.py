"""1,281,504 real messages whose right answer is known, through the whole path, twice."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from etl.aws.target import Target
from etl.operations.publishing import publish_file
from tests.end_to_end.conftest import account

pytestmark = [pytest.mark.slow, pytest.mark.data, pytest.mark.timeout(1500)]

CONTRACT = "contracts/sensor_community.toml"
TRIGGER = "queue"
WINDOW = 10
SHARED = Path(os.environ.get("TELEMETRY_SHARED_DATA", "../shared/data"))
DATA = SHARED / "sensor_community" / "readings.ndjson.gz"

ROWS, REJECTS, DUPLICATES = 898_047, 1, 383_456
CONFLICTS = 1
"""Readings among the duplicates with other values than the row of their key."""


@pytest.mark.skipif(not DATA.exists(), reason=f"the shared real data is absent ({DATA})")
def test_the_real_data_ends_with_its_known_answer_and_again_changes_nothing(
    pipeline: Target,
) -> None:
    begin = time.monotonic()
    receipt = publish_file(pipeline, pipeline.contract, DATA, readings_per_message=50)
    published = time.monotonic() - begin
    first = account(pipeline, 600)
    seconds = time.monotonic() - begin
    assert receipt.readings == ROWS + REJECTS + DUPLICATES
    assert first.problems() == []
    assert first.rows == ROWS
    assert first.ledger.rejected == REJECTS
    # Two messages of one key differ: whichever came second is the conflict, or was replaced.
    found = first.ledger
    assert found.duplicates + found.unchanged == DUPLICATES - CONFLICTS
    assert found.conflicts + found.conflicts_in_table + found.updated == CONFLICTS
    print(
        f"\n{receipt.readings / seconds:,.0f} readings/s end to end, {published:.0f} s publishing"
    )

    # In larger messages: which readings come in one must not matter, and an eighth of the messages
    # takes an eighth of the time to send.
    publish_file(pipeline, pipeline.contract, DATA, readings_per_message=400)
    second = account(pipeline, 600)
    assert second.problems() == []
    assert second.rows == ROWS
    assert second.ledger.inserted == ROWS
