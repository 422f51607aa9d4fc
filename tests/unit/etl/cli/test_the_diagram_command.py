from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from etl.cli.main import app


def test_the_state_machine_is_drawn_without_anything_running(tmp_path: Path) -> None:
    file = tmp_path / "picture.svg"
    result = CliRunner().invoke(
        app, ["--state", str(tmp_path / "none"), "diagram", "--output", str(file)]
    )
    assert result.exit_code == 0, result.output
    assert ElementTree.parse(file).getroot().tag.endswith("svg")


def test_a_picture_can_be_piped(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--state", str(tmp_path), "diagram", "-o", "-"])
    assert result.stdout.startswith("<svg ")
    assert result.stdout.endswith("</svg>\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--trace"], "needs"),
        (["--execution", "x"], "There is no local stack"),
    ],
)
def test_what_can_not_be_drawn_is_said(tmp_path: Path, options: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["--state", str(tmp_path), "diagram", *options])
    assert result.exit_code != 0
    assert said in result.output
