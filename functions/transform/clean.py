"""The core of Transform: a raw micro-batch in, clean rows and accounted rejects out. Pure.

::

    lines ─▶ messages, in an order of their own        envelopes
          ─▶ raw values, one per source and reading    bulk, careful
          ─▶ typed columns, reasons to reject          columns, values, timestamps
          ─▶ one row per key, in key order             here

Messages are worked through in runs of a few MiB, so that what is large while it is being taken
apart (JSON trees, raw texts) never exists for more than one run at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from types import MappingProxyType

import polars as pl

from functions.transform.bulk import BulkDecoder, Decoded
from functions.transform.careful import SET_ASIDE, CarefulReader
from functions.transform.columns import clean_columns, rejections
from functions.transform.envelopes import read_envelopes
from functions.transform.extraction_plan import ARRIVAL, RECEIVED, ExtractionPlan, make_plan
from functions.transform.inflation import measured, opened
from functions.transform.isolation import OUR_ERRORS, Unreadable, isolated, unreadable
from functions.transform.message_filter import matches
from telemetry.canary import CANARY_PREFIX
from telemetry.contract import Contract

__all__ = [
    "INDEX",
    "MESSAGE",
    "ORDER",
    "PLACE",
    "ROW",
    "CleanBatch",
    "Reject",
    "clean",
    "clean_messages",
    "placed_readings",
    "read_messages",
]

ORDER, PLACE = " m", " i"
"""Frame columns of the message's number and of the reading's index in it; no column of a contract
is called so."""
ROW, MESSAGE, INDEX = "row", "message", "index"
"""Columns of :attr:`CleanBatch.places` and of :attr:`CleanBatch.later_values`."""
LATER = (ROW, "column", MESSAGE, INDEX)
CONFLICT = ("conflict",)
"""Reasons of a reading that another one of the same key, with other values, is kept before."""
RUN_BYTES = 12 << 20
"""Payload worked on at a time."""
VALUE_BYTES = 12
"""Bytes that a comma counts for: a run of only ``{},`` would hold millions of readings."""
LISTED_REJECTS = 200_000
"""Rejects of a batch that are listed one by one. Beyond that a device is broken rather than some
readings, and those of a message are listed together."""
FIRST_MOMENT, LAST_MOMENT = -62_135_596_800_000, 253_402_300_799_999
"""Epoch milliseconds of the years 1 to 9999."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A reading that gives no row."""

    message: int
    """Row of the batch's ``messages``."""
    index: int | None
    """Place in the message's array; ``None`` where the message itself is the reading."""
    reasons: tuple[str, ...]
    """All reasons; the first one is counted. Of several readings, the first of each."""
    readings: int = 1
    """Number of readings of the message it stands for; ``index`` is ``None`` where several."""


@dataclass
class CleanBatch:
    """Result of a raw micro-batch.

    ``read = rows + duplicates + conflicts + rejected + set_aside``.
    """

    messages: pl.DataFrame
    """Result of :func:`~functions.transform.envelopes.read_envelopes`; payloads as sent."""
    rows: pl.DataFrame
    """The contract's columns, in key order, one row per key."""
    places: pl.DataFrame = field(default_factory=pl.DataFrame)
    """The message of each row's reading (row of ``messages``) and its index there: 0 where the
    message itself is the reading, else from 1. A row made of several has the place of the first."""
    later_values: pl.DataFrame = field(default_factory=pl.DataFrame)
    """Values that a row has from a later reading than its first one: row, column (its number),
    and message and index as in ``places``."""
    arrivals: tuple[int | None, int | None] | None = None
    """Arrival (epoch ms) of the first and the last message with an accepted reading."""
    duplicates: int = 0
    """Readings that equal the kept row of their key."""
    conflicts: list[Reject] = field(default_factory=list)
    """Readings with the key of a kept row and other values; none is among ``rejects``."""
    conflicting_pair: tuple[Reject, Reject] | None = None
    """A kept reading, and one that conflicts with it."""
    rejects: list[Reject] = field(default_factory=list)
    empty_messages: int = 0
    set_aside: int = 0
    """Messages of another kind than those that hold readings; each counts as one reading."""
    faults: dict[str, Counter[str]] = field(default_factory=dict)
    """Column to how many values were invalid, out of range or too long, rejected or not."""

    @property
    def read(self) -> int:
        """Readings in the batch."""
        ended = self.rows.height + self.duplicates + self.conflicting
        return ended + self.rejected + self.set_aside

    @property
    def conflicting(self) -> int:
        """Readings in conflict with the kept row of their key."""
        return sum(conflict.readings for conflict in self.conflicts)

    @property
    def rejected(self) -> int:
        """Rejected readings."""
        return sum(reject.readings for reject in self.rejects)

    def add(self, part: CleanBatch) -> None:
        """Adds the counts of a part of its messages, which come after those of the last one."""
        self.empty_messages += part.empty_messages
        self.set_aside += part.set_aside
        for name, faults in part.faults.items():
            self.faults[name].update(faults)
        self.rejects = _listed(self.rejects, part.rejects)


