"""The contract in docs/contract.md is a real one, and the page knows every key and reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from telemetry.contract import Contract, parse_contract
from telemetry.contract.model import ColumnType, OnConflict, TimestampFormat
from telemetry.contract.parse import COLUMN_KEYS, TABLE_KEYS

PAGE = (Path(__file__).parents[3] / "docs" / "contract.md").read_text(encoding="utf-8")


EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_is_a_sound_contract() -> None:
    example = EXAMPLES[0]
    contract = parse_contract(example.encode(), "docs/contract.md")
    assert contract.readings == ("data", "readings")
    assert all(key in example for key in COLUMN_KEYS)


def test_every_type_format_and_reason_is_on_the_page() -> None:
    reasons = ("not_utf8", "not_json", "not_an_object", "not_an_array", "missing:<column>")
    reasons += ("invalid:<column>", "out_of_range:<column>", "too_long:<column>")
    for word in (*get_args(ColumnType), *get_args(TimestampFormat), *reasons):
        assert f"`{word}`" in PAGE, word


def test_the_policies_of_conflicts_are_on_the_page() -> None:
    assert all(f"`{policy}`" in PAGE for policy in get_args(OnConflict))


def with_table(mark: str, more: str = "") -> Contract:
    """The page's contract with the page's table that has this in it."""
    table = next(text for text in EXAMPLES[1:] if mark in text)
    own = re.findall(r"\[table\].*?\n\n", EXAMPLES[0], re.DOTALL)[0]
    return parse_contract(f"{EXAMPLES[0].replace(own, table)}\n{more}".encode(), "docs/contract.md")


def test_the_example_of_the_greatest_is_a_sound_table() -> None:
    contract = with_table("greatest = ", '[columns.revision]\ntype = "integer"\n')
    assert (contract.on_conflict, contract.greatest) == ("keep_greatest", "revision")


def test_the_example_of_partitions_and_indexes_is_a_sound_table() -> None:
    contract = with_table("partition = ")
    assert contract.partition == "month"
    assert contract.indexes == (("ts",), ("temperature", "ts"))


def test_every_key_of_a_table_is_on_the_page() -> None:
    assert all(re.search(rf"^{key} = ", PAGE, re.MULTILINE) for key in TABLE_KEYS)
