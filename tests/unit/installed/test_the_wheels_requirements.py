"""What the wheel asks for is what the repository's own environments are made of."""

import ast
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[3] / "requirements"


def names(file: str) -> set[str]:
    lines = (
        line.partition("#")[0].strip() for line in (REQUIREMENTS / file).read_text().split("\n")
    )
    return {line for line in lines if line and not line.startswith("-r")}


@pytest.mark.parametrize(
    ("extra", "all_of"), [("extra-notebooks.in", "notebooks.in"), ("extra-testing.in", "test.in")]
)
def test_an_extra_has_nothing_that_is_not_locked(extra: str, all_of: str) -> None:
    assert names(extra) <= names(all_of)


def test_the_notebooks_extra_is_complete() -> None:
    assert names("extra-notebooks.in") == names("notebooks.in")


def test_the_source_distribution_has_the_folders_that_the_wheel_is_made_of() -> None:
    tree = ast.parse((REQUIREMENTS.parent / "setup.py").read_text())
    (carried,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CARRIED"
    )
    manifest = (REQUIREMENTS.parent / "MANIFEST.in").read_text().split("\n")
    grafted = {line.removeprefix("graft ") for line in manifest if line.startswith("graft ")}
    assert set(carried) - {"requirements"} | {"etl"} <= grafted
    assert "include requirements/*.in requirements/*.txt" in manifest
