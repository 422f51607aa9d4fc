"""Writes a chosen key into a draft: required columns, what stands in for absent values, reasons."""

from __future__ import annotations

from collections.abc import Sequence

from etl.authoring.draft import ColumnDraft, ContractDraft, counted, share
from etl.authoring.keys import Key
from etl.authoring.members import Place
from etl.authoring.names import column_name
from etl.authoring.samples import Message
from etl.authoring.topics import OF_THE_NAME
from telemetry.contract.topics import TopicFilter

__all__ = ["set_key"]

KEY_CHARACTERS = 128
MESSAGE_ID_CHARACTERS = 100
MOST_CHARACTERS = 600
"""All texts of a key together, by the rules of contracts."""
NEARLY_ALWAYS = 0.98
"""Share of the readings that must have a time of their own."""
ABSENT = "-"
"""Value in the key of readings without that member."""


def set_key(found: ContractDraft, key: Key, messages: Sequence[Message]) -> None:
    """Sets the key, and adds columns for what no member gives: device, message, index, time."""
    taken = {draft.name for draft in found.columns}
    device = key.device or _device_of_topic(found, taken, messages)
    time = key.time or _time_of_arrival(taken)
    stamps = []
    if key.message_id:
        stamps.append(_stamp(taken, "message_id", MESSAGE_ID_CHARACTERS))
    if key.index:
        stamps.append(_stamp(taken, "index", None))
    in_key = [device, *key.other_columns, *stamps, time]
    for draft in in_key:
        _require(draft, found, (device, time))
    _fit(in_key)
    found.key = [draft.name for draft in in_key]
    names = set(found.key)
    found.columns = in_key + [draft for draft in found.columns if draft.name not in names]
    found.conflicts_accepted = bool(key.conflicting)
    _explain(found, key, device, time)


def _require(
    draft: ColumnDraft, found: ContractDraft, always: tuple[ColumnDraft, ColumnDraft]
) -> None:
    """Makes a column required; readings without its value get one that says so.

    A few readings without a device or time are rejected, as what they are is not known.
    """
    draft.required, draft.reasons["required"] = True, "part of the key"
    if draft.type == "float":
        draft.type, draft.unit = "bigint", None
        draft.reasons.pop("unit", None)
        draft.reasons["type"] = "whole numbers seen; a key has no floats"
    least = NEARLY_ALWAYS if draft in always else 1
    if draft.presence < least and draft.places and draft.type == "timestamp":
        _take_arrival(draft, found)
    elif draft.presence < least and draft.places:
        draft.constant = ABSENT
        draft.type = "text"
        draft.reasons["constant"] = "for readings without it"
    if draft.type == "text":
        draft.max_length = draft.max_length or max(KEY_CHARACTERS // 2, 2 * draft.longest)
        draft.missing = [""] if draft.constant else draft.missing


def _take_arrival(draft: ColumnDraft, found: ContractDraft) -> None:
    """Lets the time of arrival stand in for that of the measurement, and says so."""
    draft.sources.append("$received_at")
    if "iso8601" not in draft.formats:
        draft.formats.insert(0, "iso8601")
    draft.notes.append("readings without a time of their own get the time of arrival")
    found.problems.append(
        f"columns.{draft.name}: {share(1 - draft.presence, 1)} of the readings have no time of "
        "their own and get the time of arrival; one that is sent again would be two rows"
    )


def _fit(in_key: Sequence[ColumnDraft]) -> None:
    """Shortens the longest allowances until all texts of the key fit."""
    texts = [draft for draft in in_key if draft.type == "text"]
    while sum(draft.max_length or 0 for draft in texts) > MOST_CHARACTERS:
        longest = max(texts, key=lambda draft: (draft.max_length or 0) - draft.longest)
        longest.max_length = max(longest.longest, (longest.max_length or 0) // 2, 1)
        if all((draft.max_length or 0) <= draft.longest for draft in texts):
            break


def _device_of_topic(
    found: ContractDraft, taken: set[str], messages: Sequence[Message]
) -> ColumnDraft:
    level = TopicFilter.parse(found.topic).device_place
    name = column_name(("device",), taken)
    taken.add(name)
    draft = ColumnDraft(name, [], [f"$topic[{level}]"], ("device",), max_length=KEY_CHARACTERS)
    draft.notes = [
        f"no member names the device, so {_device_level(found)} does; if one of the columns",
        "below identifies it, put that column in the key instead",
    ]
    recorded = any(message.topic is not None for message in messages)
    if found.reasons.get("topic") == OF_THE_NAME and recorded:
        found.problems.append(
            "no member names the device, and the recorded topics don't show which level is its name"
        )
    return draft


def _device_level(found: ContractDraft) -> str:
    topic = TopicFilter.parse(found.topic)
    if topic.device_place == len(topic.levels) - 1:
        return "the last level of the topic"
    return f"level {topic.device_place} of the topic, from 0,"


def _time_of_arrival(taken: set[str]) -> ColumnDraft:
    name = column_name(("received_at",), taken)
    taken.add(name)
    draft = ColumnDraft(name, [], ["$received_at"], ("received_at",), "timestamp")
    draft.formats = ["iso8601"]
    draft.notes = ["no member is a time of measurement, so this is the time of arrival"]
    return draft


def _stamp(taken: set[str], source: str, length: int | None) -> ColumnDraft:
    name = column_name((source,), taken)
    taken.add(name)
    kind = "text" if length else "bigint"
    draft = ColumnDraft(name, [Place("envelope", (source,))], [f"${source}"], (source,), kind)  # type: ignore[arg-type]
    draft.places, draft.max_length = [], length
    draft.notes = [
        "of the message, as no members tell its readings apart"
        if length
        else "the place of the reading in its message"
    ]
    return draft


def _explain(found: ContractDraft, key: Key, device: ColumnDraft, time: ColumnDraft) -> None:
    found.reasons["key"] = "; ".join(key.sentences())
    found.reasons["on_conflict"] = "repeats are taken to be messages sent again"
    names = [draft.name for draft in key.other_columns] + (["the index"] if key.index else [])
    if key.message_id:
        found.rollups = False
        found.reasons["rollups"] = "a key with the message's id has one for each message"
        found.reasons["key"] = "the message's id keeps readings apart that nothing else does"
        wanted = "a time of measurement" if key.time is None else "a member that tells them apart"
        colliding = (
            f" (by {device.name} and {time.name} {key.by_device_and_time:,} of {key.readings:,} "
            "readings would collide)"
        )
        found.advice.insert(
            0,
            "table.key: it has the message's id, so a message that is sent again becomes rows "
            f"again; a better key needs {wanted}{'' if key.time is None else colliding}",
        )
    elif names and key.by_device_and_time:
        found.reasons["key"] += (
            f" (by device and time alone some would, so it also has {', '.join(names)})"
        )
    if time.unset_clocks:
        found.advice.append(
            f"columns.{time.name}: {counted(time.unset_clocks, 'time')} of clocks that were not set"
        )
    if time.reasons.get("formats", "").startswith("day or month"):
        found.advice.append(
            f"columns.{time.name}: day or month first? Both fit; formats is a guess"
        )
    elif time.timezone is not None:
        found.advice.append(
            f"columns.{time.name}.timezone: times without an offset are read as {time.timezone}"
        )
    if key.device is None:
        found.advice.append(
            f"columns.device: no member names the device; {_device_level(found)} does"
        )