def clean(raw: bytes, contract: Contract, *, bulk: bool = True) -> CleanBatch:
    """Cleans a raw object's lines (not compressed). Takes any bytes; raises nothing of its own.

    ``bulk=False`` has every message read by the careful reader: slower, the same result.
    """
    return clean_messages(read_messages(raw, contract), contract, bulk=bulk)


def read_messages(raw: bytes, contract: Contract) -> pl.DataFrame:
    """Messages of a raw object's lines, numbered in ``m``: see ``envelopes``."""
    messages = read_envelopes(raw).with_row_index("m")
    return messages if contract.compression is None else measured(messages)


def clean_messages(
    messages: pl.DataFrame,
    contract: Contract,
    *,
    bulk: bool = True,
    unreadable: Mapping[int, Unreadable] = MappingProxyType({}),
) -> CleanBatch:
    """Cleans the messages of :func:`read_messages`, ``m`` being their rows.

    Those in ``unreadable`` are not read: they are rejects for that reason.
    """
    batch, parts = _read_all(messages, contract, unreadable, bulk=bulk)
    _keep_one_per_key(contract, batch, parts)
    return batch


def placed_readings(raw: bytes, contract: Contract) -> tuple[CleanBatch, pl.DataFrame]:
    """Every accepted reading of a raw object's lines, several of one key included.

    Columns: the contract's, then :data:`ORDER` (the row of the batch's ``messages``) and
    :data:`PLACE` (the index in the message; null where the message itself is the reading). The
    batch has no rows.
    """
    batch, parts = _read_all(read_messages(raw, contract), contract, {}, bulk=True)
    return batch, pl.concat(parts)


def _read_all(
    messages: pl.DataFrame,
    contract: Contract,
    unreadable: Mapping[int, Unreadable],
    *,
    bulk: bool,
) -> tuple[CleanBatch, list[pl.DataFrame]]:
    """The batch with its counts, and the accepted readings in order of message and index."""
    plan = make_plan(contract)
    batch = CleanBatch(messages, pl.DataFrame())
    batch.faults = {column.name: Counter() for column in contract.columns}
    parts: list[pl.DataFrame] = []
    start = 0
    for m in (*sorted(unreadable), messages.height):
        for run in _runs(messages.slice(start, m - start)):
            parts += _clean_isolated(plan, run, batch, bulk=bulk)
        if m in unreadable:
            batch.rejects = _listed(batch.rejects, [Reject(m, None, (unreadable[m],))])
        start = m + 1
    # Without a run there are columns all the same, and no rows.
    return batch, parts or [_clean_run(plan, messages.clear(), batch, bulk=False)]


def _clean_isolated(
    plan: ExtractionPlan, run: pl.DataFrame, batch: CleanBatch, *, bulk: bool
) -> list[pl.DataFrame]:
    """Runs :func:`_clean_run` in as many parts as it takes to leave out unreadable messages."""

    def work(messages: pl.DataFrame, bulk: bool) -> tuple[pl.DataFrame, CleanBatch]:
        own = CleanBatch(
            messages, pl.DataFrame(), faults={name: Counter() for name in batch.faults}
        )
        return _clean_run(plan, messages, own, bulk=bulk), own

    parts = []
    for messages, found in isolated(run, work, bulk=bulk):
        if isinstance(found, Unreadable):
            batch.rejects = _listed(batch.rejects, [Reject(messages["m"][0], None, (found,))])
        else:
            rows, own = found
            parts.append(rows)
            batch.add(own)
    return parts


def _clean_run(
    plan: ExtractionPlan, run: pl.DataFrame, batch: CleanBatch, *, bulk: bool
) -> pl.DataFrame:
    """Typed columns of the accepted readings of a run, still with their duplicates."""
    parts = [_clean_part(plan, part, batch) for part in _readings(plan, run, batch, bulk=bulk)]
    batch.rejects.sort(key=lambda reject: (reject.message, reject.index or 0))
    return parts[0] if len(parts) == 1 else pl.concat(parts).sort(ORDER, maintain_order=True)


