"""Splits a file into messages.

::

    one JSON text a line      each line is a message (NDJSON), broken ones too
    [ {...}, {...} ]          each element; one message where the array is a payload (SenML, rows)
    {...} {...}, many lines   pretty-printed or concatenated JSON: each object
    name;time;value           CSV, TSV, ...: each row is an object of texts, named by the header
    topic {...}               what `mosquitto_sub -v` prints: topic and payload
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from etl.authoring.samples.message import SampleError
from functions.transform.careful import element_texts

__all__ = ["split"]

WHOLE_BYTES = 128 << 20
"""Size limit of a file that is read as a whole: a JSON array, or JSON over several lines."""
MESSAGE_BYTES = 16 << 20
"""Size limit of one message as it is recorded; AWS IoT Core takes 128 KiB."""
DELIMITERS = "\t;,|"
HEADER_LINES = 20
"""Lines looked at to find out if a file is a table."""
BOM = b"\xef\xbb\xbf"
_NAME = re.compile(r"\D")
_TIME = re.compile(r"\d{4}-\d\d-\d\d|\d\d[:/.]\d\d|^[0-9a-f:]*\d[0-9a-f:]*$", re.IGNORECASE)
_TOPIC_AND_PAYLOAD = re.compile(rb"([^\s{}\"]+/[^\s{}\"]+)[ \t]+([\[{].*[\]}])\s*")
_BLANK = re.compile(r"[\s,]*")


def split(file: BinaryIO, path: Path) -> tuple[str, Iterator[bytes]]:
    """The kind of the file in words, and its messages. Raises :class:`SampleError`."""
    form, messages = _split(file, path)
    return form, (_not_too_large(message, path) for message in messages)


def _not_too_large(message: bytes, path: Path) -> bytes:
    if len(message) > MESSAGE_BYTES:
        raise SampleError(
            f"{path}: a message of {len(message) / 2**20:,.1f} MiB; AWS IoT Core takes 128 KiB at "
            "most. Is this a recording of messages, one a line?"
        )
    return message


def _split(file: BinaryIO, path: Path) -> tuple[str, Iterator[bytes]]:
    begin = _first_line(file, path) or b""
    if len(begin) <= MESSAGE_BYTES and _is_object(begin):
        return "", _lines(begin, file, path)
    if begin.lstrip()[:1] in (b"[", b"{"):
        whole = _whole(begin, file, path)
        if whole is not None:
            return whole
    file.seek(0)
    begin = _first_line(file, path) or b""
    if _is_topic_and_payload(begin):
        return "a recording of mosquitto_sub -v", map(_recorded, _lines(begin, file, path))
    file.seek(0)
    table = _delimiter(list(islice(_bounded(file, path), HEADER_LINES)), path)
    file.seek(0)
    if table is not None:
        kind = "TSV" if table == "\t" else "CSV"
        return f"{kind} with a header", _rows(file, table, path)
    return "", _lines(_first_line(file, path) or b"", file, path)


def _lines(begin: bytes, rest: BinaryIO, path: Path) -> Iterator[bytes]:
    yield begin
    yield from (line.rstrip(b"\r\n") for line in _bounded(rest, path) if line.strip())


def _bounded(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """The lines of a file. Raises :class:`SampleError` for one that memory may not hold."""
    while line := file.readline(WHOLE_BYTES + 1):
        if len(line) > WHOLE_BYTES:
            raise SampleError(
                f"{path}: a line of more than {WHOLE_BYTES >> 20} MiB; write one object per line"
            )
        yield line


def _first_line(file: BinaryIO, path: Path) -> bytes | None:
    lines = _bounded(file, path)
    found = next((line.rstrip(b"\r\n") for line in lines if line.strip(BOM + b" \t\r\n")), None)
    return None if found is None else found.removeprefix(BOM)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _is_topic_and_payload(line: bytes) -> bool:
    found = _TOPIC_AND_PAYLOAD.fullmatch(line)
    try:
        return found is not None and isinstance(json.loads(found[2]), dict | list)
    except (ValueError, RecursionError):
        return False


def _whole(begin: bytes, rest: BinaryIO, path: Path) -> tuple[str, Iterator[bytes]] | None:
    """The messages of JSON that is no line-by-line text; ``None`` where it is."""
    body = begin + b"\n" + rest.read(WHOLE_BYTES)
    if len(body) > WHOLE_BYTES:
        raise SampleError(
            f"{path}: JSON of more than {WHOLE_BYTES >> 20} MiB in one array or over several "
            "lines; write one object per line instead (jq -c '.[]')"
        )
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    if begin.lstrip().startswith(b"["):
        return _array(text)
    found = _concatenated(text)
    if found is None:
        return None
    return "JSON over several lines", (part.encode() for part in found)


def _array(text: str) -> tuple[str, Iterator[bytes]] | None:
    try:
        found = json.loads(text)
        if _is_one_message(found):
            return "", iter([text.encode()])
        parts = element_texts(text, ())
    except (ValueError, RecursionError):
        return None
    return "a JSON array", (part.encode() for part in parts)


def _concatenated(text: str) -> list[str] | None:
    """JSON objects one after the other, blanks and commas between; the torn rest as it is."""
    decoder, at = json.JSONDecoder(parse_int=str), 0
    parts: list[str] = []
    while True:
        at = _BLANK.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        if at == len(text):
            return parts
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return [*parts, text[at:]] if parts else None
        if not isinstance(value, dict | list):
            return None
        parts.append(text[at:end])
        at = end


def _is_one_message(found: list[Any]) -> bool:
    """True for an array that is one payload: SenML records or rows that belong together."""
    from etl.authoring.message_shape import is_senml_pack

    rows = all(
        isinstance(e, list) and not any(isinstance(v, list | dict) for v in e) for e in found
    )
    based = is_senml_pack(found) and any(record.keys() & {"bn", "bt"} for record in found)
    return based or (rows and bool(found))


def _delimiter(lines: list[bytes], path: Path) -> str | None:
    """The delimiter of a table with a header; ``None`` for another file.

    Raises :class:`SampleError` for a table in another encoding.
    """
    content = b"".join(lines)
    try:
        return _delimiter_of(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        if _delimiter_of(content.decode("latin-1")) is None:
            return None
        raise SampleError(
            f"{path}: a table that is not in UTF-8; convert it first: iconv -f WINDOWS-1252 "
            "-t UTF-8"
        ) from error


def _delimiter_of(text: str) -> str | None:
    for delimiter in DELIMITERS:
        try:
            rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
        except csv.Error:
            continue
        if len(rows) > 1 and _is_header(rows[0]):
            alike = sum(len(row) == len(rows[0]) for row in rows[1:])
            if alike >= 0.8 * len(rows[1:]):
                return delimiter
    return None


def _is_header(row: list[str]) -> bool:
    names = [name.strip() for name in row]
    return (
        len(names) > 1
        and len(set(names)) == len(names)
        and all(name and _NAME.search(name) and len(name) <= 64 for name in names)
        and not any("{" in name or name[0] == "[" or _TIME.search(name) for name in names)
    )


def _rows(file: BinaryIO, delimiter: str, path: Path) -> Iterator[bytes]:
    """Each row as a JSON object of texts; cells beyond the header keep a name of their own."""
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    try:
        rows = csv.reader(text, delimiter=delimiter)
        header = [name.strip() for name in next(rows)]
        for row in rows:
            if any(cell.strip() for cell in row):
                more = (f"column_{n + 1}" for n in range(len(header), len(row)))
                cells = zip([*header, *more], row, strict=False)
                yield json.dumps(dict(cells), ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise SampleError(
            f"{path}: a table that is not in UTF-8 ({error}); convert it first: iconv -f "
            "WINDOWS-1252 -t UTF-8"
        ) from error
    except csv.Error as error:
        raise SampleError(f"{path}: can't be read as a table: {error}") from error
    finally:
        text.detach()


def _recorded(line: bytes) -> bytes:
    """A line of topic and payload in the form of a recording."""
    found = _TOPIC_AND_PAYLOAD.fullmatch(line)
    try:
        if found is not None:
            topic, payload = found[1].decode(), found[2].decode()
            return json.dumps({"topic": topic, "qos": 0, "payload": payload}).encode()
    except UnicodeDecodeError:
        pass
    return line
