"""Finds the readings of one device in the messages of a raw object, and removes them. Pure.

Messages are read as Transform reads them, so a device is what the contract's key names, wherever a
message has it: in a reading, around all readings, or in the topic. A rejected reading, or a message
that can't be read, is of the device that :class:`~etl.operations.device_names.DeviceNames` finds.

A message that holds readings of this device alone is removed. Of one with readings of several, the
elements of this device are cut out of the array, and the rest stays as it was sent. The result is
read again: where the other readings are not the same as before, the message is *mixed*: it can only
be removed as a whole.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from etl.operations.device_names import DeviceNames
from etl.operations.rejects import parse_lines
from telemetry.contract.model import Contract
from telemetry.errors import UserError
from telemetry.forgotten import is_removed, removed_line, shortened_line, without_forgotten

if TYPE_CHECKING:
    import polars as pl

    from functions.transform.clean_batch import CleanBatch, Reject

__all__ = ["DeviceMessages", "NoDeviceError", "Removal", "device_column", "find_messages"]

CUT_SHAPES = ("objects", "rows", "pairs")
"""Shapes whose readings are elements of an array that don't depend on each other."""
Envelope = tuple[str | None, str | None, str | None, int | None, bytes]
"""Message id, topic, client id, arrival and payload; of a line that is none, only the payload."""


class NoDeviceError(UserError):
    """Raised where the contract's key names no device, so that no reading is one's."""


def device_column(contract: Contract) -> str:
    """The column of the key that names the device. Raises :class:`NoDeviceError`."""
    if contract.device_column is None:
        raise NoDeviceError(
            f"The key of the contract {contract.name} is a time alone: its readings name no device."
        )
    return contract.device_column


@dataclass
class Removal:
    """Readings to remove from one message."""

    readings: int
    """All readings of the message."""
    removed: int
    """Readings of the device among them."""
    payload: bytes | None = None
    """The payload without them; ``None`` where the message is to be removed as a whole."""

    @property
    def mixed(self) -> bool:
        """True if it holds readings of other devices, and they can't be kept."""
        return self.payload is None and self.removed < self.readings

    @property
    def forgotten(self) -> int:
        """Readings that go with it."""
        return self.readings if self.payload is None else self.removed


@dataclass
class DeviceMessages:
    """The messages of one raw object that hold readings of the device."""

    removals: dict[Envelope, Removal] = field(default_factory=dict)
    counts: Counter[Envelope] = field(default_factory=Counter)
    """Number of times that the object has each."""
    rejects: int = 0
    """Rejected readings among those of the device."""

    def __bool__(self) -> bool:
        return bool(self.removals)

    def _chosen(self, *, whole: bool) -> list[tuple[Removal, int]]:
        pairs = ((self.removals[one], number) for one, number in self.counts.items())
        return [(removal, number) for removal, number in pairs if whole or not removal.mixed]

    def readings(self, *, whole: bool = True) -> int:
        """Readings that go; without ``whole``, mixed messages are left out."""
        return sum(r.forgotten * number for r, number in self._chosen(whole=whole))

    def messages(self, *, whole: bool = True) -> int:
        """Messages that are removed or shortened."""
        return sum(number for _, number in self._chosen(whole=whole))

    @property
    def mixed(self) -> int:
        """Messages that can only be removed as a whole, with readings of other devices."""
        return sum(n for envelope, n in self.counts.items() if self.removals[envelope].mixed)

    @property
    def others(self) -> int:
        """Readings of other devices in these."""
        pairs = ((self.removals[one], number) for one, number in self.counts.items())
        return sum((r.readings - r.removed) * number for r, number in pairs if r.mixed)

    def applied(self, raw: bytes, *, whole: bool) -> bytes:
        """The lines of the raw object without these readings; the number of lines is the same."""
        return b"".join(self._line(line, whole=whole) for line in raw.split(b"\n") if line.strip())

    def _line(self, line: bytes, *, whole: bool) -> bytes:
        envelope, before = _parsed(line)
        removal = self.removals.get(envelope) if envelope is not None else None
        if envelope is None or removal is None or (removal.mixed and not whole):
            return line + b"\n"
        if removal.payload is None:
            return removed_line(removal.readings + before)
        members = _members((*envelope[:4], removal.payload))
        return shortened_line(members, removal.removed + before)


def find_messages(raw: bytes, contract: Contract, device: str) -> DeviceMessages:
    """The messages in the lines of a raw object with readings of the device."""
    batch, readings = _read(raw, contract)
    found = DeviceMessages()
    own, total = _counts(batch, readings, contract, device, found)
    _add_messages_without_readings(batch, contract, device, own, total)
    partial: list[int] = []
    for m, indexes in own.items():
        envelope = _envelope(batch, m)
        found.counts[envelope] += 1
        if envelope not in found.removals:
            found.removals[envelope] = Removal(total[m], sum(indexes.values()))
            if sum(indexes.values()) < total[m]:
                partial.append(m)
    _cut(batch, readings, contract, own, partial, found)
    return found


def _read(raw: bytes, contract: Contract) -> tuple[CleanBatch, pl.DataFrame]:
    from functions.transform.clean import placed_readings

    return placed_readings(raw, contract)


def _counts(
    batch: CleanBatch,
    readings: pl.DataFrame,
    contract: Contract,
    device: str,
    found: DeviceMessages,
) -> tuple[dict[int, Counter[int | None]], Counter[int]]:
    """Readings of the device by message and index, and all readings by message."""
    import polars as pl

    from functions.transform.clean_batch import ORDER, PLACE

    total: Counter[int] = Counter()
    own: dict[int, Counter[int | None]] = {}
    for m, number in readings.group_by(ORDER).len().iter_rows():
        total[m] += number
    hits = readings.filter(pl.col(device_column(contract)).cast(pl.String) == device)
    for m, index in hits.select(ORDER, PLACE).iter_rows():
        own.setdefault(m, Counter())[index] += 1
    names = DeviceNames(contract)
    for m, rejects in groupby(batch.rejects, key=lambda one: one.message):
        for reject, name in _named(batch, list(rejects), contract, names):
            total[m] += reject.readings
            if name == device:
                own.setdefault(m, Counter())[reject.index] += reject.readings
                found.rejects += reject.readings
    return own, total


