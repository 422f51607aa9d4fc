"""The suite, the functions and the documented matrix speak of the same faults and steps."""

from __future__ import annotations

import ast
import random
from pathlib import Path

from tests.chaos.faults import CALLS, KINDS, READ_BODIES, STEPS, drawn_plans, single_faults
from tests.chaos.matrix import PAGE, block_of, render, skeleton

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
NOT_IN_THE_WORKFLOW = {"migrate", "notify", "provision"}


def test_every_step_of_every_function_is_broken() -> None:
    packages = {"stage": "extract"}
    known: dict[str, set[str]] = {}
    for function, steps in STEPS.items():
        known.setdefault(packages.get(function, function), set()).update(steps)
    found = {
        folder.name: steps_in(folder)
        for folder in FUNCTIONS.iterdir()
        if folder.is_dir() and folder.name not in NOT_IN_THE_WORKFLOW
    }
    assert known == {name: steps for name, steps in found.items() if steps}


def steps_in(folder: Path) -> set[str]:
    """Names given to ``step(...)``, and those that ``lambda_entry`` makes of handlers."""
    steps = set()
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "step":
                assert isinstance(node.args[0], ast.Constant)
                steps.add(str(node.args[0].value))
            if isinstance(node, ast.FunctionDef) and any(
                getattr(decorator, "id", "") == "lambda_entry" for decorator in node.decorator_list
            ):
                steps.add(f"{folder.name}.{node.name}")
    return steps


def test_the_documented_matrix_names_what_the_suite_breaks() -> None:
    empty = {"records": [], "seed": 0, "seconds": 0, "day": ""}
    documented = block_of(PAGE.read_text(encoding="utf-8"))
    assert skeleton(documented) == skeleton(render(empty))


def test_every_draw_breaks_each_step_each_call_and_each_body_in_every_way() -> None:
    for seed in range(100):
        drawn = [plan.faults[0] for plan in drawn_plans(random.Random(seed))]
        names = {(fault.point.function, fault.point.name) for fault in drawn}
        for function, steps in STEPS.items():
            for step in steps:
                assert names & {(function, f"before {step}"), (function, f"after {step}")}
            assert {(function, call) for call in CALLS[function]} <= names
            bodies = READ_BODIES.get(function, ())
            assert {(function, f"reading {body}") for body in bodies} <= names
        assert {fault.kind for fault in drawn} == KINDS.keys()
        assert len(drawn) < len(single_faults()) / 2


def test_every_cell_of_the_matrix_is_drawn_at_some_time() -> None:
    draws = [drawn_plans(random.Random(seed)) for seed in range(100)]
    assert {plan.faults[0] for plans in draws for plan in plans} == set(single_faults())
