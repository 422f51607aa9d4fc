"""Random fates of messages against an oracle: never balanced where one is missing, nor the reverse.

Receipts, raw objects and the index are the real ones; only the ledger is a list.
"""

from __future__ import annotations

import base64
import gzip
import json
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from etl.operations.active_executions import ActiveExecution
from etl.operations.batch_match import LedgerKey, match_batches
from etl.operations.message_index import MessageIndex, RawObject
from etl.operations.receipts import (
    Acknowledgements,
    Receipt,
    message_digest,
    read_receipts,
    write_receipt,
)
from etl.operations.reconciliation_counts import Counts, Ledger
from etl.operations.verdict import judge
from telemetry.batches import Outcome
from telemetry.layout import OutcomeKey, Status, outcome_key, parse_outcome_key
from tests.fixtures.aws_fakes import FakeS3
from tests.fixtures.examples import MANY_EXAMPLES, slow_with_many

NOW = datetime.now(UTC)
READINGS = 3
"""Readings of each message."""
STATES = ("loaded", "quarantined", "discarded", "damaged", "failed", "retried", "stranded",
          "unrecorded")  # fmt: skip


@dataclass
class Message:
    """One message that a device sent."""

    number: int
    content: tuple[str, bytes]
    """Client id and payload; several messages may have the same."""
    acknowledged: bool
    """True if a receipt counts it."""
    place: str | int
    """``queue``, ``dead``, ``nowhere``, or the number of its batch."""
    again: int | None
    """Number of a second batch that SQS delivered it to."""


@dataclass
class Batch:
    """One raw object and what happened to it."""

    number: int
    state: str
    deleted: bool
    messages: list[Message] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"raw/2026/11/23/run/b{self.number}.n{len(self.messages)}.ndjson.gz"


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Message], list[Batch]]:
    states = st.sampled_from(STATES)
    chances = st.sampled_from([False] * 9 + [True])
    calm = draw(st.booleans())  # half of the worlds have nothing wrong by design
    good = st.sampled_from(("loaded", "quarantined", "discarded"))
    batches = [
        Batch(number, draw(good if calm else states), draw(chances) and not calm)
        for number in range(draw(st.integers(1, 4)))
    ]
    places: list[str | int] = [*range(len(batches)), *range(len(batches)), *range(len(batches))]
    if not calm:
        places += ["queue", "dead", "nowhere"]
    messages = []
    for number in range(draw(st.integers(0, 14))):
        message = Message(
            number,
            (draw(st.sampled_from(["box-1", "box-2"])), draw(st.sampled_from([b"a", b"b", b"c"]))),
            draw(st.sampled_from([True, True, True, False])),
            draw(st.sampled_from(places)),
            draw(st.none() | st.sampled_from(range(len(batches)))),
        )
        messages.append(message)
        for place in {message.place, message.again}:
            if isinstance(place, int) and message.place not in ("nowhere", "dead"):
                batches[place].messages.append(message)
    for batch in batches:  # whose messages a damaged object had is known by the receipts alone
        if batch.state == "damaged" and not all(m.acknowledged for m in batch.messages):
            batch.state = "discarded"
    return messages, [batch for batch in batches if batch.messages]


def line(message: Message) -> bytes:
    client, payload = message.content
    envelope = {
        "message_id": f"m{message.number}", "topic": "t", "client_id": client, "received_at": 1,
        "payload": base64.b64encode(payload).decode(),
    }  # fmt: skip
    return json.dumps(envelope).encode() + b"\n"


