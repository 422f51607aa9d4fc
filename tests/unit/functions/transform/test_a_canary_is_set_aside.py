"""The doctor's canary is counted, and is neither a row nor a reject, whatever the contract says."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest

from functions.transform.clean import clean
from functions.transform.clean_batch import CleanBatch
from functions.transform.handler import transform
from telemetry.canary import CANARY_PREFIX, canary_payload
from telemetry.contract import Contract
from tests.unit.functions.transform.envelopes_for import KEY, contract_of, lines

PLAIN = contract_of("")
CANARY = canary_payload("6a1b")


def both_ways(raw: bytes, contract: Contract) -> CleanBatch:
    fast, slow = clean(raw, contract), clean(raw, contract, bulk=False)
    assert fast.rows.equals(slow.rows)
    assert (fast.rejects, fast.set_aside) == (slow.rejects, slow.set_aside)
    return fast


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_it_is_set_aside_between_readings(compression):
    contract = replace(PLAIN, compression=compression)
    sent = [b'{"id": 1}', b'{"id": 2}', b"not JSON"]
    if compression:
        sent = [gzip.compress(body, mtime=0) for body in sent]

    batch = both_ways(lines(sent[0], CANARY, *sent[1:]), contract)

    assert batch.rows["id"].to_list() == [1, 2]
    assert [(reject.message, reject.reasons) for reject in batch.rejects] == [(3, ("not_json",))]
    assert batch.set_aside == 1


def test_a_batch_of_nothing_else_is_empty_and_balances():
    _, report = transform(lines(CANARY), PLAIN, KEY, "execution")

    assert (report["read"], report["set_aside"]) == (1, 1)
    assert (report["accepted"], report["rejected"]) == (0, 0)


def test_what_merely_resembles_it_is_rejected():
    batch = both_ways(lines(b" " + CANARY, CANARY_PREFIX.strip()), PLAIN)

    assert batch.set_aside == 0
    assert [reject.reasons for reject in batch.rejects] == [("not_json",), ("not_json",)]
