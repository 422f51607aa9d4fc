"""What is changed for the other interpreters is listed with its reason, and needed."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.interpreters.adaptations import ADAPTATIONS, Adaptation, adapted
from tests.interpreters.conftest import PROGRAMS
from tests.interpreters.interpreters import Interpreter, ProgramInterpreter
from tests.interpreters.pipeline import Pipeline, Run
from tests.interpreters.scenarios import SCENARIOS

pytestmark = pytest.mark.slow

SOURCES = {"moto": "moto_program.py", "node": "node_program.mjs"}
NAMED = re.compile(r"adaptation: ([^.\n\"]+)")
PARTIAL = next(scenario for scenario in SCENARIOS if scenario.name == "partial")


@pytest.mark.parametrize("interpreter", SOURCES)
def test_a_program_makes_the_listed_changes_and_no_others(interpreter: str) -> None:
    text = (PROGRAMS / SOURCES[interpreter]).read_text(encoding="utf-8")
    made = {name.strip() for name in NAMED.findall(text)}
    listed = {a.name for a in ADAPTATIONS if a.interpreter == interpreter and a.change is None}
    assert made == listed


@pytest.mark.parametrize(
    "adaptation",
    [one for one in ADAPTATIONS if one.change is not None],
    ids=lambda one: f"{one.interpreter}: {one.name}",
)
def test_without_a_change_of_the_definition_it_does_not_run(
    pipeline: Pipeline, interpreter: Callable[[str], Interpreter], adaptation: Adaptation
) -> None:
    program = interpreter(adaptation.interpreter)
    assert isinstance(program, ProgramInterpreter)
    number = ADAPTATIONS.index(adaptation)
    run = Run(f"without-{number}", adaptation.interpreter)
    given = PARTIAL.prepare(pipeline, run)
    definition = adapted(pipeline.definition(), adaptation.interpreter, without=adaptation.name)
    answer = program.ask(run, given, definition)
    assert "problem" in answer or answer["status"] == "FAILED"
