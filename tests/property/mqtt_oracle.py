"""MQTT's matching of topics, level by level, as its specification has it; shares no code with ours.

(https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html, 4.7.1; ``#`` is one level or more
in a topic rule, https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-from.html, read
2026-11, where the specification's may be none.)
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["matches"]


def matches(topic_filter: str, topic: str) -> bool:
    """True if a subscription to the filter (``+``, ``#``, no names) gets messages of the topic."""
    return _levels_match(topic_filter.split("/"), topic.split("/"))


def _levels_match(wanted: Sequence[str], levels: Sequence[str]) -> bool:
    if not wanted or not levels:
        return not wanted and not levels
    if wanted[0] == "#":
        return True
    return wanted[0] in ("+", levels[0]) and _levels_match(wanted[1:], levels[1:])
