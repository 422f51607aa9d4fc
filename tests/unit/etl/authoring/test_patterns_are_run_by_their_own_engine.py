"""``check_expressions``: patterns are compiled and tried by polars, in linear time."""

from __future__ import annotations

import pytest

from etl.authoring.regular_expressions import check_expressions
from telemetry.contract import parse_contract
from telemetry.errors import ContractError

CONTRACT = """
name = "lab"
topic = "lab/+"
[table]
name = "lab"
key = ["id"]
[columns.id]
type = "text"
required = true
max_length = 40
[columns.kind]
type = "text"
"""


def complaint(entries: str) -> str:
    contract = parse_contract(f"{CONTRACT}{entries}".encode(), "lab.toml")
    with pytest.raises(ContractError) as refused:
        check_expressions(contract)
    return str(refused.value)


def test_a_pattern_of_parts_that_polars_can_not_compile_is_refused() -> None:
    found = complaint("from = '$parts.p.x'\n[parts.p]\npattern = '(?P<x>a{900}){900}'")
    assert found.startswith("lab: parts.p.pattern: ")
    assert found.endswith("write it differently")


def test_a_constant_has_to_match_its_pattern() -> None:
    assert complaint("pattern = '[a-z]+'\nconstant = 'N'") == (
        "lab: columns.kind.constant: 'N' does not match the pattern; write a value that the column "
        "takes"
    )
    sound = f"{CONTRACT}pattern = '[a-z]+'\nconstant = 'n'"
    check_expressions(parse_contract(sound.encode(), "lab.toml"))


def test_a_pattern_that_would_keep_pythons_engine_busy_for_years_is_tried_at_once() -> None:
    constant = "a" * 60 + "b"
    assert "does not match" in complaint(f"pattern = '(a+)+'\nconstant = '{constant}'")


@pytest.mark.parametrize("pattern", ["((((a{99}){99}){99}){99})", "(?a)x", "[\\b]", "a{,3}"])
def test_a_pattern_that_polars_refuses_is_named(pattern: str) -> None:
    assert "columns.kind.pattern: " in complaint(f"pattern = '{pattern}'")
