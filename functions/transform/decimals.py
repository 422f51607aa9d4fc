"""Decimals, from their spelling to exact digits: never through a double."""

from __future__ import annotations

import polars as pl

__all__ = ["read_decimals"]

SPELLED = r"^([+-])?(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?$"
FARTHEST = 400
"""Places that an exponent may move the point; more gives zero, or more digits than any column."""


def read_decimals(
    texts: pl.Series, precision: int, scale: int
) -> tuple[pl.Series, pl.Series | None]:
    """Decimals of stripped texts, null for other texts; and which of them have too many digits.

    Digits after ``scale`` are rounded half away from zero, as PostgreSQL's ``numeric`` does.
    """
    kind = pl.Decimal(precision, scale)
    plain = texts.str.contains(_plain(precision - scale, scale)).fill_null(value=False)
    if (plain | texts.is_null()).all():
        return texts.cast(kind), None
    frame = texts.alias("t").to_frame().with_columns(plain=plain).with_row_index("row")
    simple = frame.filter("plain").select("row", value=pl.col("t").cast(kind))
    others = frame.filter(~pl.col("plain"))
    spelled = others.select("row", *_digits(others["t"], precision, scale))
    found = spelled.select(
        "row", value=pl.when(~pl.col("beyond")).then(_signed(scale)).cast(kind, strict=False)
    )
    value = pl.concat([simple, found]).sort("row")["value"]
    beyond = pl.concat(
        [simple.select("row", beyond=pl.lit(value=False)), spelled.select("row", "beyond")]
    ).sort("row")["beyond"]
    return value, beyond.fill_null(value=False)


def _plain(whole: int, scale: int) -> str:
    """Pattern of the texts that polars itself reads exactly."""
    digits = f"[0-9]{{1,{whole}}}" if whole else "0"
    return rf"^-?{digits}(?:\.[0-9]{{1,{scale}}})?$" if scale else rf"^-?{digits}$"


def _digits(texts: pl.Series, precision: int, scale: int) -> list[pl.Expr]:
    """``minus``, ``coefficient`` (in units of the last digit) and ``beyond``, of each text."""
    names = ("sign", "whole", "part", "only", "exponent")
    groups = texts.str.extract_groups(SPELLED).struct.unnest().get_columns()
    sign, whole, part, only, exponent = (
        pl.lit(group.alias(name)) for name, group in zip(names, groups, strict=True)
    )
    found = whole.is_not_null() | only.is_not_null()
    before = whole.fill_null("")
    digits = before + pl.coalesce(part, only, pl.lit(""))
    power = exponent.cast(pl.Int64, strict=False)
    huge = pl.when(exponent.str.starts_with("-")).then(-FARTHEST).otherwise(FARTHEST)
    power = pl.when(exponent.is_null()).then(0).otherwise(power.fill_null(huge))
    # Leading zeros don't count as digits, so that a long text of them moves no point out of reach.
    leading = digits.str.len_bytes().cast(pl.Int64) - digits.str.strip_chars_start(
        "0"
    ).str.len_bytes().cast(pl.Int64)
    digits = digits.str.strip_chars_start("0")
    point = (before.str.len_bytes().cast(pl.Int64) - leading + power.clip(-(10**9), 10**9)).clip(
        -FARTHEST, FARTHEST
    )
    # So many digits stand before the last one that is kept, the one after it is looked at.
    kept = point + scale
    zero = digits == ""
    beyond = ~zero & (point > precision - scale)
    short = pl.when(beyond | zero | (kept < 0)).then(pl.lit(0)).otherwise(kept)
    head = digits.str.pad_end(short, "0").str.slice(0, short)
    up = ~zero & (kept >= 0) & (digits.str.slice(short, 1) >= "5")
    coefficient = pl.when(head == "").then(pl.lit("0")).otherwise(head).cast(pl.Int128)
    coefficient += up.cast(pl.Int128)
    most = pl.lit("9" * precision).cast(pl.Int128)
    return [
        (sign == "-").fill_null(value=False).alias("minus"),
        pl.when(found).then(coefficient).alias("coefficient"),
        (found & (beyond | (coefficient > most))).fill_null(value=False).alias("beyond"),
    ]


def _signed(scale: int) -> pl.Expr:
    """Spelling of the coefficient with its point, such as polars reads exactly."""
    number = pl.col("coefficient")
    text = number.cast(pl.String).str.zfill(scale + 1)
    if scale:
        text = text.str.slice(0, text.str.len_bytes() - scale) + "." + text.str.tail(scale)
    return pl.when(pl.col("minus") & (number != 0)).then("-" + text).otherwise(text)
