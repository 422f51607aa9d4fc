"""The format of a payload: ``[message] format``, and what goes with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from telemetry.contract.composed import sources_of
from telemetry.contract.files import is_file_name
from telemetry.contract.model import Contract, Decoder, Format, MemberPath, Shape
from telemetry.contract.problems import Problem
from telemetry.contract.reader import Reader

__all__ = [
    "FORMAT_KEYS",
    "FORMAT_RULES",
    "LIBRARY_FORMATS",
    "LINE_FORMATS",
    "LISTS",
    "PayloadFormat",
    "read_format",
]

FORMAT_KEYS = ("format", "delimiter", "decoder", "descriptor", "type")
LINE_FORMATS: tuple[Format, ...] = ("ndjson", "csv", "influx")
"""Formats whose payload is a list of lines, each of them a reading."""
LIBRARY_FORMATS: tuple[Format, ...] = ("cbor", "msgpack", "sparkplug", "protobuf")
"""Formats that use a library, which is in a layer that other contracts don't have."""
LISTS: tuple[Format, ...] = (*LINE_FORMATS, "decoder")
"""Formats whose payload comes to a list of readings, with nothing around them."""
WHOLE_READING: tuple[Format, ...] = ("value",)
"""Formats whose payload is one reading."""
TEXTS: tuple[Format, ...] = ("csv", "value")
"""Formats whose values are all texts."""
NESTED: tuple[Format, ...] = ("ndjson",)
"""Formats of lines that may have arrays of readings in them."""
LINE_ARRAY = "$message[]."
"""Stands before the path of an array in each line."""
DESCRIPTOR_ENDINGS = (".binpb", ".pb", ".desc")
"""Endings of a descriptor set's name."""
READINGS: dict[Format, MemberPath] = {"sparkplug": ("metrics",), **dict.fromkeys(LISTS, ())}
"""Path of the readings by the format alone."""
NOT_A_DELIMITER = '"\r\n'
SHAPES: dict[Format, tuple[Shape, ...]] = {
    "ndjson": ("objects", "rows", "pairs", "senml"),
    "csv": ("rows",),
    "value": ("objects",),
    "influx": ("objects",),
    "decoder": ("objects",),
}
"""Shapes that each format has; those that aren't listed have all."""


class PayloadFormat(NamedTuple):
    """The format of a payload, and what it depends on."""

    name: Format
    delimiter: str
    shape: Shape
    """The shape that the table gives, or the one that follows from its format."""
    decoder: Decoder | None
    descriptor: str | None
    message_type: str | None

    @property
    def readings(self) -> MemberPath | None:
        """Path of the readings by the format alone; ``None`` where it has none."""
        return READINGS.get(self.name)


def read_format(reader: Reader, table: dict[str, Any]) -> PayloadFormat:
    """The format that ``[message]`` gives; what doesn't go with it is noted."""
    inner = _unpacked_formats(table)
    alone = "decoder" in table and "decoder" not in inner
    plain_format: Format = "decoder" if alone else "json"
    name: Format = reader.choose(table, "message.", "format", Format, plain_format)
    formats = {name, *inner}
    decoder = _decoder(reader, table, formats)
    delimiter = reader.take(table, "message.", "delimiter", str, ",")
    if "delimiter" in table and "csv" not in formats:
        reader.note("message.delimiter", "is for format = 'csv'")
    elif len(delimiter) != 1 or delimiter in NOT_A_DELIMITER:
        reader.note("message.delimiter", f"{delimiter!r} is not valid; write one character")
    plain: Shape = "rows" if name == "csv" and "fields" in table else "objects"
    shape: Shape = reader.choose(table, "message.", "shape", Shape, plain)
    nested = name in NESTED and str(table.get("readings", "")).startswith(LINE_ARRAY)
    shapes = None if nested else SHAPES.get(name)
    if "shape" in table and shapes is not None and shape not in shapes:
        wanted = ", ".join(shapes)
        reader.note("message.shape", f"{shape!r} does not go with {name}; use one of {wanted}")
    if "readings" in table and name in LISTS and not _are_in_lines(name, table["readings"]):
        what = "its lines" if name in LINE_FORMATS else "what it returns"
        advice = ", or write '$message[].a' for an array a in each" if name in NESTED else ""
        reader.note("message.readings", f"the readings of {name} are {what}; leave it out{advice}")
    if "readings" in table and name in WHOLE_READING:
        reader.note("message.readings", f"a payload of {name} is one reading; leave it out")
    return PayloadFormat(name, delimiter, shape, decoder, *_descriptor(reader, table, formats))


