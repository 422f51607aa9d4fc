"""The format of a payload: ``[message] format``, and what goes with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from telemetry.contract.model import Contract, Format, Shape
from telemetry.contract.problems import Problem
from telemetry.contract.reader import Reader

__all__ = ["FORMAT_KEYS", "FORMAT_RULES", "LINE_FORMATS", "PayloadFormat", "read_format"]

FORMAT_KEYS = ("format", "delimiter")
LINE_FORMATS: tuple[Format, ...] = ("ndjson", "csv", "influx")
"""Formats whose payload is a list of lines, each of them a reading."""
WHOLE_READING: tuple[Format, ...] = ("value",)
"""Formats whose payload is one reading."""
TEXTS: tuple[Format, ...] = ("csv", "value")
"""Formats whose values are all texts."""
NOT_A_DELIMITER = '"\r\n'
SHAPES: dict[Format, tuple[Shape, ...]] = {
    "ndjson": ("objects", "rows", "pairs", "senml"),
    "csv": ("rows",),
    "value": ("objects",),
    "influx": ("objects",),
}
"""Shapes that each format has; those that aren't listed have all."""


class PayloadFormat(NamedTuple):
    """The format of a payload, and what it depends on."""

    name: Format
    delimiter: str
    shape: Shape
    """The shape that the table gives, or the one that follows from its format."""

    @property
    def lines(self) -> bool:
        """True if the payload is a list of readings by its format alone."""
        return self.name in LINE_FORMATS


def read_format(reader: Reader, table: dict[str, Any]) -> PayloadFormat:
    """The format that ``[message]`` gives; what doesn't go with it is noted."""
    name: Format = reader.choose(table, "message.", "format", Format, "json")
    delimiter = reader.take(table, "message.", "delimiter", str, ",")
    if "delimiter" in table and name != "csv":
        reader.note("message.delimiter", "is for format = 'csv'")
    elif len(delimiter) != 1 or delimiter in NOT_A_DELIMITER:
        reader.note("message.delimiter", f"{delimiter!r} is not valid; write one character")
    plain: Shape = "rows" if name == "csv" and "fields" in table else "objects"
    shape: Shape = reader.choose(table, "message.", "shape", Shape, plain)
    shapes = SHAPES.get(name)
    if "shape" in table and shapes is not None and shape not in shapes:
        wanted = ", ".join(shapes)
        reader.note("message.shape", f"{shape!r} does not go with {name}; use one of {wanted}")
    if "readings" in table and name in LINE_FORMATS and table["readings"] != "$message":
        reader.note("message.readings", f"the readings of {name} are its lines; leave it out")
    if "readings" in table and name in WHOLE_READING:
        reader.note("message.readings", f"a payload of {name} is one reading; leave it out")
    return PayloadFormat(name, delimiter, shape)


def lines_have_no_members_around_them(contract: Contract) -> Iterator[Problem]:
    """A list of lines has no members of its own, so a source or condition on one never matches."""
    if contract.format not in LINE_FORMATS:
        return
    advice = f"a payload of {contract.format} is a list of lines, with nothing around them"
    for column in contract.columns:
        if any(source.scope == "message" for source in column.sources):
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
