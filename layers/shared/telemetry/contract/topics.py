"""The topic filter of a contract: MQTT's, with names for its wildcards.

::

    telemetry/fleet/+                        the only ``+`` is the device's level
    application/+/device/+/event/up          the last ``+`` is, where there are several
    v3/{app}/devices/{device}/up             ``{device}`` is, ``{app}`` is any other level
    tele/{device}/#                          ``#``, at the end, is one level or more
    plant/{line}/state                       no level is the device's
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["DEVICE", "MAX_TOPIC_BYTES", "MAX_TOPIC_SLASHES", "TopicFilter", "topic_faults"]

DEVICE = "device"
"""Name of the wildcard that is the device's level."""
MAX_TOPIC_BYTES = 256
MAX_TOPIC_SLASHES = 7
MAX_OTHER_WILDCARDS = 3
"""Wildcards beside the device's: each needs two more resources in the devices' policy
(:mod:`infrastructure.core.device_policy`), which may have 2,048 characters in all
(https://docs.aws.amazon.com/general/latest/gr/iot-core.html, read 2026-11)."""
MAX_SHARED_TOPIC_BYTES = 70
"""Length of a filter with :data:`MAX_OTHER_WILDCARDS`, for the same reason; with fewer it may be
longer."""

_FIXED = re.compile(r"[A-Za-z0-9_.:@=-]+\Z")
_NAMED = re.compile(r"\{([a-z][a-z0-9_]{0,40})\}\Z")


@dataclass(frozen=True)
class TopicFilter:
    """A topic filter by its levels."""

    levels: tuple[str, ...]
    """The levels as written: a fixed text, ``+``, ``{name}``, or ``#`` as the last."""

    @staticmethod
    @lru_cache(maxsize=256)
    def parse(text: str) -> TopicFilter:
        """The filter of that text, which may break the rules of :func:`topic_faults`."""
        return TopicFilter(tuple(text.split("/")))

    @property
    def mqtt(self) -> str:
        """The filter as MQTT and the topic rule have it, without names."""
        return "/".join("+" if _NAMED.match(level) else level for level in self.levels)

    @property
    def places(self) -> dict[str, int]:
        """Place of each named wildcard among the levels, counted from 0."""
        found = ((place, _NAMED.match(level)) for place, level in enumerate(self.levels))
        return {name[1]: place for place, name in found if name}

    @property
    def device_place(self) -> int | None:
        """Place of the device's level; ``None`` where no level is the device's.

        It is the level ``{device}``; where none has that name, the last ``+``.
        """
        unnamed = [place for place, level in enumerate(self.levels) if level == "+"]
        return self.places.get(DEVICE, unnamed[-1] if unnamed else None)

    @property
    def is_open(self) -> bool:
        """True where the filter ends in ``#``: topics have this many levels, or more."""
        return self.levels[-1] == "#"

    @property
    def wildcard_places(self) -> list[int]:
        """Places of the wildcards that stand for one level."""
        return [
            place for place, level in enumerate(self.levels) if level == "+" or _NAMED.match(level)
        ]

    @property
    def other_places(self) -> list[int]:
        """Places of the wildcards of one level that are not the device's."""
        return [place for place in self.wildcard_places if place != self.device_place]

    def fill(self, device: str, other: Callable[[int], str]) -> str:
        """The topic of a device; ``other`` gives the text of another wildcard by its place."""
        levels = list(self.levels)
        for place in self.other_places:
            levels[place] = other(place)
        if self.is_open:
            levels[-1] = other(len(levels) - 1)
        if self.device_place is not None:
            levels[self.device_place] = device
        return "/".join(levels)

    def matches(self, topic: str) -> bool:
        """True if the topic rule takes messages of that topic."""
        levels = topic.split("/")
        fixed = self.levels[:-1] if self.is_open else self.levels
        if len(levels) < len(self.levels) or (len(levels) > len(fixed) and not self.is_open):
            return False
        return all(
            wanted in ("+", level) or _NAMED.match(wanted) is not None
            for wanted, level in zip(fixed, levels, strict=False)
        )

    def device_of(self, topic: str) -> str | None:
        """The device's level of a topic that matches; ``None`` where there is none."""
        if self.device_place is None or not self.matches(topic):
            return None
        return topic.split("/")[self.device_place]


def topic_faults(text: str) -> Iterator[str]:
    """The faults of a topic filter, each with what to write instead; none where it is valid."""
    topic = TopicFilter.parse(text)
    levels, names = topic.levels, topic.places
    body = levels[:-1] if topic.is_open else levels
    named = [level for level in levels if _NAMED.match(level)]
    if len(levels) == 1:
        yield f"{text!r} has one level only; write 'a/b/+'"
    elif "#" in body:
        yield f"{text!r} has a # that is not the last level; write + or a name such as {{site}}"
    elif not all(level == "+" or _NAMED.match(level) or _FIXED.match(level) for level in body):
        yield (
            f"{text!r} has other characters; use letters, digits and _.:@=-, or + or {{name}} "
            "for a whole level"
        )
    elif len(named) > len(names):
        yield f"{text!r} names two levels alike; give each a name of its own"
    elif 0 in topic.other_places:
        # A policy's * would stand for $aws as well.
        yield f"{text!r} begins with a wildcard that isn't the device's; begin with a fixed level"
    elif len(text) > MAX_TOPIC_BYTES or len(levels) - 1 > MAX_TOPIC_SLASHES:
        yield (
            f"is too long for AWS IoT ({MAX_TOPIC_BYTES} bytes, {MAX_TOPIC_SLASHES} slashes);"
            " shorten it"
        )
    else:
        yield from _beyond_a_policy(topic)


def _beyond_a_policy(topic: TopicFilter) -> Iterator[str]:
    others = len(topic.other_places)
    if others > MAX_OTHER_WILDCARDS:
        yield (
            f"has {others} wildcards beside the device's, and the policy of the devices takes "
            f"{MAX_OTHER_WILDCARDS}; write the others as fixed levels, or end in #"
        )
    elif others and len(topic.mqtt) > MAX_SHARED_TOPIC_BYTES * MAX_OTHER_WILDCARDS // others:
        yield "is too long for a policy of AWS IoT with so many wildcards; shorten it"
