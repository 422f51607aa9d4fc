"""A member may be called ``*`` or ``^a$``, which polars would take for patterns of names."""

from __future__ import annotations

import pytest

from functions.transform.clean import clean
from tests.unit.functions.transform.envelopes_for import contract_of, lines


@pytest.mark.parametrize("name", ["*", "^a$", "^a*$", "^", "$"])
def test_a_name_is_never_a_pattern(name: str) -> None:
    column = f"[columns.x]\ntype = 'integer'\nfrom = '\\{name}'\n[columns.a]\ntype = 'integer'"
    batch = clean(lines({"id": 1, "a": 2, name: 3}, {"id": 2, "a": 4}), contract_of(column))
    assert batch.rows.rows() == [(1, 3, 2), (2, None, 4)]


def test_nor_are_those_of_the_array_and_of_nested_members() -> None:
    column = "[columns.x]\ntype = 'integer'\nfrom = 'a.*'"
    batch = clean(
        lines({"*": [{"id": 1, "a": {"*": 3, "b": 4}}]}), contract_of(column, message="*")
    )
    assert batch.rows.rows() == [(1, 3)]
