"""Messages that two contracts share, against a small oracle: each copy is a message of its own."""

from __future__ import annotations

import base64
import gzip
import json
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from etl.operations.batch_match import LedgerKey, match_batches
from etl.operations.message_index import MessageIndex, RawObject
from etl.operations.other_contracts import OtherContracts
from etl.operations.receipts import (
    Acknowledgements,
    Receipt,
    message_digest,
    read_receipts,
    write_receipt,
)
from etl.operations.reconciliation_counts import ContractCounts, Counts, Ledger
from etl.operations.verdict import judge
from telemetry.contract import Column, Contract, ContractSet, Source
from tests.fixtures.aws_fakes import FakeS3

NOW = datetime.now(UTC)
COLUMNS = (
    Column(name="device_id", type="text", sources=(Source("reading", ("d",)),), required=True),
    Column(name="ts", type="timestamp", sources=(Source("reading", ("t",)),), required=True),
)
FIRST = Contract(
    "uplink", "fleet/+/up", "telemetry", "uplink", ("device_id", "ts"), COLUMNS, digest="first"
)
SECOND = replace(
    FIRST, name="all", topic="fleet/#", table="everything", readings=("r",), digest="second"
)
CONTRACTS = ContractSet.of([FIRST, SECOND])
TOPICS = {"fleet/box/up": ("uplink", "all"), "fleet/box/state": ("all",)}
"""Topics with the contracts whose filters they match."""
PAYLOADS = (b'{"r": []}', b'{"r": [{"d": 1}, {"d": 2}, {"d": 3}]}', b"{")
READINGS = {"uplink": (1, 1, 1), "all": (0, 3, 1)}
"""Readings of these payloads by contract; a payload that isn't read counts as one."""


@dataclass(frozen=True)
class Copy:
    """A published message as one contract gets it."""

    number: int
    contract: str
    topic: str
    payload: int
    place: str
    """``staged``, ``again`` (staged twice), ``queue`` or ``nowhere``."""

    @property
    def readings(self) -> int:
        return READINGS[self.contract][self.payload]


@st.composite
def copies(draw: st.DrawFn) -> list[Copy]:
    places = draw(st.sampled_from((["staged"], ["staged", "again", "queue", "nowhere"])))
    found = []
    for number in range(draw(st.integers(1, 8))):
        topic = draw(st.sampled_from(sorted(TOPICS)))
        payload = draw(st.integers(0, len(PAYLOADS) - 1))
        for contract in TOPICS[topic]:
            place = draw(st.sampled_from(places))
            found.append(Copy(number, contract, topic, payload, place))
    return found


def publish(s3: Any, messages: list[Copy]) -> None:
    """Publishes as `etl publish` with the first contract does; topics of others are for them."""
    sent, others = Acknowledgements(), OtherContracts(CONTRACTS, FIRST)
    for number in dict.fromkeys(one.number for one in messages):
        one = next(one for one in messages if one.number == number)
        payload = PAYLOADS[one.payload]
        copy = others.send("box", one.topic, payload)
        if "uplink" in TOPICS[one.topic]:
            sent.add(message_digest("box", payload), READINGS["uplink"][one.payload])
        copy()
    receipt = Receipt("p", "publish", "", sent.messages, sent.readings, digests=True)
    write_receipt(s3, "data", receipt, sent)
    others.write(s3, "data", receipt)


def stage(s3: Any, messages: list[Copy]) -> list[tuple[Contract, RawObject, list[Copy]]]:
    """A raw object of each contract, in the order of their keys."""
    staged = []
    for contract, part in ((SECOND, "b0.all"), (FIRST, "b1")):
        own = [m for m in messages if m.contract == contract.name]
        own = [m for m in own for _ in range({"staged": 1, "again": 2}.get(m.place, 0))]
        if not own:
            continue
        lines = (
            {
                "message_id": f"{m.contract}-{m.number}",
                "topic": m.topic,
                "client_id": "box",
                "received_at": 1,
                "payload": base64.b64encode(PAYLOADS[m.payload]).decode(),
            }
            for m in own
        )
        key = f"raw/2026/11/23/run/{part}.n{len(own)}.ndjson.gz"
        s3.objects[key] = gzip.compress(b"".join(json.dumps(x).encode() + b"\n" for x in lines))
        staged.append((contract, RawObject(key, key, len(own), NOW - timedelta(hours=1)), own))
    return staged