def _listed(before: list[Reject], rejects: list[Reject]) -> list[Reject]:
    """Rejects of the earlier runs and of this one, in order; beyond the limit, grouped by message.

    Which ones are grouped depends on the messages and their order alone.
    """
    if len(before) + len(rejects) <= LISTED_REJECTS:
        return before + rejects
    for m, group in groupby(rejects, key=lambda reject: reject.message):
        found = list(group)
        if len(before) + len(found) <= LISTED_REJECTS or len(found) == 1:
            before += found
            continue
        counts = Counter(reject.reasons[0] for reject in found)
        before += [Reject(m, None, (reason,), number) for reason, number in sorted(counts.items())]
    return before


def _clean_part(plan: ExtractionPlan, readings: pl.DataFrame, batch: CleanBatch) -> pl.DataFrame:
    """Typed columns of the accepted ones of the readings, and the places they came from."""
    columns = clean_columns(plan, readings)
    rejected, reasons = rejections(columns, readings.height)
    for column in columns:
        if column.truncated:
            batch.faults[column.column.name]["truncated"] += column.truncated
        for fault, mask in column.faults.items():
            batch.faults[column.column.name][fault] += int(mask.sum())
    places = (readings["m"].alias(ORDER), readings["index"].alias(PLACE))
    frame = pl.DataFrame([*(column.values for column in columns), *places])
    if not reasons:
        return frame
    found = readings.select("m", "index").filter(rejected).iter_rows()
    batch.rejects += [
        Reject(m, index, causes) for (m, index), causes in zip(found, reasons, strict=True)
    ]
    return frame.filter(~rejected)


def _readings(
    plan: ExtractionPlan, run: pl.DataFrame, batch: CleanBatch, *, bulk: bool
) -> list[pl.DataFrame]:
    """``m``, ``index`` and all raw values of the readings of a run, in two parts at most.

    The parts differ in the types of their values; in each the readings are in order.
    """
    left = _opened(plan, _of_this_kind(plan, run, batch), batch)
    unreadable = left["text"].is_null()
    batch.rejects += [Reject(m, None, ("not_utf8",)) for m in left["m"].filter(unreadable)]
    left = left.filter(~unreadable)
    parts = []
    for decode_plan in plan.decode_plans if bulk else ():
        decoded = BulkDecoder(plan, decode_plan).decode(left.select("m", "text"))
        parts.append(_without_faults(decoded, batch))
        left = left.filter(pl.col("m").is_in(decoded.left.implode()))
    parts.append(_read_carefully(plan, left, batch))
    typed, as_texts = parts[:-2], parts[-2:]
    texts = pl.concat(as_texts, how="diagonal").sort("m", maintain_order=True)
    found = [part for part in (*typed, texts) if part.height] or [texts]
    envelopes = _envelope_texts(plan, run)
    return [_with_envelopes(plan, part, run, envelopes) for part in found]


def _with_envelopes(
    plan: ExtractionPlan, readings: pl.DataFrame, run: pl.DataFrame, envelopes: list[pl.Series]
) -> pl.DataFrame:
    places = readings["m"] - (run["m"][0] if run.height else 0)
    indexes = readings["index"].fill_null(0).cast(pl.String)
    return readings.with_columns(
        *(values.gather(places) for values in envelopes),
        *(indexes.alias(name) for name in plan.of_scope("index")),
        *(pl.lit(text).alias(name) for name, (text,) in plan.of_scope("constant").items()),
    )


def _without_faults(decoded: Decoded, batch: CleanBatch) -> pl.DataFrame:
    """Rejects the readings with a fault; returns the others."""
    batch.empty_messages += decoded.empty
    batch.set_aside += decoded.set_aside
    broken = decoded.readings.filter(pl.col("fault").is_not_null())
    if not broken.height:
        return decoded.readings.drop("fault")
    faults = broken.select("m", "index", "fault").iter_rows()
    batch.rejects += [Reject(m, index, (fault,)) for m, index, fault in faults]
    return decoded.readings.filter(pl.col("fault").is_null()).drop("fault")


def _opened(plan: ExtractionPlan, messages: pl.DataFrame, batch: CleanBatch) -> pl.DataFrame:
    """The messages, inflated where devices compress them."""
    if plan.contract.compression is None:
        return messages
    broken = messages.filter(pl.col("fault").is_not_null())
    batch.rejects += [Reject(m, None, (why,)) for m, why in broken.select("m", "fault").iter_rows()]
    return opened(messages.filter(pl.col("fault").is_null()))


