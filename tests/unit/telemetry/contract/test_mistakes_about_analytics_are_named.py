"""What ``[analytics]`` may say, and what a mistake in it is answered with."""

from __future__ import annotations

import pytest

from telemetry.contract import Contract, parse_contract
from telemetry.contract.analytics import metrics_of, rolls_up
from telemetry.errors import ContractError

PLAIN = """
name = "page"
topic = "lab/+"
[table]
name = "page"
key = ["id", "ts"]
[columns.id]
type = "text"
max_length = 20
required = true
[columns.ts]
type = "timestamp"
required = true
[columns.v]
type = "float"
[columns.note]
type = "text"
"""


def with_analytics(text: str, plain: str = PLAIN) -> Contract:
    return parse_contract(f"{plain}\n[analytics]\n{text}\n".encode(), "page.toml")


def test_without_a_word_all_numbers_and_booleans_are_rolled_up() -> None:
    contract = with_analytics("")
    assert contract.analytics == parse_contract(PLAIN.encode(), "page.toml").analytics
    assert rolls_up(contract)
    assert [column.name for column in metrics_of(contract)] == ["v"]


def test_a_key_without_a_time_rolls_nothing_up() -> None:
    timeless = PLAIN.replace('key = ["id", "ts"]', 'key = ["id"]')
    assert not rolls_up(with_analytics("", timeless))


@pytest.mark.parametrize(
    ("text", "key", "remedy"),
    [
        ("rollup = []", "analytics.rollup", "did you mean rollups?"),
        ("summary = []", "analytics.summary", "use one of views, rollups, metrics"),
        ("views = 1", "analytics.views", "write true or false"),
        ('rollups = "hourly"', "analytics.rollups", "write a list of 'hourly', 'daily'"),
        ('rollups = ["weekly"]', "analytics.rollups", "write a list of 'hourly', 'daily'"),
        ("metrics = [1]", "analytics.metrics", "write a list of texts"),
        ("metrics = []", "analytics.metrics", "leave it out"),
        ('metrics = ["x"]', "analytics.metrics", r"add [columns.x]"),
        ('metrics = ["note"]', "analytics.metrics", "only numbers and booleans"),
        ('metrics = ["ts"]', "analytics.metrics", "only numbers and booleans"),
    ],
)
def test_one_slip_gives_one_message(text: str, key: str, remedy: str) -> None:
    with pytest.raises(ContractError) as caught:
        with_analytics(text)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"page.toml: {key}: ")
    assert remedy in line


@pytest.mark.parametrize(
    ("old", "new", "key", "remedy", "mend"),
    [
        ('name = "page"\nkey', f'name = "{"p" * 50}"\nkey', "table.name", "49 bytes", "views = false"),
        ("[columns.v]", f"[columns.{'v' * 58}]", f"columns.{'v' * 58}", "57 bytes", "rollups = []"),
        ("[columns.id]", "[columns.hour]", "columns.hour", "rename it", "rollups = []"),
        ("[columns.id]", "[columns.v_min]", "columns.v_min", "rename it", "rollups = []"),
    ],
)  # fmt: skip
def test_names_leave_room_for_those_made_of_them(
    old: str, new: str, key: str, remedy: str, mend: str
) -> None:
    text = PLAIN.replace(old, new)
    if old == "[columns.id]":
        text = text.replace('"id"', f'"{key.removeprefix("columns.")}"')
    with pytest.raises(ContractError) as caught:
        with_analytics("", text)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"page.toml: {key}: ")
    assert remedy in line
    assert with_analytics(mend, text)
