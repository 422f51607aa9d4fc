"""CSV and other delimited lines, with a header or without one; every value is a text."""

from __future__ import annotations

import csv
import io

import polars as pl

from functions.transform.formats.document import (
    BLANK,
    Document,
    FormatError,
    array_of,
    json_string,
)
from functions.transform.inflation import PAYLOAD_BYTES

__all__ = ["decode", "decode_in_bulk"]

REASON = "format:csv"
TOO_MANY = "too_many_fields"
BYTE_ORDER_MARK = "\ufeff"
MOST_HEADERS = 8
"""Different headers of a run that are read in bulk; devices of one contract have one or a few."""

csv.field_size_limit(PAYLOAD_BYTES)  # its own default is less than a message may have


def decode(text: str, delimiter: str, *, header: bool) -> Document:
    """The array of the lines: of arrays, or with a header of objects.

    A line with more values than the header stands in the array as a string. Raises
    :class:`FormatError` where quotes are not closed or followed by anything, and where there is no
    line at all.
    """
    reader = csv.reader(
        io.StringIO(text.removeprefix(BYTE_ORDER_MARK), newline=""),
        delimiter=delimiter,
        strict=True,
    )
    try:
        lines = [line for line in reader if line]
    except csv.Error:
        raise FormatError(REASON) from None
    if not lines:
        raise FormatError(REASON)
    return _objects(lines, delimiter) if header else array_of([_array(line) for line in lines], {})


def _array(values: list[str]) -> str:
    return f"[{','.join(map(json_string, values))}]"


def _objects(lines: list[list[str]], delimiter: str) -> Document:
    names = _names(lines[0])
    elements: list[str] = []
    faults: dict[int, str] = {}
    size = 0
    for values in lines[1:]:
        if len(values) > len(names):
            faults[len(elements)] = TOO_MANY
            element = json_string(delimiter.join(values))
        else:
            members = zip(names, values, strict=False)
            element = f"{{{','.join(name + json_string(value) for name, value in members)}}}"
        elements.append(element)
        size += len(element)
        if size > PAYLOAD_BYTES:  # a long header of many short lines, which array_of refuses
            break
    return array_of(elements, faults)


def _names(header: list[str]) -> list[str]:
    return [f"{json_string(name.strip(BLANK))}:" for name in header]


def decode_in_bulk(texts: pl.Series, delimiter: str, *, header: bool) -> pl.Series:
    """The same of many texts, null for those with quotes, blank lines or control characters."""
    plain = texts.str.replace_all("\r\n", "\n", literal=True).str.strip_suffix("\n")
    taken = ~plain.str.contains(_unusual(delimiter)) & (plain.str.len_bytes() > 0)
    plain = plain.zip_with(taken, plain.clear(plain.len()))
    if header:
        return _objects_in_bulk(plain, delimiter)
    rows = plain.str.replace_all(delimiter, '","', literal=True)
    return '[["' + rows.str.replace_all("\n", '"],["', literal=True) + '"]]'


def _unusual(delimiter: str) -> str:
    """Texts with quotes, backslashes, a byte order mark, empty lines or control characters, but
    for tabs between values."""
    controls = r"\x00-\x08\x0b-\x1f" + ("" if delimiter == "\t" else r"\t")
    return rf'["\\\x{{feff}}{controls}]|^\n|\n\n'


def _objects_in_bulk(texts: pl.Series, delimiter: str) -> pl.Series:
    """Arrays of objects; null for rare headers, and lines longer than their header."""
    parts = texts.str.splitn("\n", 2).struct.unnest()
    frame = pl.DataFrame({"header": parts["field_0"], "body": parts["field_1"]})
    frame = frame.with_row_index("n").filter(pl.col("header").is_not_null())
    common = frame["header"].value_counts(sort=True).head(MOST_HEADERS)["header"]
    found = [
        _of_one_header(group, header, delimiter)
        for header in common
        for group in [frame.filter(pl.col("header") == header)]
    ]
    arrays = pl.concat([frame.select("n", array="header").clear(), *found])
    order = pl.DataFrame({"n": pl.int_range(texts.len(), dtype=pl.UInt32, eager=True)})
    return order.join(arrays, on="n", how="left", maintain_order="left")["array"]


def _of_one_header(group: pl.DataFrame, header: str, delimiter: str) -> pl.DataFrame:
    """``n`` and the ``array`` of messages with this header."""
    names = _names(header.split(delimiter))
    empty = group.filter(pl.col("body").is_null()).select("n", array=pl.lit("[]"))
    size = pl.col("body").str.count_matches("\n", literal=True).cast(pl.Int64) + 1
    bounded = size * (len(header) + 6 * len(names)) + pl.col("body").str.len_chars()
    lines = group.filter(bounded < PAYLOAD_BYTES).select("n", pl.col("body").str.split("\n"))
    lines = lines.explode("body")
    longer = pl.col("body").str.count_matches(delimiter, literal=True) >= len(names)
    odd = lines.filter(longer)["n"].unique()
    lines = lines.filter(~pl.col("n").is_in(odd.implode()))
    values = pl.col("body").str.split_exact(delimiter, len(names) - 1).struct
    members = [
        pl.lit(("," if at else "{") + name + '"') + values.field(f"field_{at}") + pl.lit('"')
        for at, name in enumerate(names)
    ]
    objects = lines.select("n", object=pl.concat_str(*members, pl.lit("}"), ignore_nulls=True))
    arrays = objects.group_by("n", maintain_order=True).agg(pl.col("object").str.join(","))
    return pl.concat([empty, arrays.select("n", array="[" + pl.col("object") + "]")])
