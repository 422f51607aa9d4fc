"""The TOML text of a contract draft: one line per key, with its reason as a comment."""

from __future__ import annotations

import re
from collections.abc import Iterable

from etl.authoring.draft import ColumnDraft, ContractDraft
from etl.authoring.paths import escaped_path

__all__ = ["quoted", "write_contract"]

COMMENT_COLUMN = 36
EXPECTED = 0.9
"""Completeness check for a column that nearly always has a value: less gives a warning."""
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    r"\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Characters that TOML forbids, or that make a line look like another one."""


def quoted(text: str) -> str:
    """A text as TOML string: literal where it has backslashes and can be, else basic."""
    if "\\" in text and "'" not in text and not _CONTROL.search(text):
        return f"'{text}'"
    body = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + _CONTROL.sub(lambda match: _escaped(ord(match[0])), body) + '"'


def _escaped(character: int) -> str:
    return f"\\u{character:04x}" if character < 0x10000 else f"\\U{character:08x}"


def write_contract(found: ContractDraft) -> str:
    """The content of the contract file."""
    lines = [f"# {_plain(line)}" for line in found.notes]
    lines += ["", _entry("name", quoted(found.name))]
    lines += [_entry("topic", quoted(found.topic), found.reasons.get("topic"))]
    lines += ["", "[table]", _entry("name", quoted(found.name))]
    lines += [_entry("key", _list(found.key), found.reasons.get("key"))]
    lines += [_entry("on_conflict", quoted(found.on_conflict), found.reasons.get("on_conflict"))]
    if found.message_shape.path is not None or found.only or found.format != "json":
        lines += ["", "[message]", *_message(found)]
    for draft in found.columns:
        lines += ["", *_column(draft)]
    lines += ["", *_checks(found.columns)]
    if not found.rollups:
        lines += ["", "[analytics]", _entry("rollups", "[]", found.reasons.get("rollups"))]
    if found.left_out:
        lines += ["", "# Members without a column:"]
        lines += [f"#   {_plain(name)}: {_plain(reason)}" for name, reason in found.left_out[:50]]
        if len(found.left_out) > 50:
            lines.append(f"#   and {len(found.left_out) - 50:,} more")
    return "\n".join(lines) + "\n"


def _message(found: ContractDraft) -> list[str]:
    shape = found.message_shape
    lines = []
    if found.format != "json":
        lines.append(_entry("format", quoted(found.format), found.reasons.get("format")))
    if shape.path is not None:
        arrays = [path for path in (shape.parents, shape.path) if path is not None]
        path = "[].".join(escaped_path(at) if at else "$message" for at in arrays)
        lines.append(_entry("readings", quoted(path), found.reasons.get("readings")))
    if shape.shape != "objects":
        lines.append(_entry("shape", quoted(shape.shape), found.reasons.get("shape")))
    if shape.fields:
        lines.append(_entry("fields", _list(shape.fields), found.reasons.get("fields")))
    if found.only:
        conditions = ", ".join(
            f"{quoted(source)} = " + ("{ present = true }" if values is None else _list(values))
            for source, values in found.only.items()
        )
        lines.append(_entry("only", f"{{ {conditions} }}", found.reasons.get("only")))
    return lines


def _column(draft: ColumnDraft) -> list[str]:
    lines = [f"# {_plain(line)}" for line in draft.notes]
    lines += [f"[columns.{draft.name}]"]
    entries: list[tuple[str, str | None]] = [("type", quoted(draft.type))]
    own = draft.sources == [draft.name]
    sources = quoted(draft.sources[0]) if len(draft.sources) == 1 else _list(draft.sources)
    entries.append(("from", None if own else sources))
    entries.append(("required", "true" if draft.required else None))
    plain = draft.formats in ([], ["iso8601"])
    entries.append(("formats", None if plain else _list(draft.formats)))
    entries.append(("timezone", None if draft.timezone is None else quoted(draft.timezone)))
    entries.append(("precision", None if draft.precision is None else str(draft.precision)))
    entries.append(("scale", str(draft.scale) if draft.scale else None))
    entries.append(("unit", None if draft.unit is None else quoted(draft.unit)))
    entries.append(("attached", _list(draft.attached) if draft.attached else None))
    entries.append(("decimal_comma", "true" if draft.decimal_comma else None))
    entries.append(("max_length", None if draft.max_length is None else str(draft.max_length)))
    entries.append(("constant", None if draft.constant is None else quoted(draft.constant)))
    default = draft.missing in ([], [""]) and "missing" not in draft.reasons
    markers = "[" + ", ".join(_marker(marker) for marker in draft.missing) + "]"
    entries.append(("missing", None if default else markers))
    entries.append(("on_invalid", None if draft.required else '"null"'))
    lines += [_entry(k, value, draft.reasons.get(k)) for k, value in entries if value is not None]
    return lines


def _checks(columns: list[ColumnDraft]) -> list[str]:
    lines = [
        "[checks]",
        _entry("max_reject_share", "0.5", "above: the batch is quarantined"),
        _entry("warn_reject_share", "0.05", "above: the batch gets a warning"),
    ]
    full = [draft for draft in columns if "completeness" in draft.reasons]
    if full:
        lines += ["", "[checks.completeness]"]
    for draft in full:
        lines.append(
            _entry(draft.name, str(EXPECTED), f"in the sample: {draft.reasons['completeness']}")
        )
    return lines


def _entry(key: str, value: str, reason: str | None = None) -> str:
    line = f"{key} = {value}"
    return line if reason is None else f"{line:<{COMMENT_COLUMN}} # {_plain(reason)}"


def _marker(marker: str | float) -> str:
    return quoted(marker) if isinstance(marker, str) else _number(marker)


def _number(value: float) -> str:
    """A number as TOML; a whole number has no fraction."""
    whole = isinstance(value, int) or (value.is_integer() and abs(value) < 1e15)
    return str(int(value)) if whole else repr(float(value))


def _list(texts: Iterable[str]) -> str:
    return "[" + ", ".join(quoted(text) for text in texts) + "]"


def _plain(text: str) -> str:
    """The text without control characters, which TOML forbids in a comment."""
    return _CONTROL.sub("�", text)
