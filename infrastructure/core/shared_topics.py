"""Contracts whose topics one policy of the devices can't keep apart.

Each device may publish the topics of all contracts. Two filters that overlap are refused where

- a topic that a device may publish by one contract is another device's by the other: it could send
  readings in that one's name;
- a topic of one contract is among those that the policy denies for the other, whose wildcard has a
  slash there (:func:`infrastructure.core.device_policy.crossing_topics`): its devices could not
  publish.

Levels of a filter are compared with each other one by one, ``#`` being any number of them.
"""

from __future__ import annotations

from functools import cache
from itertools import permutations

from telemetry.contract import Contract, ContractSet
from telemetry.contract.topics import TopicFilter
from telemetry.errors import ContractError

__all__ = ["check_topics"]

ONE, ONE_OR_MORE, TWO_OR_MORE, ANY = "+", "{1,}", "{2,}", "{0,}"
"""Levels of a pattern that stand for one level, for one or more, two or more, and any number."""
OWN, OTHER = "{own}", "{other}"
"""The device that publishes, and another one. No level of a filter is written so."""
Pattern = tuple[str, ...]


def check_topics(contracts: ContractSet) -> None:
    """Raises :class:`ContractError` for two contracts whose topics one policy can't keep apart."""
    for one, other in permutations(contracts, 2):
        if other.topic_filter.device_place is not None and overlap(
            pattern(one.topic_filter, OWN), pattern(other.topic_filter, OTHER)
        ):
            raise ContractError(
                f"{_named(one, other)}: a device could publish, by its topics of {one.name}, "
                f"readings of another device for {other.name}. Give one of them other topics, such "
                "as another first level."
            )
        denied = crossings(other.topic_filter)
        if any(overlap(pattern(one.topic_filter, OWN), each) for each in denied):
            raise ContractError(
                f"{_named(one, other)}: the policy of the devices denies topics of {one.name}, "
                f"because a wildcard of {other.name} would stand for several levels in them. Give "
                "one of them other topics, such as another first level."
            )


def _named(one: Contract, other: Contract) -> str:
    return (
        f"The topics of the contracts {one.name} ({one.topic_filter.mqtt}) and {other.name} "
        f"({other.topic_filter.mqtt}) overlap"
    )


def pattern(topic: TopicFilter, device: str) -> Pattern:
    """Levels of the topics of a device."""
    open_end = len(topic.levels) - 1 if topic.is_open else None
    return tuple(
        topic.fill(device, lambda place: ONE_OR_MORE if place == open_end else ONE).split("/")
    )


def crossings(topic: TopicFilter) -> list[Pattern]:
    """Levels of the topics that the policy denies: one pattern for each other wildcard."""

    def crossing(place: int) -> Pattern:
        return tuple(
            topic.fill(OWN, lambda at: TWO_OR_MORE if at == place else ONE_OR_MORE).split("/")
        )

    return [crossing(place) for place in topic.other_places]


def overlap(one: Pattern, other: Pattern) -> bool:
    """True if a topic matches both."""
    left, right = _expanded(one), _expanded(other)

    @cache
    def meet(i: int, j: int) -> bool:
        """True if the levels from these places on have a topic in common."""
        if i < len(left) and left[i] == ANY:
            return meet(i + 1, j) or (j < len(right) and meet(i, j + 1))
        if j < len(right) and right[j] == ANY:
            return meet(i, j + 1) or (i < len(left) and meet(i + 1, j))
        if i == len(left) or j == len(right):
            return i == len(left) and j == len(right)
        return _same(left[i], right[j]) and meet(i + 1, j + 1)

    return meet(0, 0)


def _same(one: str, other: str) -> bool:
    """True if one level matches both. A fixed level may be another device's name."""
    if one == other or ONE in (one, other):
        return True
    return OTHER in (one, other) and OWN not in (one, other)


def _expanded(levels: Pattern) -> Pattern:
    parts = {ONE_OR_MORE: (ONE, ANY), TWO_OR_MORE: (ONE, ONE, ANY)}
    return tuple(part for level in levels for part in parts.get(level, (level,)))
