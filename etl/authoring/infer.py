"""A first contract from sample messages, with comments that say why each line is there. Pure.

::

    messages ─▶ members     readings, flattened; all values of each member
             ─▶ drafts      a column per member: type, markers, limits
             ─▶ key         device, time, and what else tells readings apart
             ─▶ TOML        which parse_contract accepts

What is not in the key is never a reason to lose a reading: it becomes NULL where it can't be read.
A person makes it stricter.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from etl.authoring.draft import Draft, draft_column, share
from etl.authoring.enums import name_states
from etl.authoring.keys import Key, choose_key
from etl.authoring.members import Members, Place, Value, gather
from etl.authoring.message_shape import Layout
from etl.authoring.names import column_name
from etl.authoring.paths import written_path
from etl.authoring.samples import Message, Sample, SampleError
from etl.authoring.toml_writer import write_contract
from telemetry.contract import Contract, parse_contract

__all__ = ["Inferred", "infer"]

MAX_COLUMNS = 300
ALWAYS = 0.98
KEY_TEXT = 128


@dataclass
class Inferred:
    """A contract to be, and what a person should know about it."""

    name: str
    topic: str
    columns: list[Draft]
    key: list[str]
    layout: Layout = field(default_factory=Layout)
    on_conflict: str = "keep_first"
    about: list[str] = field(default_factory=list)
    why: dict[str, str] = field(default_factory=dict)
    """``key``, ``on_conflict``, ``topic``, ``readings``, ``shape`` or ``fields`` to the comment
    beside its line."""
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """Members without a column, and why."""

    def text(self) -> str:
        """The file's content."""
        return write_contract(self)

    def contract(self) -> Contract:
        """What the file says. Raises ``ContractError`` where it breaks a rule."""
        return parse_contract(self.text().encode(), f"{self.name}.toml")


def infer(sample: Sample, name: str, files: str = "") -> Inferred:
    """A contract for messages like the sample's. Raises :class:`SampleError` where none is one."""
    members = gather(sample.messages)
    if not members.readings:
        raise SampleError(
            f"none of {len(sample.messages):,} messages is a JSON object: a contract needs some"
        )
    name = sound_name(name)
    topic, guessed = _topic(sample.messages, name)
    found = Inferred(name, topic, [], [], members.layout)
    found.about = _about(sample, members, files)
    if guessed:
        found.why["topic"] = "a guess: the last level is the device's name"
    found.why |= members.layout.why
    if members.layout.path is not None:
        found.why["readings"] = f"{len(members.readings):,} readings looked at"
    found.columns = _drafts(members, found.left_out)
    _set_key(found, choose_key(found.columns, members))
    _expect_values(found)
    name_states(found.columns, members)
    return found


def sound_name(text: str) -> str:
    """A contract's name, made of any text: ``Box 7.ndjson.gz`` is ``box_7``."""
    stem = re.sub(r"\.(gz|ndjson|jsonl|json|txt)\b", "", Path(text).name.lower())
    name = re.sub(r"[^a-z0-9]+", "_", stem).strip("_")[:40].rstrip("_")
    return name if name and name[0].isalpha() else f"readings_{name}".rstrip("_")[:40].rstrip("_")


def _about(sample: Sample, members: Members, files: str) -> list[str]:
    told = [
        f"Inferred from {sample.sentence()}" + (f" of {files}." if files else "."),
        "It is a beginning: go through it line by line, then run `etl contract check` with more",
        "messages. A value that can't be read becomes NULL; a reading is only lost for its key.",
    ]
    if members.broken:
        told.append(
            f"Messages or elements that are no JSON objects, and so rejected: {members.broken:,}."
        )
    if members.too_many:
        told.append("There are too many different members; most of them were left out.")
    return told


def _topic(messages: tuple[Message, ...], name: str) -> tuple[str, bool]:
    """The filter of the topics the messages came by; without any, a guess from the name."""
    bases = Counter(
        message.topic.rsplit("/", 1)[0]
        for message in messages
        if message.topic is not None
        and re.fullmatch(r"[\w.:@=-]+(/[\w.:@=-]+){1,7}", message.topic)
    )
    if bases:
        return f"{bases.most_common(1)[0][0]}/+", False
    return f"telemetry/{name.replace('_', '-')}/+", True


