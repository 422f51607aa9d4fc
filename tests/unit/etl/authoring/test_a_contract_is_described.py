"""The data dictionary says what the contract says, in Markdown, HTML and JSON, and nothing comes alive."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from etl.authoring.dictionary import describe
from etl.cli.main import app
from etl.operations.contract_facts import ContractFacts, LastLoad
from etl.operations.dictionary_page import as_html, as_markdown
from telemetry.contract import load_contract
from telemetry.contract.model import Checks, Column

FLEET = load_contract(Path("contracts/fleet.toml"))
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
FACTS = ContractFacts(NOW, NOW, [LastLoad("b<1>|", NOW, "quarantined", 1200, 900, 300, None)])


def test_every_column_is_described() -> None:
    columns = {one.name: one for one in describe(FLEET).columns}
    assert list(columns) == [one.name for one in FLEET.columns]
    found = columns["temperature_c"]
    assert (found.type, found.unit, found.allowed) == ("double precision", "°C", "-60 to 85")
    assert (found.invalid, found.key) == ("rejects the reading", False)
    assert found.sources == "temperature_c, temp, environment.temperature"
    assert (columns["ts"].key, columns["ts"].required) == (True, True)


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"range": (-2147483648, None)}, "-2147483648 or more"),
        ({"range": (None, 0.1)}, "0.1 or less"),
        ({"values": (("on", ("1",)), ("off", ()))}, "on, off"),
        ({"max_length": 9, "on_too_long": "truncate"}, "up to 9 characters, longer ones are cut"),
        ({"pattern": "[a-z]+"}, "matches [a-z]+"),
        ({"max_age": 7 * 86_400 * 10**6}, "up to 7 days before its message arrived"),
        ({"max_future": 90 * 10**6}, "up to 90 seconds after its message arrived"),
        ({}, ""),
    ],
)
def test_limits_are_said(limits: dict[str, object], text: str) -> None:
    column = Column(name="x", type="text", sources=(), **limits)  # type: ignore[arg-type]
    contract = replace(FLEET, columns=(*FLEET.columns, column))
    assert describe(contract).columns[-1].allowed == text


def test_rules_and_checks_are_said() -> None:
    checks = Checks(
        max_duplicate_share=0.5, max_age_minutes=90, volume=(0.5, 2), drift={"battery_v": 0.25}
    )
    contract = replace(
        FLEET, partition="day", retention_days=400, on_conflict="keep_greatest", greatest="seq",
        indexes=(("status", "ts"),), checks=checks,
    )  # fmt: skip
    found = describe(contract)
    rules = dict(found.rules)
    assert rules["retention"] == "rows stay for 400 days"
    assert "greatest seq" in rules["readings of one key"]
    assert (rules["partitions"], rules["further indexes"]) == ("one a day", "status, ts")
    said = dict(found.checks)
    assert said["rejected readings"] == "more than 5 % of all warns, more than 50 % quarantines"
    assert said["newest reading"] == "older than 90 minutes warns"
    assert set(said) >= {"duplicates", "volume", "drift of battery_v", "least size"}


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)


def test_no_text_comes_alive() -> None:
    hostile = "<script>alert(1)</script>| \x1b[31m `x`"
    contract = replace(FLEET, description=hostile)
    page = describe(contract)
    parser = Tags()
    parser.feed(as_html(page, FACTS))
    assert "script" not in parser.tags
    text = as_markdown(page, FACTS)
    assert "\x1b" not in text
    assert "\\<script>alert(1)\\</script>\\|" in text
    [line] = [
        one for one in text.splitlines() if "quarantined" in one and "b" in one and "900" in one
    ]
    assert line.replace("\\|", "").count("|") == 8


def test_freshness_is_said_of_a_deployed_one_alone() -> None:
    page = describe(FLEET)
    assert "Freshness" not in as_markdown(page)
    assert "Newest reading 2026-11-23 06:00:00 UTC" in as_markdown(page, FACTS)
    assert "Nothing has been loaded yet." in as_markdown(page, ContractFacts(None, None, []))


def test_the_command_describes_a_file() -> None:
    def run(*words: str) -> str:
        result = CliRunner().invoke(app, ["contract", "describe", "contracts/fleet.toml", *words])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert run().startswith("# Data dictionary: fleet\n")
    assert run("--format", "html").startswith("<!doctype html>")
    found = json.loads(run("--format", "json"))
    assert found["columns"][3]["unit"] == "°C"
    assert "freshness" not in found
    wrong = CliRunner().invoke(
        app, ["contract", "describe", "contracts/fleet.toml", "--format", "x"]
    )
    assert wrong.exit_code == 2
