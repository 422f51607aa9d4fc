"""Sources of a column's value: the small grammar of ``from``.

::

    temp                 member of the reading            $message.gateway.id  of its message
    env.temp             member of a member               $topic  $topic[2]    of the MQTT topic
    "host.name".up       a name with a dot, or            $client_id  $received_at  $message_id
    host\\.name           a dot, ``$`` or ``\\`` of it     $key  $metric  $value   see ``[message]``
    $index               place of the reading in its message, from 0
"""

from __future__ import annotations

import re

from telemetry.contract.model import Source

__all__ = ["SourceSyntaxError", "parse_path", "parse_source"]

ENVELOPE_MEMBERS = ("topic", "client_id", "received_at", "message_id")
PLACE_MEMBERS = ("key", "metric", "value")
ALONE = {"$rest": Source("rest", ("rest",), "json"), "$index": Source("index", ("index",))}
_TOPIC_LEVEL = re.compile(r"\$topic\[(-?[0-9]{1,2})\]\Z")
_NAME = re.compile(r'"((?:[^"\\]|\\.)+)"(?=\.|\Z)|((?:[^.\\]|\\.)+)', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class SourceSyntaxError(ValueError):
    """Raised when a ``from`` entry can't be read; the message says what to write instead."""


def parse_path(text: str) -> tuple[str, ...]:
    """Names of a dotted path. Raises :class:`SourceSyntaxError` where a name is empty."""
    names = []
    at = 0
    while match := _NAME.match(text, at):
        names.append(_ESCAPE.sub(r"\1", match[1] or match[2]))
        at = match.end() + 1
        if match.end() == len(text):
            return tuple(names)
        if text[match.end()] != ".":
            break
    raise SourceSyntaxError(f"{text!r} has an empty name; write a path such as 'a.b'")


def parse_source(text: str) -> Source:
    """One entry of ``from``. Raises :class:`SourceSyntaxError`."""
    if not text.startswith("$"):
        return Source("reading", parse_path(text))
    if text in ALONE:
        return ALONE[text]
    if text.startswith("$message."):
        return Source("message", parse_path(text.removeprefix("$message.")))
    if text[1:] in ENVELOPE_MEMBERS:
        return Source("envelope", (text[1:],))
    if text[1:] in PLACE_MEMBERS:
        return Source("place", (text[1:],))
    if level := _TOPIC_LEVEL.match(text):
        return Source("envelope", ("topic", str(int(level[1]))))
    known = ", ".join(f"${member}" for member in (*ENVELOPE_MEMBERS, "index", *PLACE_MEMBERS))
    raise SourceSyntaxError(
        f"{text!r} is not known; use one of {known}, $topic[n], $message.a.b, $rest"
    )
