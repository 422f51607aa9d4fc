"""The topic filter of a contract from the topics of a recording."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from etl.authoring.samples import Message

__all__ = ["Topic", "find_topic"]

_TOPIC = re.compile(r"[\w.:@=-]+(/[\w.:@=-]+){1,7}", re.ASCII)

MOSTLY = 0.5
"""Share of the messages that must have topics of one filter."""


@dataclass(frozen=True)
class Topic:
    """The topic filter, which ends with the device's level."""

    filter: str
    guessed: bool
    """True where it follows from the contract's name: the messages have no topics, or topics
    whose device is not the last level."""
    others: Counter[str]
    """Other filters that messages of the sample would need, with their number."""


def find_topic(messages: Sequence[Message], name: str) -> Topic:
    """The filter that most of the messages have in common."""
    bases = Counter(
        f"{message.topic.rsplit('/', 1)[0]}/+"
        for message in messages
        if message.topic is not None and _TOPIC.fullmatch(message.topic)
    )
    if not bases:
        return Topic(f"telemetry/{name.replace('_', '-')}/+", True, Counter())
    best, count = bases.most_common(1)[0]
    if count < MOSTLY * bases.total():
        return Topic(f"telemetry/{name.replace('_', '-')}/+", True, bases)
    del bases[best]
    return Topic(best, False, bases)
