"""Rejects are counted as batches are read, and shown in an order that is always the same."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from etl.operations.rejects import RejectCounts, most_first


@given(st.lists(st.sampled_from("abcde")), st.randoms())
def test_the_order_does_not_depend_on_what_came_first(names, random):
    shuffled = random.sample(names, len(names))
    found = most_first(Counter(names))
    assert found == most_first(Counter(shuffled))
    assert [number for _, number in found] == sorted(Counter(names).values(), reverse=True)
    plain = (RejectCounts(by_device=Counter(some)).as_dict() for some in (names, shuffled))
    assert len({tuple(one["by_device"]) for one in plain}) == 1
