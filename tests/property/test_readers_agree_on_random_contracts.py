"""Random contracts and random messages: however they are read and batched, the result is one.

``make slow`` tries others for each commit. ``FUZZ_CONTRACTS=20000 SEED=7`` tries more. Contract ``n`` of a run has the seed
``SEED + n``, which a failure shows: ``FUZZ_CONTRACTS=1 SEED=<that>`` repeats it alone.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from functions.transform import bulk
from functions.transform import clean as cleaning
from functions.transform.clean import clean
from functions.transform.clean_batch import CleanBatch
from telemetry.contract import Contract
from tests.fixtures.examples import MANY_EXAMPLES, SLOW_WITH_MANY
from tests.property.random_contracts import random_contract
from tests.property.random_payloads import random_lines
from tests.property.reference import expect
from tests.property.test_transform_properties import in_order, spelled, told

CONTRACTS = int(os.environ.get("FUZZ_CONTRACTS") or (300 if MANY_EXAMPLES else 50))
pytestmark = SLOW_WITH_MANY
SEED = int(os.environ.get("SEED") or 1)
TOGETHER = 25
"""Contracts of one test."""
FEW, MANY = 4, 12
"""Messages of a batch: few are also read each alone, many in three parts."""


@pytest.mark.parametrize("first", range(SEED, SEED + CONTRACTS, TOGETHER))
def test_any_way_of_reading_gives_the_same(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    last = min(first + TOGETHER, SEED + CONTRACTS)
    print(f"seeds {first} to {last - 1}")
    for seed in range(first, last):
        rng = Random(seed)
        text, contract = random_contract(rng)
        lines = random_lines(rng, contract, rng.choice([FEW, MANY]))
        monkeypatch.setattr(cleaning, "RUN_BYTES", rng.choice([300, 12 << 20]))
        monkeypatch.setattr(bulk, "SLICE_BYTES", rng.choice([100, 1000, 1 << 18]))
        try:
            _check(contract, lines, rng)
        except BaseException as error:
            error.add_note(f"FUZZ_CONTRACTS=1 SEED={seed}, whose contract is:\n{text}")
            raise


def _check(contract: Contract, lines: list[bytes], rng: Random) -> None:
    raw = b"\n".join(lines)
    fast, slow = clean(raw, contract), clean(raw, contract, bulk=False)
    assert not [r for r in fast.rejects if r.reasons[0].startswith("unreadable:")]
    assert fast.rejects == slow.rejects
    assert fast.conflicts == slow.conflicts
    assert fast.rows.equals(slow.rows)
    assert _counts([fast]) == _counts([slow])
    cuts = sorted(rng.sample(range(len(lines)), 2))
    parts = [lines[: cuts[0]], lines[cuts[0] : cuts[1]], lines[cuts[1] :]]
    batching = parts if len(lines) >= MANY else [[line] for line in lines]
    found = [clean(b"\n".join(some), contract) for some in batching]
    assert _counts(found) == _counts([fast])
    assert in_order([r for part in found for r in told(part)]) == in_order(told(fast))
    _same_rows(contract, found, fast)
    if contract.compression is None:
        _as_plainly(contract, raw, fast)


def _counts(batches: Sequence[CleanBatch]) -> dict[str, int]:
    """Sums that don't depend on the batching; which readings repeat or contradict others does."""
    sums: Counter[str] = Counter()
    for batch in batches:
        sums["read"] += batch.read
        sums["accepted"] += batch.read - batch.rejected - batch.set_aside
        sums["set aside"] += batch.set_aside
        sums["empty"] += batch.empty_messages
        for name, faults in batch.faults.items():
            for fault, number in faults.items():
                sums[f"{fault}:{name}"] += number
    return {name: number for name, number in sums.items() if number}


def _same_rows(contract: Contract, parts: Sequence[CleanBatch], whole: CleanBatch) -> None:
    keys = {key for part in parts for key in part.rows.select(contract.key).iter_rows()}
    assert keys == set(whole.rows.select(contract.key).iter_rows())
    if contract.on_conflict != "fill_missing":  # which makes one row of several
        rows = {tuple(spelled(row)) for part in parts for row in part.rows.iter_rows()}
        assert {tuple(spelled(row)) for row in whole.rows.iter_rows()} <= rows


def _number(spelling: str) -> dict[str, str]:
    """A number of a document, as it is spelled: no text is like it."""
    return {"\0": spelling}


def _in_order_of_names(contract: Contract, row: Sequence[Any]) -> list[Any]:
    """The row with the members of its documents in order of their names: ``jsonb`` keeps none."""
    document = [column.type == "jsonb" for column in contract.columns]
    return [
        json.dumps(json.loads(value, parse_int=_number, parse_float=_number), sort_keys=True)
        if is_document and isinstance(value, str)
        else value
        for is_document, value in zip(document, row, strict=True)
    ]


def _as_plainly(contract: Contract, raw: bytes, found: CleanBatch) -> None:
    """The same as the slow and plain transform of the property tests."""
    wanted = expect(raw, contract)
    assert in_order(told(found)) == in_order(wanted.rejects)
    rows = [_in_order_of_names(contract, row) for row in found.rows.rows()]
    expected = [_in_order_of_names(contract, row) for row in wanted.rows.values()]
    assert sorted(map(spelled, rows)) == sorted(map(spelled, expected))
    counts = (found.read, found.set_aside, found.empty_messages, len(found.conflicts))
    assert counts == (
        wanted.read, wanted.set_aside, wanted.empty_messages, len(wanted.conflicts),
    )  # fmt: skip
