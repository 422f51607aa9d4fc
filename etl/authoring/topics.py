"""The topic filter of a contract from the topics of a recording."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from etl.authoring.samples import Message
from telemetry.contract.topics import DEVICE, topic_faults

__all__ = ["OF_THE_NAME", "Topic", "find_topic"]

_TOPIC = re.compile(r"[\w.:@=-]+(/[\w.:@=-]+){1,7}", re.ASCII)

OF_THE_NAME = "a guess: the last level is the device's name"
"""Reason for a filter that follows from the contract's name alone."""
MOSTLY = 0.5
"""Share of the messages that must have topics of one filter."""


@dataclass(frozen=True)
class Topic:
    """The topic filter, which has a level for the device."""

    filter: str
    reason: str | None
    """Reason for a filter that isn't certain: the messages have no topics, or topics that don't
    show which level is the device's."""
    others: Counter[str]
    """Other filters that messages of the sample would need, with their number."""


def find_topic(messages: Sequence[Message], name: str) -> Topic:
    """The filter that most of the messages have in common."""
    topics = [
        message.topic
        for message in messages
        if message.topic is not None and _TOPIC.fullmatch(message.topic)
    ]
    by_last = Counter(f"{topic.rsplit('/', 1)[0]}/+" for topic in topics)
    guess = f"telemetry/{name.replace('_', '-')}/+"
    if not by_last:
        return Topic(guess, OF_THE_NAME, Counter())
    best, count = by_last.most_common(1)[0]
    varying = _by_varying_levels(topics)
    if varying is not None and varying[1] > max(count, MOSTLY * len(topics)):
        return Topic(varying[0], varying[2], _uncovered(topics, varying[0]))
    if count < MOSTLY * len(topics):
        return Topic(guess, OF_THE_NAME, by_last)
    del by_last[best]
    return Topic(best, None, by_last)


def _by_varying_levels(topics: Sequence[str]) -> tuple[str, int, str | None] | None:
    """The filter of topics with the most common number of levels, their number, and its reason.

    Levels that vary are wildcards, and that with the most values is the device's. ``None`` where no
    contract can have that filter, or where the first level varies, so that nothing is in common.
    """
    split = [topic.split("/") for topic in topics]
    ((depth, count),) = Counter(map(len, split)).most_common(1)
    values = [set(level) for level in zip(*(s for s in split if len(s) == depth), strict=True)]
    wild = [place for place, each in enumerate(values) if len(each) > 1]
    if not wild or wild[0] == 0:
        return None
    device = max(wild, key=lambda place: len(values[place]))
    named = len(wild) > 1
    levels = ["+" if place in wild else min(each) for place, each in enumerate(values)]
    if named:
        levels[device] = f"{{{DEVICE}}}"
    text = "/".join(levels)
    if any(topic_faults(text)):
        return None
    return text, count, "a guess: the level with the most values is the device's" if named else None


def _uncovered(topics: Sequence[str], text: str) -> Counter[str]:
    depth = text.count("/")
    return Counter(f"{t.rsplit('/', 1)[0]}/+" for t in topics if t.count("/") != depth)