def _of_this_kind(plan: ExtractionPlan, run: pl.DataFrame, batch: CleanBatch) -> pl.DataFrame:
    """The messages whose envelope says that they hold readings; the others are set aside.

    So are the canaries of ``etl doctor``, whatever the contract says.
    """
    canaries = run["payload"].bin.starts_with(CANARY_PREFIX)
    if canaries.any():
        batch.set_aside += int(canaries.sum())
        run = run.filter(~canaries)
    conditions = plan.conditions("envelope")
    if not conditions:
        return run
    texts = {text.name: text for text in _envelope_texts(plan, run)}
    masks = [
        matches(texts[plan.place(c.source)], c).alias(str(n)) for n, c in enumerate(conditions)
    ]
    kept = run.filter(pl.DataFrame(masks).select(pl.all_horizontal(pl.all())).to_series())
    batch.set_aside += run.height - kept.height
    return kept


def _read_carefully(
    plan: ExtractionPlan, messages: pl.DataFrame, batch: CleanBatch
) -> pl.DataFrame:
    reader = CarefulReader(plan)
    rows: list[tuple[int | str | None, ...]] = []
    asked = messages.select("m", "text", "received_at", "message_id")
    for m, text, arrived, message_id in asked.iter_rows():
        try:
            read = reader.read(text, arrived)
        except OUR_ERRORS as error:
            read = unreadable(error, message_id)
        if read == SET_ASIDE:
            batch.set_aside += 1
            continue
        if isinstance(read, str):
            batch.rejects.append(Reject(m, None, (read,)))
            continue
        batch.empty_messages += not read
        for reading in read:
            if reading.fault is not None:
                batch.rejects.append(Reject(m, reading.index, (reading.fault,)))
            else:
                rows.append((m, reading.index, *reading.values))
    schema = {"m": pl.UInt32, "index": pl.Int64} | dict.fromkeys(reader.names, pl.String)
    return pl.DataFrame(rows, schema=schema, orient="row")


def _envelope_texts(plan: ExtractionPlan, messages: pl.DataFrame) -> list[pl.Series]:
    """Raw values of the sources that are parts of the envelope, one per message."""
    texts = [_moments(messages["received_at"]).alias(ARRIVAL)] if plan.takes_arrival else []
    for place, (name, *level) in plan.of_scope("envelope").items():
        text = messages[name].cast(pl.String).alias(place)
        if level:
            text = text.str.split("/").list.get(int(level[0]), null_on_oob=True)
        texts.append(text)
    if plan.takes_received:
        moments = _sound(messages["received_at"]).cast(pl.Datetime("ms", "UTC"))
        texts.append(moments.dt.cast_time_unit("us").alias(RECEIVED))
    return texts


def _moments(millis: pl.Series) -> pl.Series:
    """ISO 8601 of epoch milliseconds."""
    return _sound(millis).cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")


def _sound(millis: pl.Series) -> pl.Series:
    """Epoch milliseconds of the years that a time can have, null for others."""
    sound = millis.is_between(FIRST_MOMENT, LAST_MOMENT).fill_null(value=False)
    return millis.zip_with(sound, millis.clear(millis.len()))


def _keep_one_per_key(contract: Contract, batch: CleanBatch, parts: list[pl.DataFrame]) -> None:
    """Sets the rows, and counts apart the readings that repeat a row and those that conflict.

    The parts are in order of (received_at, message_id, index) and the sort keeps that order among
    equal keys, so the first or the last of each is the one the contract asks for. Load
    applies the same policies to rows of different batches (``functions.load.conflict_policies``).
    """
    frame = _in_key_order(contract, pl.concat(parts))
    by = -1 if contract.on_conflict == "keep_last" else 1
    same = frame.select(
        pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(by)) for name in contract.key)
    ).to_series()
    # Beyond the edge a shift gives null, which equals no key: keys are never null.
    kept = frame.filter(~same)
    batch.rows, batch.places = kept.drop(ORDER, PLACE), kept.select(*_place())
    batch.later_values = pl.DataFrame(schema=dict.fromkeys(LATER, pl.UInt32))
    if frame.height:
        ends = frame.select(first=pl.col(ORDER).min(), last=pl.col(ORDER).max()).row(0)
        first, last = (batch.messages["received_at"][m] for m in ends)
        batch.arrivals = (first, last)
    if batch.rows.height == frame.height:
        return
    if contract.on_conflict == "fill_missing":
        values = pl.exclude(contract.key).drop_nulls().first()
        filled = frame.drop(ORDER, PLACE).group_by(contract.key, maintain_order=True).agg(values)
        batch.rows = filled.select(batch.rows.columns)
        batch.later_values = _later_values(contract, frame, same, batch.rows.columns)
    before = (~same).cum_sum()
    others, row = frame.filter(same), (before if by == -1 else before - 1).filter(same)
    differs = _differs(contract, others, batch.rows, row)
    lost = others.filter(differs).select(ORDER, PLACE)
    batch.duplicates = others.height - lost.height
    if not lost.height:
        return
    places = lost.sort(ORDER, PLACE).iter_rows()
    batch.conflicts = _listed([], [Reject(m, index, CONFLICT) for m, index in places])
    kept = kept.select(ORDER, PLACE)
    (message, index), first = kept.row(row.filter(differs)[0]), lost.row(0)
    batch.conflicting_pair = Reject(message, index, ()), Reject(first[0], first[1], CONFLICT)


