"""docs/internals/failure-cases.md names tests as proofs: each exists, and each case has one."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROMISE = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs/internals/failure-cases.md").read_text(encoding="utf-8")
FAULTS = (ROOT / "docs/internals/injected-faults.md").read_text(encoding="utf-8")
PROOF = re.compile(r"\[`(test_\w+)`\]\((?:\.\./)+(tests/[\w/]+\.py)\)")
CASES = re.findall(
    r"^### (.+?)\n(.*?)(?=^##)", PAGE.partition("## Failure cases")[2], re.DOTALL | re.MULTILINE
)


@cache
def functions_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize(("name", "path"), sorted(set(PROOF.findall(PAGE))))
def test_every_test_that_is_named_exists(name: str, path: str) -> None:
    assert name in functions_in(path)


def test_nothing_is_named_as_a_proof_in_another_way() -> None:
    linked = {name for name, _ in PROOF.findall(PAGE)}
    assert set(re.findall(r"\btest_\w+(?=`)", PAGE)) == linked


@pytest.mark.parametrize(("title", "text"), CASES, ids=[title for title, _ in CASES])
def test_every_failure_case_has_a_diagram_and_a_proof(title: str, text: str) -> None:
    assert text.count("```mermaid\nsequenceDiagram") == 1
    assert ";" not in text.partition("```mermaid")[2].partition("```")[0]  # it ends a statement
    assert PROOF.search(text)


def test_all_failure_cases_are_there() -> None:
    assert len(CASES) >= 13
    assert FAULTS.count("<!-- chaos matrix: begin -->") == 1
    assert FAULTS.index("<!-- chaos matrix: begin -->") < FAULTS.index("<!-- chaos matrix: end -->")


def test_the_promise_says_for_each_failure_case_what_becomes_of_the_readings() -> None:
    anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title, _ in CASES]
    assert re.findall(r"internals/failure-cases\.md#([\w-]+)", PROMISE) == anchors