def _descriptor(
    reader: Reader, table: dict[str, Any], formats: set[str]
) -> tuple[str | None, str | None]:
    """File of the descriptor set, and the type in it."""
    file = reader.take(table, "message.", "descriptor", str, "")
    message_type = reader.take(table, "message.", "type", str, "")
    if "protobuf" not in formats:
        for key in ("descriptor", "type"):
            if key in table:
                reader.note(f"message.{key}", "is for format = 'protobuf'")
        return None, None
    if not (is_file_name(file) and file.endswith(DESCRIPTOR_ENDINGS)):
        wanted = ", ".join(DESCRIPTOR_ENDINGS)
        reader.note(
            "message.descriptor",
            f"{file!r} is not valid; name a descriptor set beside the contract ({wanted})",
        )
    if not all(part.isidentifier() for part in message_type.split(".")):
        reader.note("message.type", f"{message_type!r} is not valid; write 'package.Message'")
    return file, message_type


def _decoder(reader: Reader, table: dict[str, Any], formats: set[str]) -> Decoder | None:
    """The decoder that the table names."""
    text = reader.take(table, "message.", "decoder", str, "")
    if "decoder" not in formats:
        if "decoder" in table:
            reader.note(
                "message.decoder", f"does not go with format = {table['format']!r}; leave one out"
            )
        return None
    file, _, function = text.partition(":")
    sound = is_file_name(file) and file.endswith(".py") and function.isidentifier()
    if "decoder" not in table:
        reader.note("message.decoder", "is missing; name file and function: 'decoder.py:decode'")
    elif not sound:
        reader.note(
            "message.decoder",
            f"{text!r} is not valid; name a file beside the contract and a function in it: "
            "'decoder.py:decode'",
        )
    return Decoder(file, function)


def _unpacked_formats(table: dict[str, Any]) -> set[str]:
    """Formats of members that are unpacked, as far as the table is valid."""
    unpack = table.get("unpack")
    tables = unpack if isinstance(unpack, list) else [unpack]
    return {str(one.get("format")) for one in tables if isinstance(one, dict)}


def _are_in_lines(name: Format, readings: Any) -> bool:
    """True if the readings are the lines, or arrays in lines that may have some."""
    nested = name in NESTED and str(readings).startswith(LINE_ARRAY)
    return nested or readings == "$message"


def lines_have_no_members_around_them(contract: Contract) -> Iterator[Problem]:
    """A list of lines has no members of its own, so a source or condition on one never matches."""
    if contract.format not in LISTS:
        return
    what = "lines" if contract.format in LINE_FORMATS else "readings"
    advice = f"a payload of {contract.format} is a list of {what}, with nothing around them"
    for column in contract.columns:
        if any(source.scope == "message" for source in sources_of(column)):
            yield Problem(f"columns.{column.name}.from", f"{advice}; leave out $message")
    for condition in contract.only:
        if condition.source.scope == "message":
            name = ".".join(map(str, condition.source.path))
            yield Problem(f"message.only.{name}", f"{advice}; use a level of the topic")


def texts_are_no_numbers(contract: Contract) -> Iterator[Problem]:
    """A format without numbers has none to melt."""
    if contract.format in TEXTS and contract.melt == "numbers":
        yield Problem(
            "message.melt", f"all values of {contract.format} are texts; list the members instead"
        )


FORMAT_RULES = (lines_have_no_members_around_them, texts_are_no_numbers)
