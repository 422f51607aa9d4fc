"""The commented example parses, says the truth about defaults, and the reference has every key."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from etl.cli.main import app
from etl.deployment.settings_example import example, reference
from etl.deployment.settings_file import read_file
from etl.deployment.settings_keys import FILLED_IN, known_entries
from etl.deployment.settings_schema import ENTRIES, TABLES
from infrastructure.platform import given_core
from infrastructure.platform.settings import PlatformSettings
from infrastructure.settings import DatabaseSettings, DeploySettings
from layers.target import RuntimeTarget
from workflow.settings import DefinitionSettings

ROOT = Path(__file__).parents[4]
COMMITTED = ROOT / "pipeline.example.toml"
PAGE = ROOT / "docs" / "settings.md"
BEGIN, END = "<!-- reference -->\n", "<!-- end of reference -->\n"
NOT_CHOSEN = {"database", "target", "definition", "tuning", "tags", "host", *TABLES}
"""Parts with tables of their own, and the laptop's mark."""


def test_it_parses_and_every_key_but_two_is_left_at_its_default(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    path = tmp_path / "pipeline.toml"
    path.write_text(example(contract=str(ROOT / "contracts/fleet.toml")))
    assert set(read_file(path).values) == {"stack", "contract"}


def test_with_every_line_in_force_it_still_parses_and_says_the_defaults(tmp_path):
    (tmp_path / "contracts").mkdir()
    for name in ("contracts/fleet.toml", "global-bundle.pem"):
        (tmp_path / name).touch()
    path = tmp_path / "pipeline.toml"
    uncommented = re.sub(r"^# (\[\w+\]|\w+ = .*)$", r"\1", example(), flags=re.MULTILINE)
    path.write_text(uncommented)
    values = read_file(path).values
    assert set(known_entries()) <= set(values)
    for key, entry in known_entries().items():
        if entry.example is None:
            assert values[key] == entry.default, key


@pytest.mark.parametrize(
    "owner", [DeploySettings, DatabaseSettings, DefinitionSettings, RuntimeTarget]
)
def test_everything_that_a_deployment_can_choose_is_a_setting(owner):
    chosen = {entry.attribute for entry in ENTRIES if entry.owner is owner}
    left = {one.name for one in fields(owner)} - chosen - NOT_CHOSEN
    if owner is DatabaseSettings:
        assert "host" in chosen
    assert left == set()


def test_everything_of_the_platform_is_a_setting_or_filled_in():
    named = {
        key.removeprefix("platform.") for key in known_entries() if key.startswith("platform.")
    }
    assert named | FILLED_IN == {one.name for one in fields(PlatformSettings)}


def test_what_the_core_tells_the_platform_is_nobodys_to_write():
    alone = PlatformSettings(stack="p")
    told = given_core(alone, "core", defaultdict(lambda: "of:the:core"))
    of_core = {f.name for f in fields(alone) if getattr(alone, f.name) != getattr(told, f.name)}
    assert "analyst_secret_arn" in of_core
    assert of_core <= FILLED_IN


def test_every_entry_has_a_table_a_text_and_a_field():
    for entry in known_entries().values():
        assert entry.table in TABLES
        assert entry.text.endswith((".", "pem"))
        assert entry.owner is None or entry.attribute in {f.name for f in fields(entry.owner)}


def test_the_committed_example_is_what_the_command_writes(tmp_path):
    if os.environ.get("UPDATE_GOLDEN"):
        COMMITTED.write_text(example(), encoding="utf-8")
    assert COMMITTED.read_text(encoding="utf-8") == example()
    written = tmp_path / "mine.toml"
    result = CliRunner().invoke(app, ["settings", "init", str(written)])
    assert result.exit_code == 0
    assert written.read_text() == example()
    again = CliRunner().invoke(app, ["settings", "init", str(written)])
    assert again.exit_code == 1
    assert "is there already" in again.output


def test_the_reference_in_the_docs_is_complete():
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    wanted = f"{before}{BEGIN}\n{reference()}\n{END}{rest.partition(END)[2]}"
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(wanted, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == wanted, "UPDATE_GOLDEN=1 writes it anew"


def test_a_settings_file_is_checked_without_aws(tmp_path):
    path = tmp_path / "pipeline.toml"
    path.write_text("[run]\ntriger = 'queue'\n")
    result = CliRunner().invoke(app, ["settings", "check", str(path)])
    assert result.exit_code == 1
    assert "is run.trigger meant?" in result.output


def test_a_table_named_in_an_error_is_not_taken_for_a_style(tmp_path):
    path = tmp_path / "pipeline.toml"
    path.write_text(f'contract = "{ROOT}/contracts/fleet.toml"\n')
    result = CliRunner().invoke(app, ["settings", "check", str(path)])
    assert "or add [platform] to have one made" in result.output


def test_keys_can_be_looked_up_by_a_word():
    result = CliRunner().invoke(app, ["settings", "list", "snapshot"])
    assert "platform.deletion_protection" in result.output
    assert "run.trigger" not in result.output
