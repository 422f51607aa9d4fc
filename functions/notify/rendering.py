"""Parts that the renderers of the channels share: one HTTP request, and texts within limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["PostRequest", "json_request", "limited", "without_mentions"]

WORD_JOINER = "\u2060"
"""Invisible; after an @ it keeps ``@channel`` and ``@everyone`` from calling people."""


@dataclass(frozen=True, kw_only=True)
class PostRequest:
    """One POST to a channel."""

    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)


def json_request(url: str, content: dict[str, Any], **headers: str) -> PostRequest:
    """A POST of this JSON, as UTF-8."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return PostRequest(url=url, body=body, headers={"Content-Type": "application/json", **headers})


def limited(text: str, most: int, escape: Callable[[str], str] = str) -> str:
    """The escaped text, cut so that it has at most so many characters once it is escaped."""
    escaped = escape(text)
    if len(escaped) <= most:
        return escaped
    size, kept = 1, []  # one for the ellipsis
    for character in text:
        size += len(escape(character))
        if size > most:
            break
        kept.append(character)
    return escape("".join(kept)) + "…"


def without_mentions(text: str) -> str:
    """The text in which no @ is followed by a name."""
    return text.replace("@", f"@{WORD_JOINER}")
