"""The number of a row's transaction has 32 bits, a cursor's 64: none that is newer is taken for older."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.operations.export_cursor import CursorError, ExportCursor, Position, parse_cursor

LOW = 2**32
ENDS = st.integers(10, 5 * LOW) | st.sampled_from([LOW - 1, LOW, LOW + 1, LOW + 3, 3 * LOW + 2])


def position(end: int) -> Position:
    return Position(ExportCursor(7, 1, 5, 6, end, "0" * 12), end)


def is_exported(end: int, horizon: int, transaction: int) -> bool:
    """The condition as PostgreSQL computes it, for a row that this transaction wrote."""
    after = replace(position(end).cursor, horizon=horizon)
    condition = position(end).changed_since(after)
    return bool(eval(condition.replace("xmin::text::bigint", str(transaction % LOW))))


@given(st.data(), ENDS)
def test_a_row_that_was_written_since_is_exported(data: st.DataObject, end: int) -> None:
    horizon = data.draw(st.integers(3, end))
    if horizon < end:
        transaction = data.draw(st.integers(horizon, end - 1))
        assert is_exported(end, horizon, transaction)


@given(st.data(), ENDS)
def test_a_row_of_before_is_not_within_four_billion_transactions(
    data: st.DataObject, end: int
) -> None:
    horizon = data.draw(st.integers(max(4, end - LOW + 2), end))
    transaction = data.draw(st.integers(max(3, end - LOW + 1), horizon - 1))
    assert not is_exported(end, horizon, transaction)


@given(st.builds(
    ExportCursor,
    *[st.integers(0, 2**64 - 1), *[st.integers(0, 2**32 - 1)] * 3, st.integers(0, 2**63)],
    st.text("0123456789abcdef", min_size=12, max_size=12),
))  # fmt: skip
def test_a_cursor_is_read_as_it_was_written(cursor: ExportCursor) -> None:
    assert parse_cursor(f"{cursor}\n") == cursor


@given(st.text(max_size=40))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(CursorError, match="not a valid cursor"):
        parse_cursor(text)
