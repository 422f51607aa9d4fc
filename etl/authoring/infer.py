"""A first contract from sample messages, with a comment that gives the reason for each line.

::

    messages ─▶ members     readings, flattened; all values of each member
             ─▶ kinds       messages without readings, which are set aside
             ─▶ columns     one per member: type, markers
             ─▶ key         what tells the readings of the sample apart
             ─▶ TOML        that parse_contract accepts
             ─▶ Transform   which cleans the sample; what it would lose changes the draft

Only the key may reject a reading: any other value becomes NULL where it can't be read.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from etl.authoring.columns import draft_column
from etl.authoring.decoding import decoded_sample
from etl.authoring.draft import ColumnDraft, ContractDraft, counted, share
from etl.authoring.draft_key import set_key
from etl.authoring.keys import choose_key
from etl.authoring.kinds import Kinds, find_kinds
from etl.authoring.language_limits import problems_of
from etl.authoring.members import Members, Place, Value, gather, parsed_messages
from etl.authoring.message_shape import MessageShape
from etl.authoring.names import column_name
from etl.authoring.paths import written_path
from etl.authoring.repair import Losses, losses_of, repair_columns
from etl.authoring.samples import Sample, SampleError
from etl.authoring.toml_writer import write_contract
from etl.authoring.topics import find_topic
from telemetry.contract import Contract, parse_contract
from telemetry.contract.model import Format
from telemetry.errors import ContractError

__all__ = ["contract_name", "infer", "parse_draft"]

MAX_COLUMNS = 200
"""Most columns; the other members are kept together in one of type ``jsonb``."""
ATTEMPTS = 4
"""Drafts that are tried on the sample before the last one is returned as it is."""
BARE_VALUE = re.compile(rb"\s*(-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?|true|false)\s*")
"""A number or boolean of JSON, which has no members to infer from."""
ENDINGS = r"\.(gz|zst|ndjson|jsonl|json|txt|csv|tsv|log)\b"


def infer(
    sample: Sample, name: str, files: str = "", payload_format: Format = "json"
) -> ContractDraft:
    """A draft for the messages of a sample, whose payloads have this format.

    Raises :class:`SampleError` where none can be read, and ``ContractError`` for readings that
    don't go with the format.
    """
    if payload_format == "json" and _has_bare_values_alone(sample):
        payload_format = "value"
    found = _inferred(decoded_sample(sample, payload_format), name, files)
    found.format = payload_format
    if payload_format == "value":
        found.reasons["format"] = "each message is one bare value"
    return found


def _has_bare_values_alone(sample: Sample) -> bool:
    """True if each message is a number, or ``true`` or ``false``, with nothing around it.

    Words are left out: a broken recording has them as well.
    """
    return bool(sample.messages) and all(
        BARE_VALUE.fullmatch(message.payload) is not None for message in sample.messages
    )


def _inferred(sample: Sample, name: str, files: str) -> ContractDraft:
    """A draft for messages of JSON."""
    members, kinds = _readings(sample)
    by_message, as_texts = False, set[str]()
    for attempt in range(ATTEMPTS):
        found = _draft(sample, members, contract_name(name), files, kinds, by_message, as_texts)
        contract = parse_draft(found)
        losses = losses_of(contract, sample)
        if not losses or attempt == ATTEMPTS - 1:
            break
        changed = _learn(found, losses, as_texts)
        if losses.conflicts and not by_message and not found.conflicts_accepted:
            by_message = changed = True
        if not changed:
            break
    return found


def parse_draft(draft: ContractDraft) -> Contract:
    """The contract that the draft's file contains. Raises ``ContractError`` where it is invalid.

    Rollups whose names clash are left out of the draft.
    """
    try:
        return _parsed(draft)
    except ContractError as error:
        if not draft.rollups or "rollups" not in str(error):
            raise
        draft.rollups = False
        draft.reasons["rollups"] = "their columns would have names that the key's have"
        return _parsed(draft)


def _parsed(draft: ContractDraft) -> Contract:
    return parse_contract(write_contract(draft).encode(), f"{draft.name}.toml")


def contract_name(text: str) -> str:
    """A valid contract name from any text: ``Box 7.ndjson.gz`` gives ``box_7``."""
    stem = re.sub(ENDINGS, "", Path(text).name.lower())
    name = re.sub(r"[^a-z0-9]+", "_", stem).strip("_")[:40].rstrip("_")
    return name if name and name[0].isalpha() else f"readings_{name}".rstrip("_")[:40].rstrip("_")


def _readings(sample: Sample) -> tuple[Members, Kinds | None]:
    """The members of the messages with readings, and the kinds of the others."""
    members = gather(sample.messages)
    if not members.readings:
        raise SampleError(
            f"no JSON object in {counted(len(sample.messages), 'message')}; nothing to infer. "
            "Delimited lines need a header with the names of their columns, each name once"
        )
    kinds = find_kinds(members)
    if kinds is None:
        return members, None
    documents = parsed_messages(sample.messages)
    kept = tuple(
        message
        for message, document in zip(sample.messages, documents, strict=True)
        if document is None or kinds.meets(document)
    )
    return gather(kept), kinds


def _learn(found: ContractDraft, losses: Losses, as_texts: set[str]) -> bool:
    """Adds the members whose values would be lost to ``as_texts``; true where one is new."""
    before = len(as_texts)
    as_texts |= {draft.sources[0] for draft in found.columns if draft.name in losses.columns}
    return len(as_texts) > before


def _draft(
    sample: Sample, members: Members, name: str, files: str, kinds: Kinds | None,
    by_message: bool, as_texts: set[str],
) -> ContractDraft:  # fmt: skip
    topic = find_topic(sample.messages, name)
    found = ContractDraft(name, topic.filter, [], [], members.message_shape)
    found.notes = _notes(sample, members, files)
    if topic.reason:
        found.reasons["topic"] = topic.reason
    if topic.others:
        found.advice.append(
            f"topic: {topic.others.total():,} messages of the sample have other topics "
            f"({', '.join(name for name, _ in topic.others.most_common(3))}), which this filter "
            "does not receive"
        )
    _describe_shape(found, members, kinds)
    found.columns = _columns(members, found.left_out)
    repair_columns(found.columns, as_texts, members)
    set_key(found, choose_key(found.columns, members, by_message=by_message), sample.messages)
    found.columns += [draft.also_as for draft in found.columns if draft.also_as is not None]
    _name_apart(found.columns)
    _keep_the_rest(found, members)
    _set_completeness(found)
    found.problems += problems_of(found, members)
    return found


def _describe_shape(found: ContractDraft, members: Members, kinds: Kinds | None) -> None:
    found.reasons |= members.message_shape.reasons
    if members.message_shape.path is not None:
        found.reasons["readings"] = f"readings examined: {len(members.readings):,}"
    if kinds is None:
        return
    found.only[kinds.source] = None if kinds.values is None else list(kinds.values)
    others = ", ".join(f"{name} {count:,}" for name, count in kinds.others.most_common(4))
    found.reasons["only"] = f"set aside, as they have no time and measure nothing: {others}"
    found.advice.append(f"only: {counted(kinds.others.total(), 'message')} set aside: {others}")


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
    return notes


def _columns(members: Members, left_out: list[tuple[str, str]]) -> list[ColumnDraft]:
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
        draft = ColumnDraft(_name(places[0].scope, naming, taken), places, sources, naming)
        values: Counter[Value] = Counter()
        for place in places:
            values += members.values[place]
        reason = draft_column(draft, values, members)
        if reason is not None:
            left_out.append((label, reason))
            continue
        taken.add(draft.name)
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
            around: list[Place] = [Place("parent", place.path), Place("message", place.path)]
            for other in around:
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
    return written_path(place.path, "" if place.scope == "reading" else f"${place.scope}.")


def _label(shape: MessageShape, place: Place) -> tuple[str, ...]:
    """The path that names the place's column; the keys of an object keyed by time are ``ts``."""
    if place.scope == "place":
        return ("ts",) if place.path == ("key",) else place.path
    return shape.label(place.path) if place.scope == "reading" else place.path