class World:
    """A pipeline in S3 and a ledger, from which a reconciliation is taken."""

    def __init__(self, messages: list[Message], batches: list[Batch]) -> None:
        self.messages, self.batches = messages, batches
        self.s3 = FakeS3()
        self._publish()
        for batch in batches:
            self._stage(batch)

    def _publish(self) -> None:
        sent = Acknowledgements()
        for message in self.messages:
            if message.acknowledged:
                sent.add(message_digest(*message.content), READINGS)
        receipt = Receipt("p", "publish", "", sent.messages, sent.readings, digests=True)
        write_receipt(self.s3, "data", receipt, sent)  # type: ignore[arg-type]

    def _stage(self, batch: Batch) -> None:
        body = gzip.compress(b"".join(map(line, batch.messages)), mtime=0)
        if batch.state == "damaged":
            body = body[:-9]
        if not batch.deleted:
            self.s3.objects[batch.key] = body
        for status in self._statuses(batch):
            self.s3.objects[outcome_key(batch.key, "run", status)] = b"{}"

    def _statuses(self, batch: Batch) -> list[Status]:
        known: dict[str, list[Status]] = {
            "loaded": ["loaded"], "quarantined": ["quarantined"], "discarded": ["discarded"],
            "damaged": ["failed", "discarded"], "failed": ["failed"], "retried": ["failed"],
            "stranded": [], "unrecorded": ["loaded"],
        }  # fmt: skip
        return known[batch.state]

    def counts(self, folder: Path) -> Counts:
        raws = [
            RawObject(b.key, b.state, len(b.messages), NOW - timedelta(hours=1))
            for b in self.batches
            if not b.deleted
        ]
        recorded = [
            b for b in self.batches if b.state in ("loaded", "quarantined", "discarded", "damaged")
        ]
        ledger = sorted(
            (LedgerKey(b.key, len(b.messages), self._read(b), "") for b in recorded),
            key=lambda entry: entry.raw_key,
        )
        retried = frozenset(b.key for b in self.batches if b.state == "retried")
        s3: Any = self.s3
        receipts = [(r, NOW - timedelta(hours=1)) for r, _ in read_receipts(s3, "data")]
        with MessageIndex(folder / "index.sqlite") as index:
            for _ in range(2):  # the second time everything is in the index
                index.note_staged(raws)
                index.note_outcomes(self._outcomes())
                messages = index.match(s3, "data", receipts)
                batches = match_batches(
                    index.staged(), index.outcomes(), ledger, index.readings_by_object(),
                    active=[ActiveExecution("again", retried)], now=NOW,
                )  # fmt: skip
        inserted = sum(self._read(b) for b in recorded if b.state == "loaded")
        waiting = Counter(message.place for message in self.messages)
        return Counts(
            receipts=[receipt for receipt, _ in receipts],
            last_receipt=NOW - timedelta(hours=1),
            queued=waiting["queue"],
            dead=waiting["dead"],
            messages=messages,
            batches=batches,
            ledger=Ledger(
                read=sum(map(self._read, recorded)),
                inserted=inserted,
                quarantined=sum(self._read(b) for b in recorded if b.state == "quarantined"),
                discarded=sum(self._read(b) for b in recorded if b.state == "discarded"),
                rejected=sum(self._read(b) for b in recorded if b.state == "damaged"),
                rejected_by={"x": sum(self._read(b) for b in recorded if b.state == "damaged")},
            ),
            rows=inserted,
            at=NOW,
        )

    def _read(self, batch: Batch) -> int:
        return len(batch.messages) * (1 if batch.state == "damaged" else READINGS)

    def _outcomes(self) -> list[Outcome]:
        keys = [parse_outcome_key(key) for key in self.s3.objects]
        return [Outcome(key, NOW) for key in keys if isinstance(key, OutcomeKey)]

    def missing(self) -> int:
        """Acknowledged messages that are nowhere; of equal ones any stands for the other."""
        sent = Counter(m.content for m in self.messages if m.acknowledged)
        there = {(m.number, m.content) for b in self.batches if not b.deleted for m in b.messages}
        there |= {(m.number, m.content) for m in self.messages if m.place in ("queue", "dead")}
        found = Counter(content for _, content in there)
        return (sent - found).total()

    def broken(self) -> bool:
        """True if a batch, or a dead letter, is left that nothing will load."""
        return any(m.place == "dead" for m in self.messages) or any(
            b.state in ("failed", "unrecorded")
            or (b.state == "stranded" and not b.deleted)
            # An outcome or a ledger row names it; of a stranded one that is gone nothing does.
            or (b.deleted and b.state != "stranded")
            for b in self.batches
        )

    def waiting(self) -> bool:
        """True if a queue or an execution has something."""
        return any(m.place == "queue" for m in self.messages) or any(
            b.state == "retried" and not b.deleted for b in self.batches
        )


@slow_with_many
@settings(max_examples=300 if MANY_EXAMPLES else 50, deadline=None)
@given(worlds())
def test_the_verdict_is_the_oracles(world: tuple[list[Message], list[Batch]]) -> None:
    found = World(*world)
    with tempfile.TemporaryDirectory() as folder:
        verdict = judge(found.counts(Path(folder)))
    said = "\n".join(reason.sentence for reason in verdict.reasons)
    if found.missing() or found.broken():
        assert verdict.status != "balanced", said
        if not found.waiting():
            assert verdict.status == "not balanced", said
    elif found.waiting():
        assert verdict.status == "under way", said
    else:
        assert verdict.status == "balanced", said


def test_a_message_that_took_the_place_of_another_hides_nothing(tmp_path: Path) -> None:
    """41 messages of devices without receipts, and 20 published ones whose object was deleted."""
    gone, there, others = (
        Batch(0, "stranded", True),
        Batch(1, "loaded", False),
        Batch(2, "loaded", False),
    )
    messages = [Message(n, ("box-1", b"%d" % n), True, n // 20, None) for n in range(40)]
    messages += [Message(n, ("box-9", b"%d" % n), False, 2, None) for n in range(40, 81)]
    for message in messages:
        (gone, there, others)[int(message.place)].messages.append(message)
    world = World(messages, [gone, there, others])
    counts = world.counts(tmp_path)
    assert counts.staged_messages > counts.published_messages
    assert (counts.messages.missing, counts.messages.missing_readings) == (20, 20 * READINGS)
    assert counts.without_receipt == 41
    [reason] = judge(counts).reasons
    assert reason.sentence == "20 published messages are neither in S3 nor in a queue (of p)"


def test_a_replaced_object_is_read_again_and_a_deleted_one_forgotten(tmp_path: Path) -> None:
    batch = Batch(0, "loaded", False)
    messages = [Message(n, ("box-1", b"%d" % n), True, 0, None) for n in range(3)]
    batch.messages = messages
    world = World(messages, [batch])
    assert world.counts(tmp_path).messages.missing == 0
    world.s3.objects[batch.key] = gzip.compress(line(messages[0]))
    batch.state = "quarantined"  # the ETag here
    assert world.counts(tmp_path).messages.missing == 2
    batch.deleted = True
    assert world.counts(tmp_path).messages.missing == 3


def test_a_damaged_index_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").write_bytes(b"no database" * 1000)
    batch = Batch(0, "loaded", False)
    batch.messages = [Message(0, ("box-1", b"x"), True, 0, None)]
    assert judge(World(batch.messages, [batch]).counts(tmp_path)).status == "balanced"
