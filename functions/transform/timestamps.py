"""Timestamps: ISO 8601 to the second and what may follow it, a pattern's, or an epoch's number."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from functions.transform.local_times import Instants, read_local_times
from telemetry.contract.patterns import AUTO_EPOCHS, MONTHS, PER_SECOND, WEEKDAYS, read_pattern

__all__ = ["looked_up", "read_timestamps"]

ISO = (
    r"^[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,9})?(Z|[+-][0-2][0-9](:?[0-5][0-9])?)?$"
)
END_OF_DAY = r"^.{11}24:00:00(?:\.0+)?(?:Z|[+-].*)?$"
"""The end of a day, which is midnight of the next one."""
A_DAY = 86_400 * 10**6
ISO_REST = r"^(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2})?:?([0-9]{2})?$"
FIRST, LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""Microseconds of 0001-01-01T00:00:00Z and of the last one of year 9999."""


def read_timestamps(texts: pl.Series, formats: Sequence[str], zone: str) -> Instants:
    """Instants of stripped texts; the first of the formats that can read one counts.

    ``zone`` is that of texts without an offset. Null where no format can read the text, and outside
    of the years 1 to 9999.
    """
    once = texts.unique()
    if 2 * once.len() <= texts.len() and texts.len() > 1:
        found = read_timestamps(once, formats, zone)
        first, *others = (part if part is None else looked_up(texts, once, part) for part in found)
        assert first is not None  # noqa: S101 - of the three, only the others may be absent
        return Instants(first, *others)
    micros = pl.repeat(None, texts.len(), dtype=pl.Int64, eager=True)
    local = None
    for name in formats:
        if micros.null_count() == texts.null_count():
            break
        unread = _where(texts, micros.is_null())
        if name in PER_SECOND:
            read = _epoch(unread, PER_SECOND[name])
        elif name == "epoch_auto":
            read = _auto_epoch(unread)
        else:
            read, naive = _iso(unread if name == "iso8601" else _as_iso(unread, name), zone)
            if naive is not None:
                naive &= read.is_not_null()
                local = naive if local is None else local | naive
        micros = micros.zip_with(micros.is_not_null(), read)
    if local is None or not local.any():
        return Instants(_in_range(micros))
    found = read_local_times(_in_range(_where(micros, local)), zone)
    first = found.first.zip_with(local, micros)
    second = None if found.second is None else _in_range(found.second)
    return Instants(_in_range(first), second, found.nonexistent)


def _in_range(micros: pl.Series) -> pl.Series:
    """The years 1 to 9999, null for others."""
    return _where(micros, micros.is_between(FIRST, LAST))


def looked_up(values: pl.Series, once: pl.Series, meanings: pl.Series) -> pl.Series:
    """The meaning of each value, where ``meanings`` are those of the distinct values ``once``."""
    table = pl.DataFrame([once.alias("value"), meanings.alias("meaning")])
    sought = values.alias("value").to_frame()
    found = sought.join(table, on="value", how="left", maintain_order="left", nulls_equal=True)
    return found["meaning"].alias(values.name)


def _epoch(texts: pl.Series, per_second: int) -> pl.Series:
    """Whole numbers exactly, others as doubles, rounded to the microsecond."""
    whole = texts.cast(pl.Int64, strict=False)
    if per_second <= 10**6:
        scale = 10**6 // per_second
        limit = LAST // scale + 1
        micros = _where(whole, whole.is_between(-limit, limit)) * scale
    else:
        micros = whole // (per_second // 10**6)
    if whole.null_count() == texts.null_count():
        return micros
    number = texts.cast(pl.Float64, strict=False) * (10**6 / per_second)
    fits = (number.abs() < 2.0**62) & whole.is_null()
    return micros.zip_with(whole.is_not_null(), _where(number, fits).round().cast(pl.Int64))


def _auto_epoch(texts: pl.Series) -> pl.Series:
    """Each number in the unit that its size tells, as :data:`AUTO_EPOCHS` has it."""
    size = texts.cast(pl.Float64, strict=False).abs()
    micros, least = pl.repeat(None, texts.len(), dtype=pl.Int64, eager=True), -1.0
    for most, per_second in AUTO_EPOCHS:
        of_unit = ((size >= least) & (size < most)).fill_null(value=False)
        if of_unit.any():
            micros = micros.zip_with(~of_unit, _epoch(_where(texts, of_unit), per_second))
        least = most
    return micros


def _where(values: pl.Series, keep: pl.Series) -> pl.Series:
    """``values`` where the mask is true, else null."""
    return values.zip_with(keep.fill_null(value=False), values.clear(values.len()))


