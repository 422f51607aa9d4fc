"""Members of a message that hold another document: ``[message] unpack``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast, get_args

from telemetry.contract.formats import LIBRARY_FORMATS, LISTS
from telemetry.contract.model import Contract, Encoding, Format, MemberPath, PackedMember
from telemetry.contract.problems import Problem
from telemetry.contract.reader import Reader
from telemetry.contract.sources import SourceSyntaxError, parse_path

__all__ = ["BINARY_FORMATS", "COMPRESSIONS", "PACKING_RULES", "inflates", "read_unpack"]

KEYS = ("member", "encoding", "format")
KEY = "message.unpack"
COMPRESSIONS: tuple[Encoding, ...] = ("gzip", "zlib")
BINARY_FORMATS: tuple[Format, ...] = LIBRARY_FORMATS
"""Formats that aren't text; a decoder of one's own takes either."""
MOST = 4
"""Most members that are unpacked, one after the other."""


def read_unpack(reader: Reader, table: dict[str, Any]) -> tuple[PackedMember, ...]:
    """The packed members that ``[message]`` gives, in their order: one table, or a list of them."""
    value = table.get("unpack", [])
    tables = [value] if isinstance(value, dict) else value
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        example = "{ member = 'data', encoding = ['base64'] }"
        reader.note(KEY, f"{value!r} is not valid here; write a table such as {example}")
        return ()
    if len(tables) > MOST:
        reader.note(KEY, f"has {len(tables)} members; {MOST} are the most")
    found = [_packed_member(reader, one) for one in tables]
    return tuple(one for one in found if one is not None)


def _packed_member(reader: Reader, table: dict[str, Any]) -> PackedMember | None:
    where = f"{KEY}."
    reader.only(table, where, KEYS)
    path = _path(reader, reader.require(table, where, "member"))
    encoding = _encoding(reader, table)
    format_: Format = reader.choose(table, where, "format", Format, "json")
    if format_ in BINARY_FORMATS and not encoding:
        reader.note(f"{where}encoding", f"{format_} is bytes, no text; write 'base64' or 'hex'")
    return None if path is None else PackedMember(path, encoding, format_)


def _encoding(reader: Reader, table: dict[str, Any]) -> tuple[Encoding, ...]:
    words = [word for word in reader.texts(table, f"{KEY}.", "encoding") if _known(reader, word)]
    if words and words[0] in COMPRESSIONS:
        reader.note(
            f"{KEY}.encoding", f"{words[0]!r} is of bytes, no text; put 'base64' or 'hex' before it"
        )
    return cast("tuple[Encoding, ...]", tuple(words))


def _known(reader: Reader, word: str) -> bool:
    known = word in get_args(Encoding)
    if not known:
        wanted = ", ".join(get_args(Encoding))
        reader.note(f"{KEY}.encoding", f"{word!r} is not an encoding; use some of {wanted}")
    return known


def _path(reader: Reader, text: str) -> MemberPath | None:
    if not text:
        return None  # which the reader has noted
    try:
        return parse_path(text.removeprefix("$message."))
    except SourceSyntaxError as error:
        reader.note(f"{KEY}.member", str(error))
        return None


def inflates(contract: Contract) -> bool:
    """True if messages come to more bytes than were sent, by a factor that isn't known before."""
    packed = any(step in COMPRESSIONS for one in contract.unpack for step in one.encoding)
    return packed or contract.compression is not None


def lines_have_no_packed_members(contract: Contract) -> Iterator[Problem]:
    """A payload that is a list of lines has no members of its own."""
    if contract.unpack and contract.format in LISTS:
        yield Problem(KEY, f"a payload of {contract.format} has no members, so leave it out")


def members_are_unpacked_once(contract: Contract) -> Iterator[Problem]:
    """A member that has been unpacked is not packed any more, but members of it may be."""
    paths = [one.path for one in contract.unpack]
    if len(set(paths)) < len(paths):
        yield Problem(KEY, "names a member twice; write all its encodings in one list")


PACKING_RULES = (lines_have_no_packed_members, members_are_unpacked_once)