def _name(scope: str, path: tuple[str, ...], taken: set[str]) -> str:
    name = column_name(path, set())
    if scope in ("parent", "message") and name in taken:
        return column_name((scope, *path), taken)
    return column_name(path, taken)


def _name_apart(columns: list[ColumnDraft]) -> None:
    """Renames columns beside others whose names are taken."""
    taken: set[str] = set()
    for draft in columns:
        if draft.name in taken:
            draft.name = column_name((draft.name,), taken)
        taken.add(draft.name)


def _keep_the_rest(found: ContractDraft, members: Members) -> None:
    """Adds a column for the members without one, where they have values."""
    empty = [reason.startswith("always") for _, reason in found.left_out]
    if all(empty) and not members.too_many:
        return
    taken = {draft.name for draft in found.columns}
    if members.message_shape.shape == "objects":
        rest = ColumnDraft(column_name(("others",), taken), [], ["$rest"], ("others",), "jsonb")
        number = len(empty) - sum(empty)
        rest.notes.append(f"the members without a column of their own: {number:,} or more")
        found.columns.append(rest)
        found.advice.append(
            f"columns.{rest.name}: {number:,} members have no column of their own and are kept "
            "together; `melt` makes a narrow table of them"
        )
    else:
        found.problems.append("some members have no column and no shape of rest")


def _set_completeness(found: ContractDraft) -> None:
    for draft in found.columns:
        if not draft.required and draft.presence >= 0.99:
            draft.reasons.setdefault("completeness", share(draft.presence, 1))
