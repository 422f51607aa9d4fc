"""Where a column's value comes from: the small grammar of ``from``.

::

    temp                 member of the reading            $message.gateway.id  of its message
    env.temp             member of a member               $topic  $topic[2]    of the MQTT topic
    host\\.name           a dot, ``$`` or ``\\`` that       $client_id  $received_at  $message_id
                         belongs to the member's name
"""

from __future__ import annotations

import re

from telemetry.contract.model import Source

__all__ = ["SourceSyntaxError", "parse_path", "parse_source"]

ENVELOPE_MEMBERS = ("topic", "client_id", "received_at", "message_id")
_TOPIC_LEVEL = re.compile(r"\$topic\[(\d{1,2})\]\Z")
_SEGMENT_END = re.compile(r"(?<!\\)\.")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class SourceSyntaxError(ValueError):
    """Raised when a ``from`` entry can't be read; the message says what to write instead."""


def parse_path(text: str) -> tuple[str, ...]:
    """Names of a dotted path. Raises :class:`SourceSyntaxError` where a name is empty."""
    segments = _SEGMENT_END.split(text)
    if not all(segments):
        raise SourceSyntaxError(f"{text!r} has an empty name; write a path such as 'a.b'")
    return tuple(_ESCAPE.sub(r"\1", segment) for segment in segments)


def parse_source(text: str) -> Source:
    """One entry of ``from``. Raises :class:`SourceSyntaxError`."""
    if not text.startswith("$"):
        return Source("reading", parse_path(text))
    if text == "$rest":
        return Source("rest", (), "json")
    if text.startswith("$message."):
        return Source("message", parse_path(text.removeprefix("$message.")))
    if text[1:] in ENVELOPE_MEMBERS:
        return Source("envelope", (text[1:],))
    if level := _TOPIC_LEVEL.match(text):
        return Source("envelope", ("topic", str(int(level[1]))))
    known = ", ".join(f"${member}" for member in ENVELOPE_MEMBERS)
    raise SourceSyntaxError(
        f"{text!r} is not known; use one of {known}, $topic[n], $message.a.b, $rest"
    )
