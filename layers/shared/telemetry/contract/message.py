"""The table ``[message]``: how a message holds its readings, and which messages hold any."""

from __future__ import annotations

from typing import Any, Literal

from telemetry.contract.formats import FORMAT_KEYS, read_format
from telemetry.contract.model import Compression, Condition, MemberPath, Metric
from telemetry.contract.packing import read_unpack
from telemetry.contract.pairs import read_pairs
from telemetry.contract.reader import Reader, finite
from telemetry.contract.sources import SourceSyntaxError, parse_path, parse_source

__all__ = ["MESSAGE_KEYS", "read_message"]

MESSAGE_KEYS = (
    "readings",
    "shape",
    "fields",
    "pairs",
    "melt",
    "only",
    "compression",
    "unpack",
    *FORMAT_KEYS,
)
WHOLE = "$message"
"""Stands for the path of the payload itself."""


def read_message(reader: Reader, table: dict[str, Any]) -> dict[str, Any]:
    """The members of a :class:`Contract` that the table gives."""
    reader.only(table, "message.", MESSAGE_KEYS)
    format_ = read_format(reader, table)
    shape = format_.shape
    parents, readings = _readings(reader, table)
    if readings is None and "readings" not in table:
        # A SenML pack is the whole payload, as the RFC has it.
        readings = () if shape == "senml" else format_.readings
    fields = tuple(reader.texts(table, "message.", "fields"))
    if shape != "objects" and readings is None and "readings" not in table:
        reader.note("message.readings", f"is missing; name where the {shape} are, or {WHOLE!r}")
    if ("fields" in table) != (shape == "rows"):
        word = "is missing; name the positions" if shape == "rows" else "is for shape = 'rows'"
        reader.note("message.fields", word)
    if shape == "parallel" and table.get("melt") == "numbers":
        reader.note("message.melt", "can't tell which arrays are meant; list the paths")
    if len(set(fields)) < len(fields):
        reader.note("message.fields", "names a position twice; name each once")
    return {
        "parents": parents,
        "readings": readings,
        "shape": shape,
        "fields": fields,
        "pairs": read_pairs(reader, table, shape),
        "format": format_.name,
        "delimiter": format_.delimiter,
        "decoder": format_.decoder,
        "descriptor": format_.descriptor,
        "message_type": format_.message_type,
        "compression": reader.choose(table, "message.", "compression", Compression, None),
        "unpack": read_unpack(reader, table),
        "melt": _melt(reader, table),
        "only": _only(reader, reader.take(table, "message.", "only", dict, {})),
    }


def _readings(reader: Reader, table: dict[str, Any]) -> tuple[MemberPath | None, MemberPath | None]:
    """Path of the outer array, if there is one, and that of the readings within it."""
    text = reader.take(table, "message.", "readings", str, "")
    if "readings" not in table:
        return None, None
    outer, *inner = text.removesuffix("[]").split("[].")
    paths = [() if at == WHOLE else _path(reader, "message.readings", at) for at in (outer, *inner)]
    if len(paths) > 2:
        reader.note(
            "message.readings", f"{text!r} has more than two levels; keep the last as a jsonb"
        )
    if not inner or None in paths:
        return None, paths[0]
    return paths[0], paths[1]


def _path(reader: Reader, key: str, text: str) -> MemberPath | None:
    try:
        return parse_path(text)
    except SourceSyntaxError as error:
        reader.note(key, str(error))
        return None


def _melt(reader: Reader, table: dict[str, Any]) -> tuple[Metric, ...] | Literal["numbers"] | None:
    """A list of paths, a table of metric to path, or the word for every number."""
    value = table.get("melt")
    if value is None or value == "numbers":
        return value
    named = value if isinstance(value, dict) else None
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        named = {item: item for item in value}
        if len(named) < len(value):
            reader.note("message.melt", "names a member twice; name each once")
    if not named or not all(isinstance(item, str) for item in named.values()):
        reader.note(
            "message.melt", f"{value!r} is not valid here; write a list of members, or 'numbers'"
        )
        return None
    paths = {name: _path(reader, f"message.melt.{name}", text) for name, text in named.items()}
    return tuple(Metric(name, path) for name, path in paths.items() if path)


def _only(reader: Reader, table: dict[str, Any]) -> tuple[Condition, ...]:
    found = []
    for text, wanted in table.items():
        key = f"message.only.{text}"
        try:
            source = parse_source(
                text if text.startswith("$") else f"$message.{text}", reader.topic_places
            )
        except SourceSyntaxError as error:
            reader.note(key, str(error))
            continue
        if source.scope not in ("message", "envelope"):
            reader.note(key, "exists for a reading only; use a member of the message or $topic[n]")
        elif isinstance(wanted, dict):
            if set(wanted) != {"present"} or type(wanted["present"]) is not bool:
                reader.note(key, f"{wanted!r} is not valid here; write {{ present = true }}")
            else:
                found.append(Condition(source, present=wanted["present"]))
        else:
            values = wanted if isinstance(wanted, list) else [wanted]
            if not values or any(
                type(v) not in (str, int, float, bool) or not finite(v) for v in values
            ):
                reader.note(key, f"{wanted!r} is not valid here; write the values it may have")
            found.append(Condition(source, values=tuple(values)))
    return tuple(found)
