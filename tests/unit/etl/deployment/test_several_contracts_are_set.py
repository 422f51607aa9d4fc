"""The key ``contracts`` of a settings file, and the flags beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from etl.cli.main import app
from etl.deployment.pipeline_settings import PipelineSettings, aws_settings
from etl.deployment.settings_file import (
    EnteredSettings,
    SettingsError,
    flag_value,
    from_flags,
    read_file,
)
from tests.fixtures.contract_files import write_contract

DATABASE = """
[database]
host = "db.example.com"
ca_file = "one.toml"
owner_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:owner-AbCdEf"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one.toml", "two.toml", "three.toml"):
        (tmp_path / name).touch()
    return tmp_path


def written(folder: Path, line: str) -> Path:
    path = folder / "pipeline.toml"
    path.write_text(f"{line}\n{DATABASE}")
    return path


def test_the_first_is_the_contract_and_the_others_follow_in_their_order(folder):
    path = written(folder, 'contracts = ["two.toml", "one.toml", "three.toml"]')
    settings = aws_settings(PipelineSettings(read_file(path)))
    assert settings.contract == folder / "two.toml"
    assert settings.further_contracts == (folder / "one.toml", folder / "three.toml")
    assert settings.contracts == (folder / "two.toml", folder / "one.toml", folder / "three.toml")


@pytest.mark.parametrize("line", ['contract = "two.toml"', 'contracts = ["two.toml"]'])
def test_a_list_of_one_is_the_same_as_one(folder, line):
    settings = aws_settings(PipelineSettings(read_file(written(folder, line))))
    assert settings.contracts == (folder / "two.toml",)
    assert settings.further_contracts == ()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('contract = "one.toml"\ncontracts = ["two.toml"]', "contract and contracts are both set"),
        ("contracts = []", "contracts: the list is empty; name at least one file"),
        ('contracts = ["one.toml", "four.toml"]', "contracts: there is no file"),
        ('contracts = "one.toml"', 'contracts: expected a list of files, found "one.toml"'),
        ("contracts = [1]", "contracts: expected a list of files, found [1]"),
    ],
)
def test_a_mistake_is_named(folder, line, problem):
    with pytest.raises(SettingsError) as error:
        read_file(written(folder, line))
    assert problem in str(error.value)


def test_a_flag_overrides_whichever_key_the_file_has(folder):
    one, two = folder / "one.toml", folder / "two.toml"
    file = EnteredSettings({"contracts": (one, two), "run.trigger": "queue"}, "file")
    single = PipelineSettings(from_flags({"contract": str(two)}).over(file))
    assert single.contracts == (two,)
    assert single.values["run.trigger"] == "queue"
    file = EnteredSettings({"contract": one}, "file")
    several = PipelineSettings(from_flags({"contracts": [str(two), str(one)]}).over(file))
    assert several.contracts == (two, one)


def test_a_flag_of_set_takes_a_list(folder):
    key, value = flag_value(f'contracts=["{folder / "one.toml"}", "{folder / "two.toml"}"]')
    entered = from_flags({key: value})
    assert entered.values == {"contracts": (folder / "one.toml", folder / "two.toml")}


def check(folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> tuple[int, str]:
    monkeypatch.setattr("etl.deployment.preconditions.check_preconditions", lambda *_: None)
    for name in names:
        write_contract(folder, name)
    files = ", ".join(f'"{name}.toml"' for name in names)
    result = CliRunner().invoke(
        app, ["settings", "check", str(written(folder, f"contracts = [{files}]"))]
    )
    return result.exit_code, "".join(result.output.split())


def test_the_check_names_all_of_them(folder, monkeypatch):
    status, told = check(folder, monkeypatch, "one", "two")
    assert status == 0
    assert f"contracts{folder / 'one.toml'},{folder / 'two.toml'}" in told


def test_the_check_finds_what_two_of_them_share(folder, monkeypatch):
    status, told = check(folder, monkeypatch, "one", "one_latest")
    assert status == 1
    assert "aviewofthecontractone" in told
