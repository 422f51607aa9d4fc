"""docs/workflow.md shows the state machine as it is. UPDATE_GOLDEN=1 draws and writes it anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from etl.operations.pictures import draw_definition
from etl.pictures.states import read_machine
from etl.pictures.table import states_table
from workflow.definition import definition_json

PAGE = Path("docs/workflow.md")
PICTURE = Path("docs/images/workflow.svg")
TABLE = re.compile(r"(<!-- states -->\n).*?(<!-- end of states -->)", re.DOTALL)


@pytest.fixture(scope="module")
def definition() -> dict:
    return definition_json()


def test_the_picture_in_the_docs_is_of_the_definition(definition: dict) -> None:
    drawn = draw_definition(definition, title="Telemetry ETL").svg + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        PICTURE.write_text(drawn, encoding="utf-8")
    assert PICTURE.read_text(encoding="utf-8") == drawn
    assert f"images/{PICTURE.name}" in PAGE.read_text(encoding="utf-8")


def test_the_table_in_the_docs_is_of_the_definition(definition: dict) -> None:
    page = PAGE.read_text(encoding="utf-8")
    wanted = TABLE.sub(lambda found: found[1] + states_table(definition) + found[2], page)
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(wanted, encoding="utf-8")
        page = wanted
    assert TABLE.search(page)
    assert page == wanted


def test_every_state_is_reported_in_the_docs(definition: dict) -> None:
    prose = TABLE.sub("", PAGE.read_text(encoding="utf-8"))
    bold = set(re.findall(r"\*\*(.+?)\*\*", prose))
    states = {step.name for step in read_machine(definition).every_step()}
    assert states - bold == set()
