from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.pictures.geometry import Box, Layout
from etl.pictures.layers import arrange
from etl.pictures.layout import lay_out
from etl.pictures.spacing import spread
from etl.pictures.states import read_machine
from tests.unit.etl.pictures.machines import caught, everything, ours, task


def laid_out(definition: dict) -> Layout:
    return lay_out(read_machine(definition), lambda _: (120.0, 40.0), lambda text: 6.0 * len(text))


def overlap(one: Box, other: Box) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def every_layout(layout: Layout) -> Iterator[Layout]:
    yield layout
    for box in layout.boxes.values():
        for inner in box.inner:
            yield from every_layout(inner)


def on_the_edge(point: tuple[float, float], box: Box) -> bool:
    x, y = point
    beside = min(abs(x - box.x), abs(x - box.x - box.width)) < 0.01
    above = min(abs(y - box.y), abs(y - box.y - box.height)) < 0.01
    within = box.x - 0.01 <= x <= box.x + box.width + 0.01
    return within and box.y - 0.01 <= y <= box.y + box.height + 0.01 and (beside or above)


def assert_readable(layout: Layout) -> None:
    for one in every_layout(layout):
        for a, b in combinations(one.boxes.values(), 2):
            assert not overlap(a, b), (a.step.name, b.step.name)
        for box in one.boxes.values():
            assert box.x >= -0.01
            assert box.y >= 0
            assert box.x + box.width <= one.width + 0.01
            assert box.y + box.height <= one.height + 0.01
        for route in one.routes:
            arrow = route.arrow
            assert on_the_edge(route.points[0], one.boxes[arrow.source]), arrow
            assert on_the_edge(route.points[-1], one.boxes[arrow.target]), arrow
            assert all(0 <= x <= one.width and 0 <= y <= one.height for x, y in route.points), arrow


@pytest.mark.parametrize("definition", [ours(), everything()], ids=["ours", "everything"])
def test_nothing_overlaps_and_each_arrow_joins_its_two_states(definition: dict) -> None:
    assert_readable(laid_out(definition))


NAMES = [f"S{number}" for number in range(8)]


@st.composite
def machines(draw: st.DrawFn) -> dict:
    states: dict[str, dict] = {}
    for name in NAMES:
        targets = draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True))
        if len(targets) > 1:
            rules = [{"Variable": "$.a", "StringEquals": t, "Next": t} for t in targets[1:]]
            states[name] = {"Type": "Choice", "Choices": rules, "Default": targets[0]}
        elif targets:
            errors = draw(st.lists(st.sampled_from(NAMES), max_size=2, unique=True))
            states[name] = task(Next=targets[0], Catch=[c for e in errors for c in caught(e)])
        else:
            states[name] = {"Type": draw(st.sampled_from(["Succeed", "Fail"]))}
    return {"StartAt": NAMES[0], "States": states}


@settings(max_examples=60, deadline=None)
@given(machines())
def test_any_machine_can_be_drawn(definition: dict) -> None:
    assert_readable(laid_out(definition))


def test_what_only_errors_lead_to_stands_at_the_right_of_the_flow() -> None:
    layout = laid_out(ours())
    flow = layout.machine.reached_by_flow()
    right = max(box.x + box.width for name, box in layout.boxes.items() if name in flow)
    handlers = [box for name, box in layout.boxes.items() if name not in flow]
    assert handlers
    assert all(box.x > right for box in handlers)


def test_the_flow_goes_downwards_but_for_arrows_back() -> None:
    layout = laid_out(everything())
    boxes = layout.boxes
    up = {
        (a.source, a.target)
        for a in layout.machine.arrows
        if not a.caught and boxes[a.target].y <= boxes[a.source].y
    }
    assert up == {("Done?", "Wait for it"), ("Done?", "Submit")}


def test_layers_are_in_the_order_that_crosses_least() -> None:
    edges = [("s", "a"), ("s", "b"), ("a", "y"), ("b", "x"), ("x", "e"), ("y", "e")]
    layering = arrange(["s", "a", "b", "x", "y", "e"], edges, "s")
    upper, lower = layering.rows[1], layering.rows[2]
    assert (upper.index("a") < upper.index("b")) == (lower.index("y") < lower.index("x"))


@given(
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(1, 100)), min_size=1, max_size=12),
)
def test_things_keep_their_order_and_their_distance(things: list[tuple[float, float]]) -> None:
    wanted, apart = [w for w, _ in things], [a for _, a in things]
    placed = spread(wanted, apart)
    assert all(b - a >= d - 1e-6 for a, b, d in zip(placed, placed[1:], apart[1:], strict=False))


def test_what_has_room_stands_where_it_wants() -> None:
    assert spread([0.0, 50.0, 100.0], [0.0, 20.0, 20.0]) == [0.0, 50.0, 100.0]
    assert spread([0.0, 0.0], [0.0, 10.0]) == [-5.0, 5.0]
