"""``diff``: what changes, what deploy runs, what it leaves to a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.authoring.diff import Difference, diff, table_of
from telemetry.contract import Contract, load_contract, parse_contract
from telemetry.ddl import plan_table

ROOT = Path(__file__).parents[4]
OLD = """
name = "lab"
topic = "lab/+"
[table]
name = "lab"
key = ["id", "ts"]
on_conflict = "keep_first"
[columns.id]
type = "text"
required = true
max_length = 8
[columns.ts]
type = "timestamp"
required = true
[columns.temp]
type = "float"
unit = "K"
range = [-40, 60]
"""


def of(text: str) -> Contract:
    return parse_contract(text.encode(), "lab.toml")


def changed(before: str, after: str, old: str = OLD) -> Difference:
    assert before in old
    return diff(of(old), of(old.replace(before, after)))


def keys(found: Difference) -> list[tuple[str, str]]:
    return [(change.what, change.key) for change in found.changes]


CONTRACTS = [
    *(ROOT / "contracts").glob("*.toml"),
    *(ROOT / "tests" / "property" / "contracts").glob("*.toml"),
]


@pytest.mark.parametrize("path", sorted(CONTRACTS), ids=lambda path: path.stem)
def test_a_deployed_contract_needs_nothing_done(path: Path) -> None:
    contract = load_contract(path)
    assert plan_table(contract, table_of(contract)) == []
    assert diff(contract, contract) == Difference([])


def test_a_new_column_is_added_and_old_rows_have_nothing_in_it() -> None:
    found = changed("[columns.temp]", '[columns.fw]\ntype = "text"\n[columns.temp]')
    assert keys(found) == [("added", "columns.fw")]
    assert found.statements == ['ALTER TABLE "telemetry"."lab" ADD COLUMN IF NOT EXISTS "fw" text']
    assert "existing rows have NULL" in found.changes[0].meaning


def test_members_beside_a_value_and_parts_of_texts_are_shown_as_they_are_written() -> None:
    more = "plus = {from = '$parts.p[1]', unit = 'ms'}\n[parts.p]\nfrom = 'w'\nsplit = ';'\n"
    end = "required = true\n[columns.temp]"
    found = changed(end, end.replace("[columns", f"{more}[columns"))
    shown = {change.key: change.new for change in found.changes}
    assert shown["columns.ts.plus"] == "{from = [$parts.p[1]], unit = ms, every = 1}"
    assert shown["parts"] == "[{name = p, from = [w], split = ;, missing = [none]}]"


def test_the_values_of_an_enum_are_a_check_that_deploy_replaces() -> None:
    text = OLD + '[columns.state]\ntype = "enum"\nvalues = ["on", "off"]\n'
    found = changed('["on", "off"]', '["on", "off", "idle"]', text)
    assert keys(found) == [("changed", "columns.state.values")]
    (statement,) = found.statements
    assert "DROP CONSTRAINT" in statement
    assert "'idle'" in statement


def test_a_removed_column_stays_in_the_table() -> None:
    found = changed(OLD[OLD.index("[columns.temp]") :], "")
    assert keys(found) == [("removed", "columns.temp")]
    assert not found.destructive
    assert "keeps the column" in found.changes[0].meaning


def test_a_removed_column_that_must_have_a_value_is_left_to_a_person() -> None:
    required = OLD + "required = true\n"
    found = diff(of(required), of(OLD[: OLD.index("[columns.temp]")]))
    assert found.destructive
    assert 'ALTER COLUMN "temp" DROP NOT NULL' in found.refused


def test_a_type_that_loses_values_is_left_to_a_person_with_the_statement() -> None:
    found = changed('type = "float"', 'type = "integer"')
    assert keys(found) == [("changed", "columns.temp.type")]
    assert found.destructive
    assert 'ALTER COLUMN "temp" TYPE integer' in found.refused
    assert found.statements == []


def test_another_key_is_left_to_a_person() -> None:
    found = changed('key = ["id", "ts"]', 'key = ["id"]')
    assert keys(found) == [("changed", "table.key")]
    assert "ADD PRIMARY KEY" in found.refused


def test_how_values_are_cleaned_changes_without_a_statement() -> None:
    found = changed("range = [-40, 60]", "range = [-20, inf]\nmissing = [-999]")
    assert keys(found) == [
        ("changed", "columns.temp.missing"),
        ("changed", "columns.temp.range"),
    ]
    assert (found.statements, found.destructive) == ([], False)
    assert [change.new for change in found.changes] == ["[-999]", "[-20, none]"]
    assert all("until their batches are replayed" in change.meaning for change in found.changes)


def test_sources_are_reported_as_the_file_spells_them() -> None:
    found = changed('unit = "K"', "unit = \"K\"\nfrom = ['a\\.b', '$message.c', '$topic[1]']")
    assert (found.changes[0].key, found.changes[0].old) == ("columns.temp.from", "[temp]")
    assert found.changes[0].new == r"[a\.b, $message.c, $topic[1]]"


def test_a_comment_follows_the_unit() -> None:
    found = changed('unit = "K"', 'unit = "°C"')
    assert found.statements == ["""COMMENT ON COLUMN "telemetry"."lab"."temp" IS '[°C]'"""]


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        ('topic = "lab/+"', 'topic = "bench/+"', "topic"),
        ('[table]\nname = "lab"', '[table]\nname = "lab2"', "table.name"),
        ("[table]", '[message]\nreadings = "r"\n[table]', "message.readings"),
        ("[table]", "[checks]\nmin_readings = 5\n[table]", "checks.min_readings"),
    ],
)
def test_what_is_not_in_a_column_is_compared_as_well(before: str, after: str, key: str) -> None:
    found = changed(before, after)
    assert keys(found) == [("changed", key)]
    assert not found.destructive


def test_another_policy_brings_its_own_limits_of_conflicts() -> None:
    found = changed('"keep_first"', '"keep_last"')
    assert set(keys(found)) == {
        ("changed", "table.on_conflict"),
        ("changed", "checks.conflict_share"),
        ("changed", "checks.conflict_share_warn"),
    }
    assert not found.destructive


def test_another_table_is_made_anew() -> None:
    found = changed('[table]\nname = "lab"', '[table]\nname = "lab2"')
    assert any("CREATE TABLE" in statement for statement in found.statements)
    assert "old one" in found.changes[0].meaning
