"""Readings in arrays side by side, of which one may be shorter than the others."""

from __future__ import annotations

import pytest

from tests.unit.functions.transform.envelopes_for import lines
from tests.unit.functions.transform.test_arrays_on_two_levels import OUTER, spelled
from tests.unit.functions.transform.test_messages_of_every_shape import (
    ID,
    V,
    both_ways,
    contract,
    reasons,
)

GATEWAY = '[columns.gw]\ntype = "text"\nfrom = "$message.gw"\n'
SIDES = contract('readings = "$message"\nshape = "parallel"', ID + V + GATEWAY)


def test_elements_of_one_place_are_one_reading() -> None:
    batch = both_ways(
        lines({"gw": "g", "id": [1, 2], "v": [1.5, None]}, {"id": [3]}, {"id": [], "v": None}),
        SIDES,
        careful=True,
    )
    assert batch.rows.rows() == [(1, 1.5, "g"), (2, None, "g"), (3, None, None)]
    assert (batch.empty_messages, batch.rejects) == (1, [])


def test_a_reading_that_is_not_in_all_arrays_is_rejected() -> None:
    batch = both_ways(lines({"id": [1, 2, 3], "v": [1.5]}), SIDES, careful=True)
    assert batch.rows.rows() == [(1, 1.5, None)]
    assert reasons(batch) == [(1, "unequal_arrays"), (2, "unequal_arrays")]
    assert spelled(batch, SIDES) == ['{"id":2}', '{"id":3}']


@pytest.mark.parametrize("message", [{}, {"gw": "g"}, {"id": 1, "v": [2]}, {"id": [1], "v": {}}])
def test_what_is_no_array_costs_the_message(message: object) -> None:
    batch = both_ways(lines(message), SIDES, careful=True)
    assert reasons(batch) == [(None, "not_an_array")]


def test_they_may_be_in_an_object_or_in_each_of_several() -> None:
    inside = contract('readings = "data"\nshape = "parallel"', ID + V)
    batch = both_ways(lines({"data": {"id": [1], "v": [2]}}, {"data": [1]}), inside, careful=True)
    assert batch.rows.rows() == [(1, 2.0)]
    assert reasons(batch) == [(None, "not_an_object")]
    nodes = contract('readings = "nodes[].data"\nshape = "parallel"', ID + OUTER)
    parents = [{"name": "a", "data": {"id": [1, "x"]}}, {"data": {"id": 5}}, {"data": {"id": [2]}}]
    batch = both_ways(lines({"nodes": parents}), nodes, careful=True)
    assert batch.rows.rows() == [(1, "a"), (2, None)]
    assert reasons(batch) == [(1, "invalid:id"), (2, "not_an_array")]
    assert spelled(batch, nodes) == ['{"id":"x"}', '{"data": {"id": 5}}']
