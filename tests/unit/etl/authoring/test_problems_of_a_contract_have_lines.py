"""Each problem of a contract's text comes with the line that it is in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.authoring.contract_problems import read_contract

CONTRACT = """name = "lab"
topic = "lab/+"

[table]
name = "lab"
key = ["id", "ts"]

[columns.id]
type = "text"
required = true
max_length = 64

[columns.ts]
type = "timestamp"
required = true

[columns.temp]
type = "float"
range = [-40, 60]
"""


def found(old: str, new: str) -> list[tuple[int, str]]:
    assert CONTRACT.count(old) == 1
    contract, problems = read_contract(CONTRACT.replace(old, new))
    assert contract is None
    return [(problem.line, problem.key) for problem in problems]


def test_a_valid_contract_has_none() -> None:
    contract, problems = read_contract(CONTRACT)
    assert contract is not None
    assert (contract.name, problems) == ("lab", [])


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("max_length = 64\n", "", (8, "columns.id.max_length")),
        ('type = "float"', 'type = "flaot"', (18, "columns.temp.type")),
        ("range = [-40, 60]", "rnage = [-40, 60]", (19, "columns.temp.rnage")),
        ('topic = "lab/+"', 'topic = "lab/#/x"', (2, "topic")),
        ('type = "float"\n', "", (17, "columns.temp.type")),
        ("[columns.temp]", '[ columns . "temp" ]\nrnage = 1', (18, "columns.temp.rnage")),
        ('type = "float"', 'type = "float', (18, "")),
        ("range = [-40, 60]", "range = [-40,", (19, "")),
        ("range = [-40, 60]", f"range = [0, 1{'0' * 5000}]", (19, "")),
        ('type = "float"\nrange = [-40, 60]', 'type = "text"\npattern = "(?<=a)b"',
         (19, "columns.temp.pattern")),
        ('type = "float"\nrange = [-40, 60]', 'type = "text"\npattern = "((a{1000}){1000}){100}"',
         (19, "columns.temp.pattern")),
        ('type = "float"', 'type = "float"\nunit = "degC"\nunit_from = "metre"',
         (20, "columns.temp.unit_from")),
    ],
)  # fmt: skip
def test_the_line_is_that_of_the_entry(old: str, new: str, expected: tuple[int, str]) -> None:
    assert expected in found(old, new)


def test_all_problems_are_found_at_once() -> None:
    text = CONTRACT.replace('"float"', '"flaot"').replace('"timestamp"', '"tiemstamp"')
    _, problems = read_contract(text)
    assert sorted(problem.line for problem in problems) == [14, 18, 19]


@given(st.text(), st.integers(0, len(CONTRACT)))
def test_any_text_gives_lines_that_it_has(piece: str, place: int) -> None:
    text = CONTRACT[:place] + piece + CONTRACT[place:]
    contract, problems = read_contract(text)
    assert (contract is None) == bool(problems)
    lines = len(text.split("\n"))
    assert all(1 <= problem.line <= lines for problem in problems)