def _place() -> tuple[pl.Expr, pl.Expr]:
    """Message and index of a reading, as numbers without a null."""
    index = (pl.col(PLACE) + 1).fill_null(0).cast(pl.UInt32)
    return pl.col(ORDER).cast(pl.UInt32).alias(MESSAGE), index.alias(INDEX)


def _later_values(
    contract: Contract, frame: pl.DataFrame, same: pl.Series, columns: list[str]
) -> pl.DataFrame:
    """The values of merged rows that are not their first reading's; :attr:`CleanBatch.later_values`
    describes the columns."""
    several = same | same.shift(-1, fill_value=False)
    row = ((~same).cum_sum() - 1).cast(pl.UInt32).alias(ROW)
    readings = frame.with_columns(row).filter(several)
    firsts = readings.group_by(ROW, maintain_order=True).agg(pl.struct(*_place()).first())
    firsts = firsts.rename({firsts.columns[1]: "first"})
    parts = []
    for number, name in enumerate(columns):
        if name in contract.key:
            continue
        with_value = readings.filter(pl.col(name).is_not_null())
        found = with_value.group_by(ROW, maintain_order=True).agg(pl.struct(*_place()).first())
        found = found.rename({found.columns[1]: "place"}).join(firsts, on=ROW)
        later = found.filter(pl.col("place") != pl.col("first")).unnest("place")
        parts.append(later.with_columns(pl.lit(number, dtype=pl.UInt32).alias("column")))
    return (
        pl.concat([part.select(LATER) for part in parts])
        if parts
        else pl.DataFrame(schema=dict.fromkeys(LATER, pl.UInt32))
    )


def _differs(
    contract: Contract, others: pl.DataFrame, rows: pl.DataFrame, row: pl.Series
) -> pl.Series:
    """Mask of the readings that say something else than the row of their key, whose place is
    ``row``."""
    masks = []
    for name in contract.compared:
        mask = others[name].ne_missing(rows[name].gather(row))
        if contract.on_conflict == "fill_missing":  # no value contradicts none
            mask &= others[name].is_not_null()
        masks.append(mask.alias(name))
    if not masks:
        return pl.repeat(value=False, n=others.height, dtype=pl.Boolean, eager=True)
    return pl.DataFrame(masks).select(pl.any_horizontal(pl.all())).to_series()


def _in_key_order(contract: Contract, frame: pl.DataFrame) -> pl.DataFrame:
    """Sorted by the key, and for ``keep_greatest`` with the greatest of each key first."""
    if contract.greatest is None:
        return frame.sort(contract.key, maintain_order=True)
    down = [*[False] * len(contract.key), True]
    by = [*contract.key, contract.greatest]
    return frame.sort(by, descending=down, nulls_last=True, maintain_order=True)


def _runs(messages: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Slices of about :data:`RUN_BYTES` of payload; an empty one where there are no messages."""
    if not messages.height:
        yield messages
    sizes = messages["payload"].bin.size().cast(pl.Int64)
    if "size" in messages.columns:  # what counts is what they are inflated to, to many values
        sizes = pl.select(pl.max_horizontal(sizes, messages["size"] * 4)).to_series()
    values = messages["text"].str.count_matches(",", literal=True).cast(pl.Int64).fill_null(0)
    sizes = pl.select(pl.max_horizontal(sizes, values * VALUE_BYTES)).to_series()
    ends = (sizes.cum_sum() // RUN_BYTES).rle()
    at = 0
    for length in ends.struct.field("len"):
        yield messages.slice(at, length)
        at += length