def _drafts(members: Members, left_out: list[tuple[str, str]]) -> list[Draft]:
    drafts: list[Draft] = []
    taken: set[str] = set()
    for places in _merged(members):
        label = ".".join(places[0].path)
        written = [_written(place) for place in places]
        sources = [text for text in written if text is not None]
        if len(sources) < len(places):
            left_out.append((label, "its name can't be written as a path"))
            continue
        if len(drafts) >= MAX_COLUMNS:
            left_out.append((label, f"beyond the first {MAX_COLUMNS} columns"))
            continue
        naming = _label(members.layout, places[0])
        name = _name(places[0].scope, naming, taken)
        values: Counter[Value] = Counter()
        for place in places:
            values += members.values[place]
        draft = draft_column(name, naming, places, sources, values, members)
        if isinstance(draft, str):
            left_out.append((label, draft))
            continue
        taken.add(name)
        drafts.append(draft)
    return drafts


def _merged(members: Members) -> list[list[Place]]:
    """Places that belong to one column.

    A member that is now around the readings and now in them is one column, unless a reading has
    both, which then mean two things.
    """
    groups: list[list[Place]] = []
    for place in members.values:
        if place.scope == "reading":
            groups.append([place])
            other = Place("message", place.path)
            if other in members.values and not any(
                place in reading and other in reading for reading in members.readings
            ):
                groups[-1].append(other)
    merged = {place for group in groups for place in group}
    return groups + [[place] for place in members.values if place not in merged]


def _written(place: Place) -> str | None:
    """The place as ``from`` spells it, where it can."""
    if place.scope == "place":
        return f"${place.path[0]}"
    return written_path(place.path, "$message." if place.scope == "message" else "")


def _label(layout: Layout, place: Place) -> tuple[str, ...]:
    """What a place is called: what the readings of an object are keyed by are times."""
    if place.scope == "place":
        return ("ts",) if place.path == ("key",) else place.path
    return layout.label(place.path) if place.scope == "reading" else place.path


def _name(scope: str, path: tuple[str, ...], taken: set[str]) -> str:
    name = column_name(path, set())
    if scope == "message" and name in taken:
        return column_name(("message", *path), taken)
    return column_name(path, taken)


def _set_key(found: Inferred, key: Key) -> None:
    """Key, conflict policy, and the columns that stand in where no member will do."""
    device, time = key.device, key.time
    names = {draft.name for draft in found.columns}
    level = found.topic.count("/")
    if device is None:
        device = Draft(
            column_name(("device",), names),
            [],
            [f"$topic[{level}]"],
            ("device",),
            max_length=KEY_TEXT,
        )
        device.about.append(
            "no member names the device, so the last level of the topic does; if one"
        )
        device.about.append("of the columns below is its name, put that in the key instead")
        found.columns.insert(0, device)
    if time is None:
        time = Draft(
            column_name(("received_at",), names),
            [],
            ["$received_at"],
            ("received_at",),
            "timestamp",
        )
        time.formats = ["iso8601"]
        time.about.append("no member is always there as a time of measurement: the time of arrival")
        time.about.append("is, but readings of one message then share it and count as duplicates")
        found.columns.append(time)
    for draft in (device, *key.more, time):
        draft.required = True
        draft.why["required"] = "in the key"
        found.key.append(draft.name)
    in_key = [draft for name in found.key for draft in found.columns if draft.name == name]
    found.columns = in_key + [draft for draft in found.columns if draft.name not in found.key]
    found.why["key"] = "; ".join(key.sentences())
    if key.more:
        more = ", ".join(draft.name for draft in key.more)
        found.why["key"] += f" (without {more}; time and device alone are not enough)"
    found.why["on_conflict"] = "repeats are resent messages"
    if key.conflicting > 0.01 * key.readings and not key.more:
        found.on_conflict = "keep_last"
        found.why["on_conflict"] = "a later reading of the same key looks like a correction"


def _expect_values(found: Inferred) -> None:
    for draft in found.columns:
        if not draft.required and draft.presence >= 0.99:
            draft.why.setdefault("completeness", share(draft.presence, 1))
