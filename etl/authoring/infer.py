"""A first contract from sample messages, with a comment that gives the reason for each line.

::

    messages ─▶ members     readings, flattened; all values of each member
             ─▶ columns     one per member: type, markers, limits
             ─▶ key         device, time, and other columns where these are not unique
             ─▶ TOML        that parse_contract accepts

Only the key may reject a reading: any other value becomes NULL where it can't be read. The author
of the contract may make it stricter.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from etl.authoring.columns import draft_column
from etl.authoring.draft import ColumnDraft, ContractDraft, share
from etl.authoring.enums import propose_enums
from etl.authoring.keys import Key, choose_key
from etl.authoring.members import Members, Place, Value, gather
from etl.authoring.message_shape import MessageShape
from etl.authoring.names import column_name
from etl.authoring.paths import written_path
from etl.authoring.samples import Message, Sample, SampleError
from etl.authoring.toml_writer import write_contract
from telemetry.contract import Contract, parse_contract

__all__ = ["contract_name", "infer", "parse_draft"]

MAX_COLUMNS = 300
KEY_CHARACTERS = 128


def infer(sample: Sample, name: str, files: str = "") -> ContractDraft:
    """A draft for the messages of a sample. Raises :class:`SampleError` where none can be read."""
    members = gather(sample.messages)
    if not members.readings:
        raise SampleError(
            f"none of {len(sample.messages):,} messages is a JSON object; nothing to infer"
        )
    name = contract_name(name)
    topic, guessed = _topic(sample.messages, name)
    found = ContractDraft(name, topic, [], [], members.message_shape)
    found.notes = _notes(sample, members, files)
    if guessed:
        found.reasons["topic"] = "a guess: the last level is the device's name"
    found.reasons |= members.message_shape.reasons
    if members.message_shape.path is not None:
        found.reasons["readings"] = f"readings examined: {len(members.readings):,}"
    found.columns = _drafts(members, found.left_out)
    _set_key(found, choose_key(found.columns, members))
    _set_completeness(found)
    propose_enums(found.columns, members)
    return found


def parse_draft(draft: ContractDraft) -> Contract:
    """The contract that the draft's file contains. Raises ``ContractError`` where it is invalid."""
    return parse_contract(write_contract(draft).encode(), f"{draft.name}.toml")


def contract_name(text: str) -> str:
    """A valid contract name from any text: ``Box 7.ndjson.gz`` gives ``box_7``."""
    stem = re.sub(r"\.(gz|ndjson|jsonl|json|txt)\b", "", Path(text).name.lower())
    name = re.sub(r"[^a-z0-9]+", "_", stem).strip("_")[:40].rstrip("_")
    return name if name and name[0].isalpha() else f"readings_{name}".rstrip("_")[:40].rstrip("_")


def _notes(sample: Sample, members: Members, files: str) -> list[str]:
    notes = [
        f"Inferred from {sample.description()}" + (f" of {files}." if files else "."),
        "This is a first draft: review it line by line, then run `etl contract check` with more",
        "messages. A value that can't be read becomes NULL; only the key can reject a reading.",
    ]
    if members.broken:
        notes.append(
            f"Messages or array elements rejected as not JSON objects: {members.broken:,}."
        )
    if members.too_many:
        notes.append("There are too many different members; most of them were left out.")
    return notes


def _topic(messages: tuple[Message, ...], name: str) -> tuple[str, bool]:
    """The topic filter of the messages, and whether it is a guess from the name."""
    bases = Counter(
        message.topic.rsplit("/", 1)[0]
        for message in messages
        if message.topic is not None
        and re.fullmatch(r"[\w.:@=-]+(/[\w.:@=-]+){1,7}", message.topic)
    )
    if bases:
        return f"{bases.most_common(1)[0][0]}/+", False
    return f"telemetry/{name.replace('_', '-')}/+", True


def _drafts(members: Members, left_out: list[tuple[str, str]]) -> list[ColumnDraft]:
    drafts: list[ColumnDraft] = []
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
        naming = _label(members.message_shape, places[0])
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
    """Places, grouped by the column they belong to.

    A member that is beside the readings in some messages and inside them in others is one column,
    unless some reading has both: then they are two members that share a name.
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
    """The place in the syntax of ``from``; ``None`` where it can't be written."""
    if place.scope == "place":
        return f"${place.path[0]}"
    return written_path(place.path, "$message." if place.scope == "message" else "")


def _label(shape: MessageShape, place: Place) -> tuple[str, ...]:
    """The path that names the place's column; the keys of an object keyed by time are ``ts``."""
    if place.scope == "place":
        return ("ts",) if place.path == ("key",) else place.path
    return shape.label(place.path) if place.scope == "reading" else place.path


def _name(scope: str, path: tuple[str, ...], taken: set[str]) -> str:
    name = column_name(path, set())
    if scope == "message" and name in taken:
        return column_name(("message", *path), taken)
    return column_name(path, taken)


def _set_key(found: ContractDraft, key: Key) -> None:
    """Sets key and conflict policy, and adds columns for a device or time that no member gives."""
    device, time = key.device, key.time
    taken = {draft.name for draft in found.columns}
    level = found.topic.count("/")
    if device is None:
        device = ColumnDraft(
            column_name(("device",), taken),
            [],
            [f"$topic[{level}]"],
            ("device",),
            max_length=KEY_CHARACTERS,
        )
        device.notes.append(
            "no member names the device, so the last level of the topic is used; if one"
        )
        device.notes.append(
            "of the columns below identifies it, put that column in the key instead"
        )
        found.columns.insert(0, device)
    if time is None:
        time = ColumnDraft(
            column_name(("received_at",), taken),
            [],
            ["$received_at"],
            ("received_at",),
            "timestamp",
        )
        time.formats = ["iso8601"]
        time.notes.append(
            "no member is always present as time of measurement, so the time of arrival is"
        )
        time.notes.append("used; the readings of one message share it and count as duplicates")
        found.columns.append(time)
    for draft in (device, *key.other_columns, time):
        draft.required = True
        draft.reasons["required"] = "part of the key"
        found.key.append(draft.name)
    in_key = [draft for name in found.key for draft in found.columns if draft.name == name]
    found.columns = in_key + [draft for draft in found.columns if draft.name not in found.key]
    found.reasons["key"] = "; ".join(key.sentences())
    if key.other_columns:
        names = ", ".join(draft.name for draft in key.other_columns)
        found.reasons["key"] += f" (by device and time alone; so the key also has {names})"
    found.reasons["on_conflict"] = "repeats are taken to be messages sent again"
    if key.conflicting > 0.01 * key.readings and not key.other_columns:
        found.on_conflict = "keep_last"
        found.reasons["on_conflict"] = (
            "a later reading with the same key is taken to be a correction"
        )


def _set_completeness(found: ContractDraft) -> None:
    for draft in found.columns:
        if not draft.required and draft.presence >= 0.99:
            draft.reasons.setdefault("completeness", share(draft.presence, 1))
