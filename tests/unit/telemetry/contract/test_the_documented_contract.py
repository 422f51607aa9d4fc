"""The contract in docs/contract.md is a real one, and its pages know every key and reason."""

from __future__ import annotations

import re
import tomllib
from typing import get_args

from etl.authoring.units import resolve_units
from functions.transform.clean import clean
from functions.transform.copy import copy_csv
from local.devices.encoding import as_sent
from telemetry.contract import Analytics, Contract, parse_contract
from telemetry.contract.analytics import ANALYTICS_KEYS
from telemetry.contract.message import MESSAGE_KEYS
from telemetry.contract.model import Ambiguous, ColumnType, OnConflict, Shape, TimestampFormat
from telemetry.contract.parse import COLUMN_KEYS, TABLE_KEYS
from telemetry.contract.parts import PARTS_KEYS
from telemetry.contract.patterns import DIRECTIVES
from tests.unit.functions.transform.envelopes_for import line
from tests.unit.telemetry.contract.documented import PAGE

EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_is_a_valid_contract() -> None:
    example = EXAMPLES[0]
    contract = parse_contract(example.encode(), "docs/contract.md")
    assert contract.readings == ("data", "readings")
    for key in COLUMN_KEYS:
        assert f"\n{key} = " in PAGE, key


def test_every_type_format_and_reason_is_on_the_page() -> None:
    reasons = ("not_utf8", "not_json", "not_an_object", "not_an_array", "missing:<column>")
    reasons += ("invalid:<column>", "out_of_range:<column>", "too_long:<column>")
    reasons += ("too_old:<column>", "in_future:<column>")
    reasons += ("ambiguous_time:<column>", "nonexistent_time:<column>", "unknown_unit:<column>")
    reasons += ("not_gzip", "too_large", "unreadable:<error>")
    reasons += ("not_pairs", "too_many_fields", "no_metric", "unequal_arrays")
    for word in (*get_args(ColumnType), *get_args(TimestampFormat), *reasons):
        assert f"`{word}`" in PAGE, word
    assert all(f'`"{word}"`' in PAGE for word in get_args(Ambiguous))
    for letter in DIRECTIVES:
        assert f"`%{letter}`" in PAGE, letter


def test_every_key_of_a_message_and_every_shape_is_on_the_page() -> None:
    for word in (*MESSAGE_KEYS, *PARTS_KEYS):
        assert f"\n{word} = " in PAGE, word
    for shape in get_args(Shape):
        assert f'`"{shape}"`' in PAGE, shape


def test_every_example_with_messages_gives_the_rows_that_stand_below_it() -> None:
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    three = zip(blocks, blocks[1:], blocks[2:], strict=False)
    examples = [(a, b, c) for (_, a), (kind, b), (_, c) in three if kind == "json"]
    assert len(examples) > 7
    for toml, messages, rows in examples:
        columns = tomllib.loads(toml)["columns"]
        key = [name for name, column in columns.items() if column.get("required")]
        topic = tomllib.loads(toml).get("topic", "lab/+")
        head = f'name = "page"\ntopic = "{topic}"\n[table]\nname = "page"\nkey = {key}\n'
        below = toml.removeprefix(f'topic = "{topic}"\n')
        sized = re.sub(r'type = "text"(?!\nmax_length)', 'type = "text"\nmax_length = 64', below)
        contract = resolve_units(parse_contract((head + sized).encode(), "docs/contract.md"))
        payloads = re.split(r"\n(?=\{)", messages.strip())
        raw = b"\n".join(
            line(
                as_sent(contract, text.encode()),
                number,
                topic=contract.topic_filter.fill("box-7", lambda _: "farm"),
            )
            for number, text in enumerate(payloads)
        )
        batch = clean(raw, contract)
        assert batch.rejects == []
        assert copy_csv(batch.rows).decode() == rows


def test_the_policies_of_conflicts_are_on_the_page() -> None:
    assert all(f"`{policy}`" in PAGE for policy in get_args(OnConflict))


def with_table(mark: str, more: str = "") -> Contract:
    """The page's contract with the page's table that has this in it."""
    table = next(text for text in EXAMPLES[1:] if mark in text)
    own = re.findall(r"\[table\].*?\n\n", EXAMPLES[0], re.DOTALL)[0]
    return parse_contract(f"{EXAMPLES[0].replace(own, table)}\n{more}".encode(), "docs/contract.md")


def test_the_example_of_the_greatest_is_a_valid_table() -> None:
    contract = with_table("greatest = ", '[columns.revision]\ntype = "integer"\n')
    assert (contract.on_conflict, contract.greatest) == ("keep_greatest", "revision")


def test_the_example_of_partitions_and_indexes_is_a_valid_table() -> None:
    contract = with_table("partition = ")
    assert contract.partition == "month"
    assert contract.indexes == (("ts",), ("temperature", "ts"))


def test_every_key_of_a_table_is_on_the_page() -> None:
    assert all(re.search(rf"^{key} = ", PAGE, re.MULTILINE) for key in TABLE_KEYS)


def test_the_example_of_analytics_is_valid_and_has_every_key() -> None:
    analytics = next(text for text in EXAMPLES[1:] if "[analytics]" in text)
    contract = parse_contract(f"{EXAMPLES[0]}\n{analytics}".encode(), "docs/contract.md")
    assert contract.analytics == Analytics(metrics=("temperature",))
    assert all(re.search(rf"^{key} = ", analytics, re.MULTILINE) for key in ANALYTICS_KEYS)
