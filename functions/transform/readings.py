"""Takes the messages of a run apart into readings: texts of each source, not yet typed.

Each decode plan of the bulk decoder takes the messages that it can; the careful reader takes the
rest. A message that neither can read is a reject, and one of another kind is set aside.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from functions.transform.bulk import BulkDecoder, Decoded
from functions.transform.careful import SET_ASIDE, CarefulReader
from functions.transform.clean_batch import CleanBatch, Reject
from functions.transform.extraction_plan import ARRIVAL, RECEIVED, ExtractionPlan
from functions.transform.formats.payload_decoder import PayloadDecoder, is_decoded
from functions.transform.inflation import opened
from functions.transform.isolation import OUR_ERRORS, unreadable
from functions.transform.message_filter import matches
from functions.transform.timestamps import looked_up
from telemetry.canary import CANARY_PREFIX

__all__ = ["FIRST_MOMENT", "LAST_MOMENT", "read_readings"]

FIRST_MOMENT, LAST_MOMENT = -62_135_596_800_000, 253_402_300_799_999
"""Epoch milliseconds of the years 1 to 9999."""


def read_readings(
    plan: ExtractionPlan, run: pl.DataFrame, batch: CleanBatch, *, bulk: bool
) -> list[pl.DataFrame]:
    """``m``, ``index`` and all raw values of the readings of a run, in two parts at most.

    The parts differ in the types of their values; in each the readings are in order.
    """
    left = _opened(plan, _of_this_kind(plan, run, batch), batch)
    if not is_decoded(plan.contract):
        unreadable = left["text"].is_null()
        batch.rejects += [Reject(m, None, ("not_utf8",)) for m in left["m"].filter(unreadable)]
        read = _read(plan, left.filter(~unreadable), batch, bulk=bulk)
    else:
        read = _decode_and_read(plan, left, batch, bulk=bulk)
    texts = pl.concat(read.texts, how="diagonal").sort("m", maintain_order=True)
    typed = read.typed
    if len(typed) > 1:
        typed = [pl.concat(typed).sort("m", maintain_order=True)]
    found = [part for part in (*typed, texts) if part.height] or [texts]
    envelopes = _envelope_texts(plan, run)
    return [_with_envelopes(plan, part, run, envelopes) for part in found]


class _Parts(NamedTuple):
    """Readings of a run, some with typed values, the others all texts."""

    typed: list[pl.DataFrame]
    texts: list[pl.DataFrame]


def _read(plan: ExtractionPlan, messages: pl.DataFrame, batch: CleanBatch, *, bulk: bool) -> _Parts:
    """The readings of messages with a ``text``."""
    parts, left = _read_in_bulk(plan, messages, batch) if bulk else (_Parts([], []), messages)
    parts.texts.append(_read_carefully(plan, left, batch))
    return parts


def _read_in_bulk(
    plan: ExtractionPlan, left: pl.DataFrame, batch: CleanBatch
) -> tuple[_Parts, pl.DataFrame]:
    """The readings of the messages that the bulk decoder takes, and the other messages."""
    parts = _Parts([], [])
    for decode_plan in plan.decode_plans:
        decoded = BulkDecoder(plan, decode_plan).decode(left.select("m", "text"))
        (parts.typed if decode_plan.types else parts.texts).append(_without_faults(decoded, batch))
        left = left.filter(pl.col("m").is_in(decoded.left.implode()))
    return parts, left


def _decode_and_read(
    plan: ExtractionPlan, messages: pl.DataFrame, batch: CleanBatch, *, bulk: bool
) -> _Parts:
    """The readings of messages in another format than JSON, or with members to unpack."""
    decoder = PayloadDecoder(plan.contract)
    before, batch.rejects = batch.rejects, []
    parts, left = _Parts([], []), messages
    if bulk:
        decoded = decoder.in_bulk(messages)
        parts, failed = _read_in_bulk(plan, decoded, batch)
        done = decoded.filter(~pl.col("m").is_in(failed["m"].implode()))
        left = messages.filter(~pl.col("m").is_in(done["m"].implode()))
    rest = _read(plan, decoder.one_by_one(left), batch, bulk=bulk)
    batch.rejects = before + decoder.with_reasons(batch.rejects) + decoder.rejects
    return _Parts(parts.typed + rest.typed, parts.texts + rest.texts)


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
    """The messages that are not too large, inflated where devices compress them."""
    if "fault" not in messages.columns:
        return messages
    broken = messages.filter(pl.col("fault").is_not_null())
    batch.rejects += [Reject(m, None, (why,)) for m, why in broken.select("m", "fault").iter_rows()]
    messages = messages.filter(pl.col("fault").is_null())
    return messages if plan.contract.compression is None else opened(messages)


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
        text = messages[str(name)].cast(pl.String).alias(place)
        if level:
            text = _level(text, int(level[0]))
        texts.append(text)
    if plan.takes_received:
        moments = _sound(messages["received_at"]).cast(pl.Datetime("ms", "UTC"))
        texts.append(moments.dt.cast_time_unit("us").alias(RECEIVED))
    return texts


def _level(topics: pl.Series, place: int) -> pl.Series:
    """One level of each topic; topics repeat, and then each is split once."""
    once = topics.unique()
    if 2 * once.len() >= topics.len():
        return topics.str.split("/").list.get(place, null_on_oob=True)
    return looked_up(topics, once, _level(once, place))


def _moments(millis: pl.Series) -> pl.Series:
    """ISO 8601 of epoch milliseconds."""
    return _sound(millis).cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")


def _sound(millis: pl.Series) -> pl.Series:
    """Epoch milliseconds of the years that a time can have, null for others."""
    sound = millis.is_between(FIRST_MOMENT, LAST_MOMENT).fill_null(value=False)
    return millis.zip_with(sound, millis.clear(millis.len()))
