"""Influx line protocol: ``measurement,tag=a value=1.5,count=3i,state="ok" 1772366400000000000``.

A line becomes ``{"name": ..., "tags": {...}, "fields": {...}, "timestamp": ...}``, the members that
Telegraf gives them in JSON. The grammar is that of
https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/ (read 2026-11).
"""

from __future__ import annotations

import re

import polars as pl

from functions.transform.formats.document import (
    BLANK,
    Document,
    FormatError,
    array_of,
    json_string,
)

__all__ = ["decode", "decode_in_bulk"]

REASON = "format:influx"
_NAME = re.compile(r"(?:[^, \\\r\n]|\\[^\r\n])+")
_KEY = re.compile(r"(?:[^,= \\\r\n]|\\[^\r\n])+")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_VALUE = re.compile(r'[^", \\\r\n]+')
_BLANKS = re.compile(" +")
_INDENT = re.compile(r"[ \t]*")
_END = re.compile(r" *\r?(?:\n|\Z)")
_TIMESTAMP = re.compile(r"-?[0-9]{1,19}")
_INTEGER = re.compile(r"([+-]?)0*([0-9]+)[iu]")
_FLOAT = re.compile(r"([+-]?)0*([0-9]*)(?:\.([0-9]*))?([eE][+-]?[0-9]+)?")
_TRUE, _FALSE = ("t", "T", "true", "True", "TRUE"), ("f", "F", "false", "False", "FALSE")
_ESCAPE = re.compile(r"\\([, =])")
_STRING_ESCAPE = re.compile(r'\\(["\\])')


class _LineError(Exception):
    """Raised where a line breaks the grammar."""


def decode(text: str) -> Document:
    """The array of the lines that are neither blank nor comments.

    A line that can't be read stands in the array as a string. Raises :class:`FormatError` where
    there is no line at all.
    """
    elements: list[str] = []
    faults: dict[int, str] = {}
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end].strip(BLANK)
        if not line or line.startswith("#"):
            at = end + 1
            continue
        try:
            element, at = _point(text, at)
        except _LineError:
            faults[len(elements)] = REASON
            element, at = json_string(line), end + 1
        elements.append(element)
    if not elements:
        raise FormatError(REASON)
    return array_of(elements, faults)


def _point(text: str, at: int) -> tuple[str, int]:
    """The object of the line that begins at ``at``, and the begin of the next one.

    A string in a line may have line ends in it.
    """
    _, at = _taken(_INDENT, text, at)
    name, at = _taken(_NAME, text, at)
    members = [f'"name":{json_string(_plain(name))}']
    tags = []
    while text[at : at + 1] == ",":
        key, at = _taken(_KEY, text, at + 1)
        value, at = _taken(_KEY, text, _behind("=", text, at))
        tags.append(f"{json_string(_plain(key))}:{json_string(_plain(value))}")
    if tags:
        members.append(f'"tags":{{{",".join(tags)}}}')
    _, at = _taken(_BLANKS, text, at)
    fields, at = _fields(text, at)
    members.append(f'"fields":{{{",".join(fields)}}}')
    end = _END.match(text, at)
    if end is None:
        _, at = _taken(_BLANKS, text, at)
        moment, at = _taken(_TIMESTAMP, text, at)
        members.append(f'"timestamp":{int(moment)}')
        end = _END.match(text, at)
        if end is None:
            raise _LineError
    return f"{{{','.join(members)}}}", end.end()


def _fields(text: str, at: int) -> tuple[list[str], int]:
    fields = []
    while True:
        key, at = _taken(_KEY, text, at)
        at = _behind("=", text, at)
        string = _STRING.match(text, at)
        if string is None:
            spelled, at = _taken(_VALUE, text, at)
            value = _value(spelled)
        else:
            value, at = json_string(_STRING_ESCAPE.sub(r"\1", string[1])), string.end()
        fields.append(f"{json_string(_plain(key))}:{value}")
        if text[at : at + 1] != ",":
            return fields, at
        at += 1


def _taken(pattern: re.Pattern[str], text: str, at: int) -> tuple[str, int]:
    match = pattern.match(text, at)
    if match is None:
        raise _LineError
    return match[0], match.end()


def _behind(mark: str, text: str, at: int) -> int:
    if text[at : at + 1] != mark:
        raise _LineError
    return at + 1


def _plain(name: str) -> str:
    return _ESCAPE.sub(r"\1", name)


def _value(spelled: str) -> str:
    """JSON of a field's value that isn't a string; a number keeps its digits."""
    if spelled in _TRUE or spelled in _FALSE:
        return "true" if spelled in _TRUE else "false"
    if match := _INTEGER.fullmatch(spelled):
        return f"{match[1].strip('+')}{match[2]}"
    match = _FLOAT.fullmatch(spelled)
    if match is None or not (match[2] or match[3] or spelled.strip("+-").startswith("0")):
        raise _LineError
    sign, whole, fraction, exponent = match.groups()
    fraction = f".{fraction}" if fraction else ""
    return f"{sign.strip('+')}{whole or '0'}{fraction}{exponent or ''}"


_TEXT = r'[^\\",= \x00-\x1f]+'
_REST = r'[^\\",= \x00-\x1f]*'
_PLAIN_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_PLAIN_VALUE = rf'(?:{_PLAIN_NUMBER}|-?(?:0|[1-9][0-9]*)[iu]|"[^\\",= \x00-\x1f]*"|true|false)'
_FIELD = rf"{_TEXT}={_PLAIN_VALUE}"
PLAIN_LINE = (
    rf"^([^#\\\",= \x00-\x1f]{_REST})((?:,{_TEXT}={_TEXT})*) ({_FIELD}(?:,{_FIELD})*)"
    r"(?: (-?(?:0|[1-9][0-9]{0,18})))?\r?$"
)
"""A line without escapes, and without blanks, commas and equals signs in its strings."""


def decode_in_bulk(texts: pl.Series) -> pl.Series:
    """The same of many texts, null for those with a line that isn't plain."""
    frame = pl.DataFrame({"line": texts.str.strip_suffix("\n").str.split("\n")})
    lines = frame.with_row_index("n").explode("line")
    points = lines.select("n", _point_in_bulk().alias("point"))
    arrays = points.group_by("n", maintain_order=True).agg(
        pl.col("point").str.join(",", ignore_nulls=False)
    )
    return "[" + arrays["point"] + "]"


def _point_in_bulk() -> pl.Expr:
    """The object of a plain line; null where it isn't one."""
    parts = pl.col("line").str.extract_groups(PLAIN_LINE).struct
    name, tags, fields, moment = (parts.field(str(number)) for number in range(1, 5))
    pairs = tags.str.slice(1).str.replace_all("=", '":"', literal=True)
    pairs = pairs.str.replace_all(",", '","', literal=True)
    tagged = pl.when(tags != "").then(pl.concat_str(pl.lit(',"tags":{"'), pairs, pl.lit('"}')))
    members = fields.str.replace_all(r"(^|,)([^=,]+)=", '$1"$2":')
    members = members.str.replace_all(r'":(-?[0-9]+)[iu](,|$)', '":$1$2')
    timed = pl.concat_str(pl.lit(',"timestamp":'), moment).fill_null("")
    begin = pl.concat_str(pl.lit('{"name":"'), name, pl.lit('"'))
    end = pl.concat_str(pl.lit(',"fields":{'), members, pl.lit("}"), timed, pl.lit("}"))
    return pl.concat_str(begin, tagged.fill_null(""), end)