def _iso(texts: pl.Series, zone: str) -> tuple[pl.Series, pl.Series | None]:
    """Microseconds in UTC, and which have no offset: they are as if local time was UTC.

    If the zone is UTC it is, and none of them need be known.
    """
    frame = (
        texts.alias("t")
        .to_frame()
        .with_columns(pl.when(pl.col("t").str.contains(ISO)).then(pl.col("t")).alias("t"))
    )
    local = _local(frame["t"])
    length = frame["t"].str.len_bytes()
    utc_mark = frame["t"].str.ends_with("Z")
    naive = (length == 19).fill_null(value=False)
    plain = naive | ((length == 20) & utc_mark).fill_null(value=False)
    if (plain | local.is_null()).all():
        return local, None if zone == "UTC" else naive
    rest = frame["t"].str.slice(19)
    once = rest.unique()
    fraction, hours, minutes = once.str.extract_groups(ISO_REST).struct.unnest().get_columns()
    after = fraction.str.head(6).str.pad_end(6, "0").cast(pl.Int64).fill_null(0)
    placed = hours.is_not_null()
    shift = (after - _offset(hours, minutes)).zip_with(placed, after)
    micros = local + looked_up(rest, once, shift)
    return micros, None if zone == "UTC" else ~looked_up(rest, once, placed)


def _as_iso(texts: pl.Series, pattern: str) -> pl.Series:
    """ISO 8601 of the texts that follow the pattern, null for the others."""
    known = read_pattern(pattern)
    names = known.directives
    whole = (
        texts.alias("t")
        .to_frame()
        .select(pl.col("t").str.extract_groups(rf"\A(?:{known.regex})\z"))
    )
    parts = dict(zip(names, whole.to_series().struct.unnest().get_columns(), strict=True))
    frame = pl.DataFrame([part.alias(name) for name, part in parts.items()])
    date = _date(names)
    clock = [_hour(names), *(_two(name, names) for name in "MS")]
    text = pl.concat_str(date, pl.lit("T"), pl.concat_str(clock, separator=":"))
    if "f" in names:
        text += "." + pl.col("f")
    if "z" in names:
        text += pl.col("z")
    if "Z" in names:
        text += "Z"
    if "a" in names:
        numbers = {name: str(at) for at, name in enumerate(WEEKDAYS, 1)}
        named = pl.col("a").str.to_lowercase().replace(numbers).cast(pl.Int8)
        weekday = date.str.to_date("%Y-%m-%d", strict=False).dt.weekday()
        text = pl.when(weekday == named).then(text)
    return frame.select(text.alias("t"))["t"]


def _two(name: str, names: Sequence[str]) -> pl.Expr:
    """Two digits of a directive; ``00`` where the pattern lacks it."""
    return pl.col(name).str.zfill(2) if name in names else pl.lit("00")


def _date(names: Sequence[str]) -> pl.Expr:
    """Year, month and day as in ISO 8601; null where there is no such day."""
    if "G" in names:
        week = pl.concat_str("G", pl.lit("-W"), _two("V", names), pl.lit("-"), "u")
        return week.str.to_date("%G-W%V-%u", strict=False).dt.strftime("%Y-%m-%d")
    year = pl.col("Y") if "Y" in names else _century(pl.col("y"))
    if "j" in names:
        day = pl.col("j").cast(pl.Int32)
        first = (year + "-01-01").str.to_date("%Y-%m-%d", strict=False)
        found = first + pl.duration(days=day - 1)
        return pl.when((day > 0) & (found.dt.year() == first.dt.year())).then(
            found.dt.strftime("%Y-%m-%d")
        )
    month = _two("m", names)
    if "b" in names:
        numbers = {name: f"{at:02}" for at, name in enumerate(MONTHS, 1)}
        month = pl.col("b").str.to_lowercase().replace(numbers)
    return pl.concat_str(year, month, _two("d", names), separator="-")


def _century(year: pl.Expr) -> pl.Expr:
    """Year of two digits as in POSIX: 69 to 99 are of the last century."""
    return pl.when(year.cast(pl.Int32) < 69).then("20" + year).otherwise("19" + year)


def _hour(names: Sequence[str]) -> pl.Expr:
    if "I" not in names:
        return _two("H", names)
    hour = pl.col("I").cast(pl.Int32)
    afternoon = pl.col("p").str.to_lowercase() == "pm"
    of_day = hour % 12 + pl.when(afternoon).then(12).otherwise(0)
    return pl.when(hour.is_between(1, 12)).then(of_day.cast(pl.String).str.zfill(2))


def _local(texts: pl.Series) -> pl.Series:
    """Microseconds of the date and time alone, as if they were UTC."""
    head = texts.str.head(19)
    read = head.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False)
    if read.null_count() > texts.null_count():
        spaced = head.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
        read = read.zip_with(read.is_not_null(), spaced)
    found = read.cast(pl.Int64)
    if found.null_count() == texts.null_count():
        return found
    ended = texts.str.contains(END_OF_DAY).fill_null(value=False)
    if not ended.any():
        return found
    head = _where(texts, ended).str.head(10)
    days = head.str.to_datetime("%Y-%m-%d", time_unit="us", strict=False)
    return found.zip_with(~ended, days.cast(pl.Int64) + A_DAY)


def _offset(hours: pl.Series, minutes: pl.Series) -> pl.Series:
    """Microseconds east of Greenwich, of ``Z`` or signed hours and bare minutes."""
    signed = hours.replace("Z", "+00")
    hour = signed.str.slice(1).cast(pl.Int64) * 60
    total = hour + minutes.cast(pl.Int64).fill_null(0)
    east = total.zip_with(signed.str.starts_with("+"), -total)
    return _where(east, hour < 24 * 60) * 60_000_000
