"""Rules on the topic of a contract, and on the levels of it that columns read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from telemetry.contract.composed import sources_of
from telemetry.contract.model import Contract, Source
from telemetry.contract.problems import Problem
from telemetry.contract.topics import TopicFilter, topic_faults

__all__ = ["TOPIC_RULES"]


def topic_is_sound(contract: Contract) -> Iterator[Problem]:
    """The topic filter is one that AWS IoT takes, and that devices can be held to."""
    if contract.topic:
        for fault in topic_faults(contract.topic):
            yield Problem("topic", fault)


def levels_are_there(contract: Contract) -> Iterator[Problem]:
    """A level that no topic of the filter has would never have a value."""
    for column in contract.columns:
        for source in sources_of(column):
            if not _is_there(contract.topic_filter, source):
                levels = len(contract.topic_filter.levels)
                yield Problem(
                    f"columns.{column.name}.from",
                    f"$topic[{source.path[1]}] is never there: the topic has {levels} levels; "
                    f"write 0 to {levels - 1}",
                )


def _is_there(topic: TopicFilter, source: Source) -> bool:
    if topic.is_open or source.scope != "envelope" or len(source.path) == 1:
        return True
    levels = len(topic.levels)
    return -levels <= int(source.path[1]) < levels


TOPIC_RULES: tuple[Callable[[Contract], Iterator[Problem]], ...] = (
    topic_is_sound,
    levels_are_there,
)