def reconciled(messages: list[Copy], folder: Path, lost_rows: str | None = None) -> Counts:
    """The counts of a pipeline that loads everything; ``lost_rows``: a contract whose table lacks
    a row that the other one has too many."""
    s3: Any = FakeS3()
    publish(s3, messages)
    staged = stage(s3, messages)
    ledger = {c.name: sum(m.readings for m in own) for c, _, own in staged}
    keys = [
        LedgerKey(raw.key, raw.messages, sum(m.readings for m in own), contract.digest)
        for contract, raw, own in staged
    ]
    receipts = [(receipt, NOW - timedelta(hours=1)) for receipt, _ in read_receipts(s3, "data")]
    with MessageIndex(folder / "index.sqlite") as index:
        index.note_staged(raw for _, raw, _ in staged)
        index.note_outcomes(())
        found = index.match(s3, "data", receipts)
        batches = match_batches(
            index.staged(), index.outcomes(), keys, index.readings_by_object(), active=[], now=NOW
        )
    moved = {name: (-1 if name == lost_rows else 1) if lost_rows else 0 for name in CONTRACTS.names}
    parts = tuple(
        ContractCounts(
            one.name, CONTRACTS.key_name(one), Ledger(read=n, inserted=n), n + moved[one.name]
        )
        for one in CONTRACTS
        for n in (ledger.get(one.name, 0),)
    )
    total = sum(ledger.values())
    return Counts(
        receipts=[receipt for receipt, _ in receipts],
        last_receipt=NOW - timedelta(hours=1),
        queued=sum(m.place == "queue" for m in messages),
        messages=found,
        batches=batches,
        ledger=Ledger(read=total, inserted=total),
        rows=total,
        contracts=parts,
        at=NOW,
    )


@settings(max_examples=60, deadline=None)
@given(copies())
def test_each_copy_is_a_message_of_its_contract(messages: list[Copy]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        counts = reconciled(messages, Path(folder))
    places = Counter(m.place for m in messages)
    verdict = judge(counts)
    said = [reason.sentence for reason in verdict.reasons]
    if places["nowhere"]:
        number = places["nowhere"]
        assert [s for s in said if s.startswith(f"{number} published message")], said
    elif places["queue"]:
        assert verdict.status == "under way", said
    else:
        assert verdict.status == "balanced", said
    assert counts.published_messages == len(messages)
    assert counts.published_readings == sum(m.readings for m in messages)
    assert counts.messages.repeated == places["again"]
    assert counts.without_receipt == 0
    for one in counts.contracts:
        own = [m for m in messages if m.contract == one.name]
        lost = [m for m in own if m.place in ("nowhere", "queue")]
        assert counts.missing_of(one) == (len(lost), sum(m.readings for m in lost))
        assert sum(r.messages for r in counts.receipts_of(one)) == len(own)


def test_rows_too_many_in_one_table_hide_none_that_another_lacks(tmp_path: Path) -> None:
    messages = [Copy(0, name, "fleet/box/up", 1, "staged") for name in TOPICS["fleet/box/up"]]
    counts = reconciled(messages, tmp_path, lost_rows="all")
    assert counts.rows == counts.ledger.inserted
    verdict = judge(counts)
    before, after = (reason.command for reason in verdict.reasons)
    assert before is None
    assert after is not None
    assert after.startswith("etl backfill --repair --from 2026-11-23 --to ")
    assert after.endswith(" --contract all")
    assert [reason.sentence for reason in verdict.reasons] == [
        "2 rows in the table of uplink, 1 inserted according to the ledger",
        "2 rows in the table of all, 3 inserted according to the ledger",
    ]


def test_a_copy_that_arrived_twice_stands_for_no_other_contracts(tmp_path: Path) -> None:
    messages = [
        Copy(0, "uplink", "fleet/box/up", 1, "again"),
        Copy(0, "all", "fleet/box/up", 1, "nowhere"),
    ]
    counts = reconciled(messages, tmp_path)
    assert judge(counts).reasons[0].sentence == (
        "1 published message is neither in S3 nor in a queue (of p-all)"
    )