def _named(
    batch: CleanBatch, rejects: list[Reject], contract: Contract, names: DeviceNames
) -> Iterable[tuple[Reject, str | None]]:
    """The rejects of one message, each with its device."""
    from functions.transform.clean_batch import CleanBatch
    from functions.transform.rejects import rejected_lines

    ordered = sorted(rejects, key=lambda one: one.index or 0)
    one = CleanBatch(batch.messages, batch.rows, rejects=ordered)
    lines = parse_lines("", "", io.BytesIO(rejected_lines(one, contract)), names)
    return ((reject, line.device) for reject, line in zip(ordered, lines, strict=True))


def _add_messages_without_readings(
    batch: CleanBatch,
    contract: Contract,
    device: str,
    own: dict[int, Counter[int | None]],
    total: Counter[int],
) -> None:
    """Adds messages of the device that are empty or of another kind; the latter count as one."""
    names = DeviceNames(contract)
    for m in range(batch.messages.height):
        if m in total:
            continue
        _, topic, client_id, _, payload = envelope = _envelope(batch, m)
        if names.find(topic, client_id, None, payload) == device:
            alone, _ = _read(json.dumps(_members(envelope)).encode(), contract)
            total[m] = alone.set_aside
            own[m] = Counter({None: alone.set_aside})


def _cut(
    batch: CleanBatch,
    readings: pl.DataFrame,
    contract: Contract,
    own: dict[int, Counter[int | None]],
    partial: Sequence[int],
    found: DeviceMessages,
) -> None:
    """Cuts the device's elements out of messages with readings of several, where it is proved that
    the others are read as before."""
    for m in partial:
        envelope = _envelope(batch, m)
        payload = _shortened(envelope[4], contract, own[m])
        if payload is None:
            continue
        line = json.dumps(_members((*envelope[:4], payload))).encode()
        if _is_same(batch, readings, m, own[m], _read(line, contract)):
            found.removals[envelope].payload = payload


def _shortened(payload: bytes, contract: Contract, own: Counter[int | None]) -> bytes | None:
    """The payload without these elements; ``None`` where its form is none that can be cut."""
    from functions.transform.careful import element_spans
    from functions.transform.inflation import inflate

    if contract.readings is None or not _can_be_cut(contract) or None in own:
        return None
    packed = contract.compression is not None and payload.startswith(b"\x1f\x8b")
    try:
        text = (inflate(payload) if packed else payload).decode()
        spans = element_spans(text, contract.readings)
        if not spans or text[spans[0][0] : spans[-1][1]].strip() == "":
            return None
        kept = [text[a:b] for index, (a, b) in enumerate(spans) if index not in _places(own)]
    except (ValueError, IndexError, OSError, EOFError, RecursionError):
        return None
    rest = f"{text[: spans[0][0]]}{','.join(kept)}{text[spans[-1][1] :]}".encode()
    return gzip.compress(rest, mtime=0) if packed else rest


def _can_be_cut(contract: Contract) -> bool:
    """True if readings are elements of one array of JSON, each for itself."""
    from functions.transform.formats.payload_decoder import is_decoded

    flat = contract.parents is None and contract.pairs is None
    return flat and contract.shape in CUT_SHAPES and not is_decoded(contract)


def _places(own: Counter[int | None]) -> frozenset[int]:
    return frozenset(index for index in own if index is not None)


def _is_same(
    batch: CleanBatch,
    readings: pl.DataFrame,
    m: int,
    own: Counter[int | None],
    after: tuple[CleanBatch, pl.DataFrame],
) -> bool:
    """True if the shortened message has the same readings and rejects, but for the device's."""
    import polars as pl

    from functions.transform.clean_batch import ORDER, PLACE

    again, left = after
    places = list(_places(own))
    before = readings.filter((pl.col(ORDER) == m) & ~pl.col(PLACE).is_in(places))
    others = (r for r in batch.rejects if r.message == m and r.index not in own)
    rejects = [(r.reasons, r.readings) for r in others]
    found = [(r.reasons, r.readings) for r in again.rejects]
    same = before.drop(ORDER, PLACE).equals(left.drop(ORDER, PLACE), null_equal=True)
    return same and sorted(rejects) == sorted(found)


def _envelope(batch: CleanBatch, m: int) -> Envelope:
    row = batch.messages.row(m, named=True)
    return (
        row["message_id"], row["topic"], row["client_id"], row["received_at"], row["payload"],
    )  # fmt: skip


def _members(envelope: Envelope) -> dict[str, Any]:
    """The envelope as a line has it."""
    message_id, topic, client_id, received_at, payload = envelope
    return {
        "message_id": message_id,
        "topic": topic,
        "client_id": client_id,
        "received_at": received_at,
        "payload": base64.b64encode(payload).decode(),
    }


def _parsed(line: bytes) -> tuple[Envelope | None, int]:
    """The envelope of a line, as Transform takes it apart, and readings removed from it before;
    no envelope where the whole message has been removed."""
    from functions.transform.envelopes import parse_envelope

    try:
        members = json.loads(line)
    except (ValueError, RecursionError):
        members = None
    if is_removed(members):
        return None, 0
    own, gone = without_forgotten(line)
    return parse_envelope(own), gone.readings
