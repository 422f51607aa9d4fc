"""Commands in a project with ``run.customization`` see the workflow as it will be deployed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from etl.cli.deploy_options import project_additions
from etl.cli.main import app
from etl.deployment import laptop
from etl.deployment.kept_customization import KeptCustomization

SETTINGS = """\
stack = "plant"
contract = "reading.toml"

[run]
customization = "customize.py"

[own_functions]
enrich = "plant-enrich"

[database]
host = "db.example.com"
owner_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:owner-AbCdEf"
ssl_mode = "require"
"""
CUSTOMIZE = """\
def customize(workflow):
    workflow.insert_before("{step}", workflow.invoke("Enrich it", "enrich"))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy("tests/fixtures/reading.toml", tmp_path)
    (tmp_path / "pipeline.toml").write_text(SETTINGS)
    (tmp_path / "customize.py").write_text(CUSTOMIZE.format(step="Load"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def etl(*words: str) -> Result:
    return CliRunner().invoke(app, [*words])


def test_the_diagram_shows_the_added_state(project: Path) -> None:
    drawn = etl("diagram", "-o", "-")
    assert drawn.exit_code == 0, drawn.output
    assert "Enrich it" in drawn.stdout


def test_the_settings_check_runs_the_file(project: Path) -> None:
    assert etl("settings", "check").exit_code == 0
    (project / "customize.py").write_text(CUSTOMIZE.format(step="Lod"))
    checked = etl("settings", "check")
    assert checked.exit_code == 1
    assert "did you mean 'Load'" in checked.output


def test_up_deploys_with_it_from_any_folder_of_the_project(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: dict[str, Any] = {}

    def bring_up(*_: Any, **options: Any) -> None:
        taken.update(options)
        raise SystemExit(7)

    monkeypatch.setattr(laptop, "bring_up", bring_up)
    (project / "below").mkdir()
    monkeypatch.chdir(project / "below")
    assert etl("up").exit_code == 7
    assert taken["additions"].customization.resolve() == project / "customize.py"
    assert taken["additions"].own_functions == {"enrich": "plant-enrich"}


def test_a_project_without_it_takes_it_away(project: Path) -> None:
    (project / "pipeline.toml").write_text('stack = "plant"\ncontract = "reading.toml"\n')
    assert project_additions() == KeptCustomization()


def test_outside_a_project_nothing_is_said_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert project_additions() is None
