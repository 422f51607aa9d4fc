"""Enum columns for texts that name states, such as ``open`` and ``closed``.

An enum exposes a spelling error of a firmware, and treats ``OPEN`` and ``open`` as equal. But a
state that is not in the sample would be lost. So an enum needs many readings and few states, each
of them frequent.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from etl.authoring.draft import ColumnDraft
from etl.authoring.members import Members
from etl.authoring.values import MISSING_WORDS

__all__ = ["propose_enums"]

MANY = 100
"""Values needed at least."""
FEW = 8
"""Most states of an enum."""
OFTEN = 5
"""Occurrences needed of each state: where one is rare, others may not have occurred yet."""
_STATE = re.compile(r"[^\W\d_][^\W\d]{0,30}(?:[ -][^\W\d]{1,30}){0,3}")
"""Words without digits: those with digits may be versions, rooms or names, and have no end."""


def propose_enums(columns: Sequence[ColumnDraft], members: Members) -> None:
    """Turns such columns into enums; in the key a new state would reject its readings."""
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
            draft.reasons["values"] = (
                f"each occurs at least {least:,} times; any other value becomes NULL"
            )
            draft.reasons["type"] = 'few distinct values; "text" would allow any'


def _states(counts: Counter[str]) -> list[str]:
    """The states in their most frequent spelling; empty where the texts are not states."""
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
    """Counts of the texts in lower case."""
    found: Counter[str] = Counter()
    for text, count in counts.items():
        found[text.lower()] += count
    return found
