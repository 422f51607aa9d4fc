"""Paths of members in the syntax of a contract's ``from``."""

from __future__ import annotations

import re

from telemetry.contract.model import MemberPath, Source
from telemetry.contract.sources import SourceSyntaxError, parse_source

__all__ = ["escaped_path", "source_text", "written_path"]

_LIKE_A_PLACE = re.compile("-?[0-9]{1,4}")
"""Names that would be taken for the place of an element, were they not in quotation marks."""


def escaped_path(path: MemberPath) -> str:
    """A path in the syntax of ``from``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif text and _LIKE_A_PLACE.fullmatch(step):
            text += f'."{step}"'
        else:
            text += ("." if text else "") + re.sub(r"([\\.\[{])", r"\\\1", step)
    return f"\\{text}" if text.startswith(("$", '"')) else text


def written_path(path: MemberPath, prefix: str = "") -> str | None:
    """The prefixed path in the syntax of ``from``; ``None`` where it can't be written in it."""
    text = prefix + escaped_path(path)
    try:
        text.encode()
        return text if parse_source(text).path == path else None
    except (SourceSyntaxError, UnicodeEncodeError):
        return None


def source_text(source: Source) -> str:
    """A source in the syntax of ``from``."""
    scope: str = source.scope
    if scope == "constant":
        return f"constant {source.path[0]!r}"
    if scope == "template":
        return str(source.path[0])
    if scope == "part":
        return f"$parts.{escaped_path(source.path)}"
    if scope not in ("reading", "parent", "message"):
        name, *level = source.path
        return f"${name}" + (f"[{level[0]}]" if level else "")
    path = escaped_path(source.path)
    return path if scope == "reading" else f"${scope}.{path}"
