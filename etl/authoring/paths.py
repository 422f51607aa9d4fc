"""Paths of members in the syntax of a contract's ``from``."""

from __future__ import annotations

import re

from telemetry.contract.model import Source
from telemetry.contract.sources import SourceSyntaxError, parse_source

__all__ = ["escaped_path", "source_text", "written_path"]


def escaped_path(path: tuple[str, ...]) -> str:
    """A path in the syntax of ``from``."""
    text = ".".join(re.sub(r"([\\.])", r"\\\1", part) for part in path)
    return f"\\{text}" if text.startswith("$") else text


def written_path(path: tuple[str, ...], prefix: str = "") -> str | None:
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
    if scope not in ("reading", "message"):
        name, *level = source.path
        return f"${name}" + (f"[{level[0]}]" if level else "")
    path = escaped_path(source.path)
    return f"$message.{path}" if scope == "message" else path
