"""The commented example parses, and says the truth about defaults."""

from __future__ import annotations

import os
import re
import tomllib
from collections import defaultdict
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from etl.cli.main import app
from etl.deployment.settings_example import example
from etl.deployment.settings_file import read_file
from etl.deployment.settings_schema import FREE_TABLES, TABLES, known_settings
from infrastructure.platform.settings import PlatformSettings
from infrastructure.platform.stack_links import given_core
from infrastructure.setting_fields import settings_of
from infrastructure.settings import DeploySettings

ROOT = Path(__file__).parents[4]
COMMITTED = ROOT / "pipeline.example.toml"


def test_it_parses_and_every_key_but_two_is_left_at_its_default(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    path = tmp_path / "pipeline.toml"
    path.write_text(example(contract=str(ROOT / "contracts/fleet.toml")))
    assert set(read_file(path).values) == {"stack", "contract"}


@pytest.mark.parametrize("contracts", [["one.toml"], ["one.toml", "two.toml"]])
def test_with_every_line_in_force_it_still_parses_and_says_the_defaults(tmp_path, contracts):
    for name in (*contracts, "global-bundle.pem", "customize.py"):
        (tmp_path / name).touch()
    path = tmp_path / "pipeline.toml"
    text = example("telemetry", *contracts)
    uncommented = re.sub(r"^# (\[\w+\]|\w+ = .*)$", r"\1", text, flags=re.MULTILINE)
    left_out = "contracts" if len(contracts) == 1 else "contract"
    path.write_text(re.sub(rf"^{left_out} = .*$", "", uncommented, flags=re.MULTILINE))
    values = read_file(path).values
    assert set(known_settings()) <= {*values, left_out}
    for key, one in known_settings().items():
        if one.example is None:
            assert values[key] == one.default, key


def test_it_names_one_contract_or_all_of_several():
    one, several = tomllib.loads(example()), tomllib.loads(example("x", "a.toml", "b.toml"))
    assert (one["contract"], "contracts" in one) == ("contracts/fleet.toml", False)
    assert (several["contracts"], "contract" in several) == (["a.toml", "b.toml"], False)


@pytest.mark.parametrize("owner", [DeploySettings, PlatformSettings])
def test_everything_that_a_deployment_can_choose_is_a_setting(owner):
    defined = {one.path[0] for one in settings_of(owner)}
    assert {one.name for one in fields(owner)} - defined <= {"stack", *FREE_TABLES}


def test_what_the_core_passes_to_the_platform_is_not_a_setting():
    alone = PlatformSettings(stack="p")
    told = given_core(alone, "core", defaultdict(lambda: "of:the:core"))
    of_core = {f.name for f in fields(alone) if getattr(alone, f.name) != getattr(told, f.name)}
    assert "analyst_secret_arn" in of_core
    assert [name for name in of_core if f"platform.{name}" in known_settings()] == []


def test_every_key_has_a_table_and_a_text_and_is_defined_once():
    defined = [one for owner in (DeploySettings, PlatformSettings) for one in settings_of(owner)]
    keys = {(one.key, one.text) for one in defined if one.key}
    assert len(keys) == len(dict(keys)), "a key with two definitions"
    for one in known_settings().values():
        assert one.table in TABLES
        assert one.text.endswith((".", ";", "pem"))


def test_the_committed_example_is_what_the_command_writes(tmp_path):
    if os.environ.get("UPDATE_GOLDEN"):
        COMMITTED.write_text(example(), encoding="utf-8")
    assert COMMITTED.read_text(encoding="utf-8") == example()
    written = tmp_path / "mine.toml"
    result = CliRunner().invoke(app, ["settings", "init", str(written)])
    assert result.exit_code == 0
    assert written.read_text() == example()
    several = tmp_path / "several.toml"
    two = ["--contract", "a.toml", "--contract", "b.toml"]
    assert CliRunner().invoke(app, ["settings", "init", str(several), *two]).exit_code == 0
    assert several.read_text() == example("telemetry", "a.toml", "b.toml")
    again = CliRunner().invoke(app, ["settings", "init", str(written)])
    assert again.exit_code == 1
    assert "already exists" in again.output


def test_a_settings_file_is_checked_without_aws(tmp_path):
    path = tmp_path / "pipeline.toml"
    path.write_text("[run]\ntriger = 'queue'\n")
    result = CliRunner().invoke(app, ["settings", "check", str(path)])
    assert result.exit_code == 1
    assert "did you mean run.trigger?" in result.output


def test_a_table_named_in_an_error_is_not_taken_for_a_style(tmp_path):
    path = tmp_path / "pipeline.toml"
    path.write_text(f'contract = "{ROOT}/contracts/fleet.toml"\n')
    result = CliRunner().invoke(app, ["settings", "check", str(path)])
    assert "or add [platform] to create one" in result.output


def test_keys_can_be_looked_up_by_a_word():
    result = CliRunner().invoke(app, ["settings", "list", "snapshot"])
    assert "platform.deletion_protection" in result.output
    assert "run.trigger" not in result.output
