"""Texts that are states, such as ``open`` and ``closed``, become enums.

An enum makes a typing mistake of a firmware visible, and keeps ``OPEN`` and ``open`` one. But a
state that the sample does not have would be lost, so it takes many readings, few states and each
of them often.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from etl.authoring.draft import Draft
from etl.authoring.members import Members
from etl.authoring.values import MISSING_WORDS

__all__ = ["name_states"]

MANY = 100
"""Values that it takes."""
FEW = 8
"""States at most."""
OFTEN = 5
"""Times that each must come: one that comes seldom has others beside it that did not come yet."""
_STATE = re.compile(r"[^\W\d_][^\W\d]{0,30}(?:[ -][^\W\d]{1,30}){0,3}")
"""Words without digits: what has some may be a version, a room or a name, and go on."""


def name_states(columns: Sequence[Draft], members: Members) -> None:
    """Turns such columns into enums; one of the key never, for which a new state costs readings."""
    for draft in columns:
        if draft.type != "text" or draft.required or not draft.places:
            continue
        counts: Counter[str] = Counter()
        for place in draft.places:
            for value, count in members.values[place].items():
                if value.text not in draft.missing and value.kind != "null":
                    counts[value.text] += count
        states = _states(counts)
        if states:
            draft.type, draft.values, draft.max_length = "enum", states, None
            least = min(_folded(counts).values())
            draft.why["values"] = f"each at least {least:,} times; another one becomes NULL"
            draft.why["type"] = 'states? "text" takes any'


def _states(counts: Counter[str]) -> list[str]:
    """The states in their usual spelling; none where the texts are no such thing."""
    if counts.total() < MANY or not all(_STATE.fullmatch(text) for text in counts):
        return []
    folded = _folded(counts)
    if not 2 <= len(folded) <= FEW or min(folded.values()) < OFTEN:
        return []
    if folded.keys() & MISSING_WORDS:
        return []
    usual: dict[str, str] = {}
    for text, _ in counts.most_common():
        usual.setdefault(text.lower(), text)
    return sorted(usual.values())


def _folded(counts: Counter[str]) -> Counter[str]:
    """Counts of the texts in any case."""
    found: Counter[str] = Counter()
    for text, count in counts.items():
        found[text.lower()] += count
    return found
