"""Taking any one statement away, or any part of it, makes something fail: none is too much."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.permissions.policies import Named, Statement, listed
from tests.permissions.run import Recording
from tests.permissions.statements import statement_names

pytestmark = pytest.mark.slow

STATEMENTS = statement_names()


def named(recording: Recording, name: str) -> Named:
    (found,) = [one for one in recording.policies.statements if one.name == name]
    return found


def less(statement: Statement) -> Iterator[tuple[str, Statement]]:
    """The statement without one of its actions, resources or values of a condition."""
    for part in ("Action", "Resource"):
        values = listed(statement.get(part, []))
        if len(values) > 1:
            for value in values:
                yield str(value), {**statement, part: [v for v in values if v != value]}
    for operator, key, values in conditions(statement):
        if len(values) > 1:
            for value in values:
                kept = {key: [v for v in values if v != value]}
                yield str(value), with_condition(statement, operator, key, kept)


def wider(statement: Statement) -> Iterator[tuple[str, Statement]]:
    """The statement without one of its conditions."""
    for operator, key, _ in conditions(statement):
        yield f"{operator} {key}", with_condition(statement, operator, key, {})


def conditions(statement: Statement) -> Iterator[tuple[str, str, list[Any]]]:
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            yield operator, key, listed(values)


def with_condition(
    statement: Statement, operator: str, key: str, instead: dict[str, Any]
) -> Statement:
    """The statement with another condition in the place of one, or with none."""
    before = statement["Condition"]
    kept = {k: v for k, v in before[operator].items() if k != key}
    return {**statement, "Condition": {**before, operator: {**kept, **instead}}}


@pytest.mark.parametrize("name", STATEMENTS)
def test_without_the_statement_something_fails(recording: Recording, name: str) -> None:
    assert recording.broken_by(recording.exact.replacing(name)) is not None


@pytest.mark.parametrize("name", STATEMENTS)
def test_each_part_of_the_statement_is_needed(recording: Recording, name: str) -> None:
    one = named(recording, name).statement
    too_much = [
        part
        for part, other in [*less(one), *wider(one)]
        if recording.broken_by(recording.exact.replacing(name, other)) is None
    ]
    assert too_much == []
