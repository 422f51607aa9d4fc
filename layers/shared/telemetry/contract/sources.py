"""Sources of a column's value: the small grammar of ``from``.

::

    temp                 member of the reading            $message.gateway.id  of its message
    env.temp             member of a member               $topic  $topic[2]    of the MQTT topic
    regs[0]  rx[-1].rssi element of an array, by place    $client_id  $received_at  $message_id
    "host.name".up       a name with a dot, or            $key  $metric  $value   see ``[message]``
    host\\.name           a dot, ``[``, ``$``, ``\\`` of it $index  place of the reading, from 0
    $parent.id           member of the object around the reading's array, in two levels of arrays
    $parts.gps.lat       part of a text, see ``[parts]``    $parts.frame[1]
    {date} {time}        a text made of sources; ``\\{`` is a brace
    $topic.site          level of the MQTT topic that the contract's topic calls {site}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from telemetry.contract.model import MemberPath, Source

__all__ = ["SourceSyntaxError", "parse_path", "parse_source"]

ENVELOPE_MEMBERS = ("topic", "client_id", "received_at", "message_id")
PLACE_MEMBERS = ("key", "metric", "value")
BELOW: dict[str, Literal["message", "parent", "part"]] = {
    "$message.": "message",
    "$parent.": "parent",
    "$parts.": "part",
}
"""Prefixes of paths, and the scopes of their sources."""
ALONE = {"$rest": Source("rest", ("rest",), "json"), "$index": Source("index", ("index",))}
_TOPIC_LEVEL = re.compile(r"\$topic\[(-?[0-9]{1,2})\]\Z")
_NAME = re.compile(r'"((?:[^"\\]|\\.)+)"(?=[.\[]|\Z)|((?:[^.\\\[]|\\.)+)', re.DOTALL)
_ELEMENT = re.compile(r"\[(-?[0-9]{1,4})\](?=[.\[]|\Z)")
_DIGITS = re.compile(r"-?[0-9]{1,4}(?=[.\[]|\Z)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\\.', re.DOTALL)
_PIECE = re.compile(r'\{((?:"(?:[^"\\]|\\.)*"|\\.|[^"\\{}])+)\}|((?:\\.|[^\\{}])+)', re.DOTALL)
IN_TEMPLATE = ("reading", "parent", "message", "envelope", "place", "index", "part")
"""Scopes of the sources that a template may have."""


class SourceSyntaxError(ValueError):
    """Raised when a ``from`` entry can't be read; the message says what to write instead."""


def parse_path(text: str) -> MemberPath:
    """Names and places of a path. Raises :class:`SourceSyntaxError` where it can't be read."""
    path: list[str | int] = []
    at = 0
    while match := _NAME.match(text, at):
        if path and (digits := _DIGITS.match(text, at)):
            raise SourceSyntaxError(_digits_are_unclear(text[: at - 1], digits[0]))
        path.append(_ESCAPE.sub(r"\1", match[1] or match[2]))
        at = match.end()
        while element := _ELEMENT.match(text, at):
            path.append(int(element[1]))
            at = element.end()
        if at == len(text):
            return tuple(path)
        if text[at] == "[":
            raise SourceSyntaxError(
                f"{text!r} has a bracket that isn't the place of an element; write one such as "
                "'a[0]' or 'a[-1]', or a name with brackets in quotation marks"
            )
        if text[at] != ".":
            break
        at += 1
    raise SourceSyntaxError(f"{text!r} has an empty name; write a path such as 'a.b'")


def _digits_are_unclear(before: str, digits: str) -> str:
    return (
        f"'{before}.{digits}' may be an element or a member; write '{before}[{digits}]' for the "
        f"element of an array, '{before}.\"{digits}\"' for a member of that name"
    )


def parse_source(text: str, topic_places: Mapping[str, int] = MappingProxyType({})) -> Source:
    """One entry of ``from``; ``topic_places`` has the places of the topic's named levels.

    Raises :class:`SourceSyntaxError`.
    """
    if "{" in _QUOTED.sub("", text):
        return _template(text, topic_places)
    if not text.startswith("$"):
        return Source("reading", parse_path(text))
    if text in ALONE:
        return ALONE[text]
    for prefix, scope in BELOW.items():
        if text.startswith(prefix):
            return Source(scope, parse_path(text.removeprefix(prefix)))
    if text[1:] in (*ENVELOPE_MEMBERS, *PLACE_MEMBERS):
        return Source("envelope" if text[1:] in ENVELOPE_MEMBERS else "place", (text[1:],))
    if text.startswith(("$topic[", "$topic.")):
        return _topic_level(text, topic_places)
    known = ", ".join(f"${member}" for member in (*ENVELOPE_MEMBERS, "index", *PLACE_MEMBERS))
    raise SourceSyntaxError(
        f"{text!r} is not known; use one of {known}, $topic[n], $topic.name, $message.a.b, "
        "$parent.a.b, $parts.a.b, $rest"
    )


def _topic_level(text: str, places: Mapping[str, int]) -> Source:
    if level := _TOPIC_LEVEL.match(text):
        return Source("envelope", ("topic", str(int(level[1]))))
    name = text.removeprefix("$topic.")
    if text.startswith("$topic["):
        raise SourceSyntaxError(f"{text!r} is not a level; write its place, as in $topic[2]")
    if name not in places:
        named = ", ".join(f"{{{each}}}" for each in places) or "no level"
        raise SourceSyntaxError(
            f"{text!r} needs a level {{{name}}} in the topic, which names {named}; name it there, "
            "or write its place, as in $topic[2]"
        )
    return Source("envelope", ("topic", str(places[name])))


def _template(text: str, topic_places: Mapping[str, int]) -> Source:
    pieces: list[str | Source] = []
    at = 0
    while match := _PIECE.match(text, at):
        at = match.end()
        if match[1] is None:
            pieces.append(_ESCAPE.sub(r"\1", match[2]))
            continue
        source = parse_source(match[1], topic_places)
        if source.scope not in IN_TEMPLATE or source.path == ("received_at",):
            raise SourceSyntaxError(f"{match[1]!r} can't be a piece of {text!r}; use a member")
        pieces.append(source)
    if at < len(text):
        raise SourceSyntaxError(
            f"{text!r} has a brace that isn't closed or opened; write members as in '{{date}} "
            "{time}', or a name with braces in quotation marks"
        )
    return Source("template", (text,), pieces=tuple(pieces))
